import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { test } from 'node:test'
import { openssl, skipWithoutOpenssl } from '../../../../tests/support/openssl.ts'
import { generateKeyPair, type KeyKind, type KeyPair } from './key-pair.ts'
import { generateOddRsaKey } from './odd-rsa.ts'
import { parsePublicKey } from './public-key.ts'

const data = Buffer.from('data')

/** Fails unless the private key signs what the public key verifies. */
function checkPair({ kind, publicKey, privateKey }: KeyPair): void {
  const secret = createPrivateKey({ key: Buffer.from(privateKey.reveal()), format: 'der', type: 'pkcs8' })
  const known = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' })
  const digest = kind === 'Ed25519' ? null : 'sha256'
  assert.ok(verify(digest, data, known, sign(digest, data, secret)), kind)
  assert.deepEqual(
    createPublicKey(secret).export({ type: 'spki', format: 'der' }),
    Buffer.from(publicKey),
    kind,
  )
  // The same octets as OpenSSL writes.
  assert.deepEqual(secret.export({ type: 'pkcs8', format: 'der' }), Buffer.from(privateKey.reveal()), kind)
}

test('makes pairs of every kind', async () => {
  const kinds: KeyKind[] = ['P-224', 'P-256', 'P-384', 'P-521', 'Ed25519', 'RSA-1024', 'RSA-1025', 'RSA-2048']
  for (const kind of kinds) {
    const pair = await generateKeyPair(kind)
    assert.equal(pair.kind, kind)
    checkPair(pair)
  }
})

test('pads the private keys of P-256, one of 256 of which begins with a zero', async () => {
  /** Where the 32 octets of the key begin: behind 7 headers (RFC 5208, RFC 5915). */
  const scalarStart = 36
  let found: KeyPair | undefined
  for (let count = 0; found === undefined; count++) {
    assert.ok(count < 10_000, 'no key begins with a zero')
    const pair = await generateKeyPair('P-256')
    assert.equal(pair.privateKey.length, 138)
    if (pair.privateKey.reveal()[scalarStart] === 0) found = pair
  }
  checkPair(found)
})

test('RSA keys above 2048 bits have exactly as many bits as asked for, odd sizes too', async () => {
  for (const bits of [2049, 2050, 2051]) {
    const pair = await generateKeyPair(`RSA-${bits}`)
    assert.deepEqual(parsePublicKey(pair.publicKey).kind, { type: 'rsa', modulusBits: bits, exponent: 65537 })
    checkPair(pair)
  }
})

test('openssl finds an odd RSA key consistent', { skip: skipWithoutOpenssl }, async () => {
  const { privateKey } = await generateOddRsaKey(1025)
  assert.match(
    openssl(['rsa', '-check', '-noout', '-inform', 'DER', '-in', 'key'], { key: privateKey }),
    /key ok/,
  )
})
