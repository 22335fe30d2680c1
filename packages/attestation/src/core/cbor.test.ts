import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  CborTagged,
  cborArray,
  cborBytes,
  cborInteger,
  cborMap,
  cborOptional,
  cborText,
  decodeCbor,
} from './cbor.ts'
import { fromHex } from './encoding.ts'
import { EvidenceInvalid } from './errors.ts'

const decode = (hex: string): unknown => decodeCbor(fromHex(hex), { knownTags: [18] })

test('reads what RFC 8949, appendix A, gives as examples', () => {
  assert.equal(decode('00'), 0)
  assert.equal(decode('1b000000e8d4a51000'), 1000000000000)
  assert.equal(decode('3903e7'), -1000)
  assert.equal(decode('f5'), true)
  assert.equal(decode('f6'), null)
  assert.deepEqual(decode('4401020304'), Uint8Array.of(1, 2, 3, 4))
  assert.equal(decode('62c3bc'), 'ü')
  assert.deepEqual(decode('8301820203820405'), [1, [2, 3], [4, 5]])
  assert.deepEqual(
    decode('a201020304'),
    new Map([
      [1, 2],
      [3, 4],
    ]),
  )
  assert.deepEqual(
    decode('a26161016162820203'),
    new Map<unknown, unknown>([
      ['a', 1],
      ['b', [2, 3]],
    ]),
  )
  assert.deepEqual(decode('d24101'), new CborTagged(18, Uint8Array.of(1)))
})

const refusals: readonly (readonly [string, string])[] = [
  ['', 'nothing'],
  ['0000', 'two items'],
  ['8301', 'an array cut short'],
  ['4401', 'a byte string cut short'],
  ['1801', 'a number that is not the shortest'],
  ['980101', 'a length that is not the shortest'],
  ['a201010102', 'a key twice'],
  ['a2616101616102', 'a text key twice'],
  ['a1f501', 'another kind of key'],
  ['a1810101', 'an array as key'],
  ['a1410101', 'a byte string as key'],
  ['9f01ff', 'an indefinite array'],
  ['bf0102ff', 'an indefinite map'],
  ['5f4101ff', 'an indefinite byte string'],
  ['7f6161ff', 'an indefinite text'],
  ['ff', 'a break'],
  ['81ff', 'a break in an array'],
  ['f90000', 'a float'],
  ['fb3ff199999999999a', 'a long float'],
  ['f97e00', 'not a number'],
  ['f7', 'undefined'],
  ['f820', 'another simple value'],
  ['c101', 'an unknown tag'],
  ['1bffffffffffffffff', 'a number beyond 2^53'],
  ['3bffffffffffffffff', 'a negative number beyond 2^53'],
  ['5bffffffffffffffff', 'a length beyond all memory'],
  ['9a7fffffff', 'a huge array'],
  ['ba7fffffff', 'a huge map'],
  ['61ff', 'a text that is not UTF-8'],
  ['1c', 'a reserved length'],
  ['818181818181818181', 'nine levels'],
]
for (const [hex, what] of refusals) {
  test(`refuses ${what}`, () => {
    assert.throws(() => decode(hex), EvidenceInvalid)
  })
}

test('allows an indefinite length to the outermost map alone, where the caller does', () => {
  const lenient = (hex: string): unknown => decodeCbor(fromHex(hex), { indefiniteOutermostMap: true })
  assert.deepEqual(lenient('bf0102ff'), new Map([[1, 2]]))
  assert.deepEqual(lenient('bfff'), new Map())
  assert.deepEqual(lenient('a10102'), new Map([[1, 2]]))
  for (const hex of [
    'bf01ff',
    'bf0102',
    'bf01bfffff',
    'bf019fffff',
    '9fff',
    'bf0102ffff',
    '81bfff',
    'bf81ff01ff',
    'bf01020103ff',
  ]) {
    assert.throws(() => lenient(hex), EvidenceInvalid, hex)
  }
})

test('bounds the number of items', () => {
  const array = (length: number): Uint8Array =>
    Uint8Array.from([0x99, length >> 8, length & 0xff, ...new Uint8Array(length)])
  assert.ok(decodeCbor(array(2047)))
  assert.throws(() => decodeCbor(array(2048)), EvidenceInvalid)
})

test('the accessors name what they found instead', () => {
  assert.throws(() => cborMap([], 'it'), { expected: 'a map', found: 'an array' })
  assert.throws(() => cborArray('x', 'it'), { expected: 'an array', found: 'a text' })
  assert.throws(() => cborBytes(null, 'it'), { expected: 'a byte string', found: 'null' })
  assert.throws(() => cborText(1, 'it'), { expected: 'a text', found: 'an integer' })
  assert.throws(() => cborInteger(undefined, 'it'), { expected: 'an integer', found: 'nothing' })
  assert.equal(cborOptional(null, 'it', cborText), undefined)
  assert.equal(cborOptional('x', 'it', cborText), 'x')
  assert.throws(() => cborOptional(1, 'it', cborText), EvidenceInvalid)
})

test('any bytes are read or refused, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, indefiniteOutermostMap) => {
      try {
        decodeCbor(bytes, { indefiniteOutermostMap, knownTags: [18] })
      } catch (error) {
        assert.ok(error instanceof EvidenceInvalid, String(error))
      }
    }),
    { numRuns: 5000 },
  )
})
