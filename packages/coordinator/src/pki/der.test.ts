import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DerError, DerReader, readOnly } from './der-reader.ts'
import { element, octetString, setOf, smallInteger, tag, unsignedInteger } from './der.ts'

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')
const bytes = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex')

test('writes each length in its shortest form', () => {
  const headers = [
    [0, '0400'],
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [65_535, '0482ffff'],
    [65_536, '0483010000'],
    [16_777_216, '048401000000'],
  ] as const
  for (const [length, header] of headers) {
    const encoded = octetString(new Uint8Array(length))
    assert.equal(hex(encoded.subarray(0, header.length / 2)), header)
    assert.equal(encoded.length, header.length / 2 + length)
    assert.equal(readOnly(encoded, tag.octetString, 'it').contents.length, length)
  }
})

test('writes integers with as few octets as keep them positive', () => {
  const integers = [
    [0, '020100'],
    [1, '020101'],
    [127, '02017f'],
    [128, '02020080'],
    [256, '02020100'],
    [2 ** 40, '0206010000000000'],
  ] as const
  for (const [value, encoding] of integers) assert.equal(hex(smallInteger(value)), encoding)
  assert.equal(hex(unsignedInteger(bytes('0000ff'))), '020200ff')
  assert.equal(hex(unsignedInteger(bytes('00'))), '020100')
})

test('sorts a SET OF by its encodings, shorter elements first', () => {
  const elements = ['b', 'aa', 'a', 'b'].map((text) => element(tag.utf8String, Buffer.from(text)))
  assert.equal(hex(setOf(elements)), '310d 0c0161 0c0162 0c0162 0c026161'.replaceAll(' ', ''))
})

test('takes lists that are too long to be arguments', () => {
  const parts = Array.from({ length: 300_000 }, () => element(tag.null))
  assert.equal(element(tag.sequence, parts).length, 600_000 + 5)
})

test('refuses what is not DER', () => {
  const malformed = {
    'cut off before the length': '30',
    'indefinite length': '3080 0000',
    'length in two octets where one does': '30 8101 00',
    'length with a leading zero': '30 820081'.concat(' 00'.repeat(0x81)),
    'length of five octets': '30 850000000001 00',
    'contents cut off': '30 02 00',
    'contents far beyond the end': '30 84ffffffff 00',
    'tag number of several octets': '3f8101 00',
  }
  for (const [what, octets] of Object.entries(malformed)) {
    assert.throws(() => new DerReader(bytes(octets)).readAny('it'), DerError, what)
  }
  assert.throws(() => readOnly(bytes('300000'), tag.sequence, 'it'), DerError)
})

test('refuses values that have another encoding too', () => {
  const read = (octets: string): DerReader => new DerReader(bytes(octets))
  assert.throws(() => read('0101 01').readBoolean('it'), DerError)
  assert.throws(() => read('0102 ffff').readBoolean('it'), DerError)
  assert.throws(() => read('0200').readInteger('it'), DerError)
  assert.throws(() => read('0202 007f').readInteger('it'), DerError)
  assert.throws(() => read('0202 ff80').readInteger('it'), DerError)
  assert.throws(() => read('0201 80').readSmallInteger('it'), DerError)
  assert.throws(() => read('0300').readBitString('it'), DerError)
  assert.throws(() => read('0301 01').readBitString('it'), DerError)
  assert.throws(() => read('0302 0800').readBitString('it'), DerError)
  assert.throws(() => read('0302 0103').readBitString('it'), DerError)
  assert.throws(() => read('0302 0102').readWholeBitString('it'), DerError)
  assert.throws(() => read('0600').readObjectIdentifier('it'), DerError)
  assert.throws(() => read('0602 8001').readObjectIdentifier('it'), DerError)
  assert.throws(() => read('0602 2a86').readObjectIdentifier('it'), DerError)
  assert.throws(() => read('0606 2a 8880808000').readObjectIdentifier('it'), DerError)
  assert.equal(hex(read('0606 2a 8880808000').readLongObjectIdentifier('it')), '2a8880808000')
})

test('ends on any input, with an element or a DerError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (octets) => {
      const reader = new DerReader(octets)
      try {
        while (!reader.isAtEnd) reader.readAny('it')
      } catch (error) {
        assert.ok(error instanceof DerError)
      }
    }),
  )
})

test('reads back what it writes', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (contents) => {
      const reader = new DerReader(
        readOnly(element(tag.sequence, contents.map(octetString)), tag.sequence, 'it').contents,
      )
      for (const content of contents) {
        assert.deepEqual(Array.from(reader.read(tag.octetString, 'it').contents), Array.from(content))
      }
      reader.end('it')
    }),
  )
})
