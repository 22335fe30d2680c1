import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  DER_TAG,
  DerReader,
  bitStringOctets,
  booleanValue,
  derElement,
  oidText,
  readSingle,
  smallInteger,
  timeValue,
  unsignedInteger,
} from './der.ts'
import type { DerElement } from './der.ts'
import { fromHex, toUtf8 } from './encoding.ts'
import { EvidenceInvalid } from './errors.ts'

const element = (hex: string): DerElement => readSingle(fromHex(hex), 'test')
const refused = (read: () => unknown): void => {
  assert.throws(read, EvidenceInvalid)
}

suite('DER', () => {
  test('what is written is read back, whatever its length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70_000 }), (content) => {
        fc.pre(content.length < 65_536)
        const der = derElement(DER_TAG.octetString, content)
        const read = readSingle(der, 'test', DER_TAG.octetString)
        assert.deepEqual(read.content, content)
        assert.deepEqual(read.raw, der)
      }),
    )
  })

  test('no bytes make it throw anything but EvidenceInvalid, or read past the end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          const reader = new DerReader(bytes)
          let read = 0
          while (!reader.done) read += reader.read('test').raw.length
          assert.equal(read, bytes.length)
        } catch (error) {
          assert.ok(error instanceof EvidenceInvalid)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('lengths must be definite, minimal and within the bytes', () => {
    assert.equal(element('0400').content.length, 0)
    for (const hex of [
      '',
      '04',
      '0401',
      '0480',
      '04810100',
      '048100',
      '0482007f',
      '04850000000001',
      '04ff',
      '1f0100',
      '040000',
    ]) {
      refused(() => element(hex))
    }
  })

  test('a tag that is not the expected one is refused', () => {
    refused(() => readSingle(fromHex('0500'), 'test', DER_TAG.sequence))
    assert.equal(new DerReader(fromHex('0500')).optional('test', DER_TAG.sequence), undefined)
  })

  test('integers must be minimal and not negative', () => {
    assert.equal(smallInteger(element('020100'), 'test'), 0)
    assert.equal(smallInteger(element('02020080'), 'test'), 128)
    assert.equal(smallInteger(element('020500ffffffff'), 'test'), 0xffffffff)
    assert.deepEqual(unsignedInteger(element('020900ff00000000000000'), 'test'), fromHex('ff00000000000000'))
    for (const hex of ['0200', '0201ff', '02020001', '02050100000000', '0209010000000000000000']) {
      refused(() => smallInteger(element(hex), 'test'))
    }
  })

  test('booleans, bit strings and OIDs must be in their one form', () => {
    assert.equal(booleanValue(element('0101ff'), 'test'), true)
    assert.equal(booleanValue(element('010100'), 'test'), false)
    for (const hex of ['010101', '0100', '0102ffff']) refused(() => booleanValue(element(hex), 'test'))
    assert.deepEqual(bitStringOctets(element('03020080'), 'test'), fromHex('80'))
    for (const hex of ['03020780', '0300']) refused(() => bitStringOctets(element(hex), 'test'))
    assert.equal(oidText(fromHex('2a864886f84d010d01')), '1.2.840.113741.1.13.1')
    assert.equal(oidText(fromHex('6086480165030402 01'.replace(' ', ''))), '2.16.840.1.101.3.4.2.1')
    for (const hex of ['', '80', '2a80', '2a8001', '2affffffffffffffffff7f', '2a'.repeat(65)]) {
      refused(() => oidText(fromHex(hex)))
    }
  })

  test('times are those of RFC 5280, on days that exist', () => {
    const time = (tag: number, text: string): Date =>
      timeValue(readSingle(derElement(tag, toUtf8(text)), 'test'), 'test')
    assert.deepEqual(time(DER_TAG.utcTime, '250131235959Z'), new Date('2025-01-31T23:59:59Z'))
    assert.deepEqual(time(DER_TAG.utcTime, '500101000000Z'), new Date('1950-01-01T00:00:00Z'))
    assert.deepEqual(time(DER_TAG.generalizedTime, '20491231235959Z'), new Date('2049-12-31T23:59:59Z'))
    for (const text of [
      '250230000000Z',
      '251301000000Z',
      '250131246000Z',
      '2501312359Z',
      '250131235959+0100',
      '250131235960Z',
    ]) {
      refused(() => time(DER_TAG.utcTime, text))
    }
    refused(() => time(DER_TAG.octetString, '250131235959Z'))
  })
})
