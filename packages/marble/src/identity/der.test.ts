import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import {
  element,
  objectIdentifier,
  readAll,
  readElement,
  sequence,
  tag,
  time,
  unsignedInteger,
} from './der.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

void test('lengths take the fewest octets', () => {
  for (const [length, prefix] of [
    [0, '0400'],
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [65_536, '0483010000'],
  ] as const) {
    const encoded = element(tag.octetString, Buffer.alloc(length))
    assert.equal(hex(encoded.subarray(0, prefix.length / 2)), prefix)
    assert.equal(readElement(encoded, 0)?.contents.length, length)
  }
})

void test('integers are positive and as short as can be', () => {
  assert.equal(hex(unsignedInteger(Uint8Array.of(0, 0, 1))), '020101')
  assert.equal(hex(unsignedInteger(Uint8Array.of(0x80))), '02020080')
  assert.equal(hex(unsignedInteger(Uint8Array.of(0, 0))), '020100')
  assert.equal(hex(unsignedInteger(Uint8Array.of())), '020100')
})

void test('object identifiers', () => {
  assert.equal(hex(objectIdentifier('1.2.840.113549.1.9.14')), '06092a864886f70d01090e')
  assert.equal(hex(objectIdentifier('2.5.29.17')), '0603551d11')
  assert.equal(hex(objectIdentifier('1.3.9903.2.1')), '06052bcd2f0201')
})

void test('times change their form in 2050', () => {
  assert.equal(Buffer.from(time(new Date('2049-12-31T23:59:59.999Z'))).toString('latin1', 2), '491231235959Z')
  assert.equal(Buffer.from(time(new Date('2050-01-01T00:00:00Z'))).toString('latin1', 2), '20500101000000Z')
})

void test('reading gives back what was written', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (parts) => {
      const inner = readElement(sequence(...parts.map((part) => element(tag.octetString, part))), 0)
      assert.ok(inner)
      assert.deepEqual(
        readAll(inner.contents)?.map(({ contents }) => hex(contents)),
        parts.map(hex),
      )
    }),
  )
})

void test('reading arbitrary bytes never reads past them and always ends', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      for (const { contents } of readAll(bytes) ?? []) assert.ok(contents.length < bytes.length)
    }),
  )
  for (const cut of ['30', '3005', '308201', '3084ffffffff', '3080', '3085000000000100', '1f0100']) {
    assert.equal(readAll(Buffer.from(cut, 'hex')), undefined, cut)
  }
})
