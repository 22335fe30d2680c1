import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dottedIdentifier, encodeObjectIdentifier, parseDottedIdentifier } from './object-identifier.ts'

const encode = (...arcs: number[]): string | undefined => {
  const contents = encodeObjectIdentifier(arcs.map(BigInt))
  return contents === undefined ? undefined : Buffer.from(contents).toString('hex')
}

test('encodes arcs of any size', () => {
  assert.equal(encode(1, 2, 840, 113549), '2a864886f70d')
  assert.equal(encode(2, 999, 4294967296), '88379080808000')
  assert.equal(encode(0, 39), '27')
})

test('has no encoding for what is no object identifier', () => {
  for (const arcs of [[], [1], [3, 1], [9, 2, 3], [0, 40], [1, 40, 3]]) {
    assert.equal(encode(...arcs), undefined, `[${arcs.join(', ')}]`)
  }
})

test('leaves out arcs below 0, as recorded', () => {
  assert.equal(encode(1, 2, -3), '2a')
  assert.equal(encode(-1, 39), undefined)
})

test('reads dotted text, and nothing else', () => {
  assert.deepEqual(parseDottedIdentifier('2.5.29.32.0'), [2n, 5n, 29n, 32n, 0n])
  for (const text of ['', '1', '1.', '.1', '1..2', '1.x', '1.-2', '1.2 ', `1.${'9'.repeat(600)}`]) {
    assert.equal(parseDottedIdentifier(text), undefined, text.slice(0, 20))
  }
})

test('dotted text survives the way there and back', () => {
  const arcs = fc
    .tuple(
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 0, max: 39 }),
      fc.array(fc.bigInt({ min: 0n, max: 2n ** 80n })),
    )
    .map(([first, second, others]) => [first, second, ...others].join('.'))
  fc.assert(
    fc.property(arcs, (dotted) => {
      const parsed = parseDottedIdentifier(dotted)
      fc.pre(parsed !== undefined)
      assert.equal(dottedIdentifier(encodeObjectIdentifier(parsed) ?? new Uint8Array()), dotted)
    }),
  )
})
