import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { decodePem, excerpt, fromBase64, fromHex, fromUtf8, toBase64, toHex, toUtf8 } from './encoding.ts'
import { EvidenceInvalid } from './errors.ts'

const refused = (read: () => unknown): void => {
  assert.throws(read, EvidenceInvalid)
}

suite('encodings', () => {
  test('hex, base64 and UTF-8 give back what went in', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        assert.deepEqual(fromHex(toHex(bytes)), bytes)
        assert.deepEqual(fromHex(toHex(bytes).toUpperCase()), bytes)
        assert.deepEqual(fromBase64(toBase64(bytes)), bytes)
        const urlSafe = toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
        assert.deepEqual(fromBase64(urlSafe), bytes)
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.equal(fromUtf8(toUtf8(text)), text)
      }),
    )
  })

  test('other letters are refused, not skipped', () => {
    for (const text of ['0', '0g', '0x00', ' 00', '00 ', 'é0']) refused(() => fromHex(text))
    for (const text of ['A', '=', 'AA==A', 'AA\n=', 'A A=', '*']) refused(() => fromBase64(text))
    refused(() => fromUtf8(Uint8Array.of(0xff)))
    // A byte order mark stays: signatures are over every byte.
    assert.equal(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41)).length, 2)
  })

  test('PEM blocks come in order, with what stands around them skipped', () => {
    const text =
      'Subject: x\n-----BEGIN A-----\r\nAAEC\r\n-----END A-----\n-----BEGIN X509 CRL-----\nAw==\n-----END X509 CRL-----\0'
    assert.deepEqual(decodePem(text), [
      { label: 'A', bytes: Uint8Array.of(0, 1, 2) },
      { label: 'X509 CRL', bytes: Uint8Array.of(3) },
    ])
    assert.deepEqual(decodePem(''), [])
  })

  test('PEM blocks that do not end, have other letters, or are too many are refused', () => {
    for (const text of [
      '-----BEGIN A-----\nAAEC\n',
      '-----BEGIN A-----\nAAEC\n-----END B-----',
      '-----BEGIN A\nAAEC',
      '-----BEGIN A-----\nA*EC\n-----END A-----',
      '-----BEGIN A-----\nAAEC\n-----END A-----\n'.repeat(33),
    ]) {
      refused(() => decodePem(text))
    }
  })

  test('an excerpt is short and has no control characters', () => {
    assert.equal(excerpt('a\u001b[31m\nb'), "'a.[31m.b'")
    assert.equal(excerpt('x'.repeat(1000)).length, 43)
  })
})
