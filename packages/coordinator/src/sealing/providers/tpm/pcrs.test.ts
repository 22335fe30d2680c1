import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CodecError } from '../../../state/codec-bytes.ts'
import { decodeBlob, encodeObject } from './blob.ts'
import { parsePcrSelection } from '../../tpm-settings.ts'
import { pcrDifferences, pcrLists } from './pcrs.ts'

void test('lists of PCRs', () => {
  assert.deepEqual(parsePcrSelection('7'), [7])
  assert.deepEqual(parsePcrSelection('9, 0-2,1'), [0, 1, 2, 9])
  assert.deepEqual(pcrLists(parsePcrSelection('0-9,11-14')), [
    'sha256:0,1,2,3,4,5,6,7',
    'sha256:8,9,11,12,13,14',
  ])
  for (const wrong of ['', '16', '0-23', '3-1', '1,', 'sha256:7', '-1', '1.5', '0x7', '007']) {
    assert.throws(
      () => parsePcrSelection(wrong),
      /is no list of PCRs: "[^"]*" must be a number or a range from 0 to 15/,
    )
  }
})

void test('differences name each PCR', () => {
  const [one, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
  assert.equal(pcrDifferences(new Map([[0, one]]), new Map([[0, one]])), undefined)
  const text = pcrDifferences(new Map([[0, one], [7, one], [9, other]]), new Map([[0, one], [7, other], [9, one]])) // prettier-ignore
  assert.equal(text, `PCR 7 was ${'01'.repeat(32)}, and is ${'02'.repeat(32)}; PCR 9 was ${'02'.repeat(32)}, and is ${'01'.repeat(32)}`) // prettier-ignore
})

void test('sealed bytes are read as they were written, and anything else is refused as such', () => {
  const bytes = fc.uint8Array({ maxLength: 300 })
  const value = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const pcrs = fc.uniqueArray(fc.tuple(fc.nat(15), value), { selector: ([number]) => number })
  fc.assert(
    fc.property(pcrs, bytes, bytes, bytes, (values, publicArea, privateArea, box) => {
      const object = { pcrs: new Map(values), publicArea, privateArea }
      const objectBytes = encodeObject(object)
      const blob = decodeBlob(Buffer.concat([objectBytes, box]))
      assert.deepEqual(blob.object, object)
      assert.deepEqual(Buffer.from(blob.objectBytes), objectBytes)
      assert.deepEqual(Buffer.from(blob.box), Buffer.from(box))
      assert.throws(() => decodeBlob(objectBytes.subarray(0, -1)), CodecError)
    }),
  )
  fc.assert(
    fc.property(bytes, (garbage) => {
      try {
        decodeBlob(garbage)
      } catch (error) {
        assert.ok(error instanceof CodecError)
      }
    }),
  )
})
