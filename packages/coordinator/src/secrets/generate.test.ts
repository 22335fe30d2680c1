import assert from 'node:assert/strict'
import { createHmac, createPrivateKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { SecretDefinition } from '../manifest/model.ts'
import { parseAuthorityNames } from '../pki/authority-names.ts'
import { createAuthority, importIssuer } from '../pki/authority.ts'
import { generateKeyPair } from '../pki/key-pair.ts'
import {
  checkSecret,
  deriveSymmetricKey,
  generateCertificateSecret,
  generateSymmetricKey,
} from './generate.ts'
import { SecretBytes } from './secret-bytes.ts'
import { keyKindOf, sizeLimits, sizeProblem } from './size.ts'

const now = new Date('2026-05-06T07:08:09Z')

const definition = (members: Partial<SecretDefinition>): SecretDefinition => ({
  type: 'symmetric-key',
  size: 0,
  shared: false,
  userDefined: false,
  validFor: 0,
  certificate: undefined,
  ...members,
})

const hex = (bytes: SecretBytes): string => Buffer.from(bytes.reveal()).toString('hex')

/** HKDF-SHA-256 written down from RFC 5869, section 2. */
function hkdf(key: Uint8Array, salt: string, info: string, length: number): string {
  const pseudoRandomKey = createHmac('sha256', salt).update(key).digest()
  let block = Buffer.alloc(0)
  const blocks: Buffer[] = []
  for (let counter = 1; blocks.length * 32 < length; counter++) {
    block = createHmac('sha256', pseudoRandomKey)
      .update(block)
      .update(info)
      .update(Uint8Array.of(counter))
      .digest()
    blocks.push(block)
  }
  return Buffer.concat(blocks).subarray(0, length).toString('hex')
}

const rootSecret = new SecretBytes(Uint8Array.from({ length: 32 }, (_, index) => index))
const uuid = '6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d'

test('derives private keys from root secret, UUID, name and type', () => {
  const derive = (name: string, marbleType: string, bits: number): string =>
    hex(deriveSymmetricKey({ rootSecret, uuid, name, marbleType, bits }).private)
  // Computed with Python's hmac.
  assert.equal(derive('own', 'web', 128), '834908832643f982564fa919aa6bc162')
  for (const [name, type, bits] of [
    ['own', '', 256],
    ['größe', 'Größe', 8],
    ['own', 'web', sizeLimits.derivedKeyBits],
    ['own', 't'.repeat(1024), 256],
    ['own', 't'.repeat(1025), 256],
    ['own', 't'.repeat(100_000), 2048],
  ] as const) {
    assert.equal(derive(name, type, bits), hkdf(rootSecret.reveal(), uuid + name, type, bits / 8))
  }
  assert.equal(derive('own', 'web', 256).slice(0, 32), derive('own', 'web', 128))
  assert.notEqual(derive('own', 'web', 128), derive('own', 'job', 128))
})

test('private and public part of a key are the same', () => {
  const value = generateSymmetricKey(256)
  assert.equal(value.private, value.public)
  assert.equal(value.private.length, 32)
  assert.equal(value.certificate, undefined)
  assert.notEqual(hex(value.private), hex(generateSymmetricKey(256).private))
})

test('knows which sizes fit', () => {
  const fits = (type: SecretDefinition['type'], size: number, shared = false): boolean =>
    sizeProblem({ type, size, shared }) === undefined
  for (const size of [8, 128, sizeLimits.derivedKeyBits]) assert.ok(fits('symmetric-key', size), `${size}`)
  for (const size of [0, 7, 12, sizeLimits.derivedKeyBits + 8, Number.MAX_SAFE_INTEGER]) {
    assert.ok(!fits('symmetric-key', size), `${size}`)
  }
  assert.ok(fits('symmetric-key', sizeLimits.derivedKeyBits + 8, true))
  assert.ok(!fits('symmetric-key', sizeLimits.randomKeyBits + 8, true))
  for (const size of [1024, 1025, 2047, 2048, 2049, 8192]) assert.ok(fits('cert-rsa', size), `${size}`)
  for (const size of [0, 512, 1023, 8193]) assert.ok(!fits('cert-rsa', size), `${size}`)
  for (const size of [224, 256, 384, 521]) assert.ok(fits('cert-ecdsa', size), `${size}`)
  for (const size of [0, 128, 192, 255, 512]) assert.ok(!fits('cert-ecdsa', size), `${size}`)
  assert.ok(fits('cert-ed25519', 0) && !fits('cert-ed25519', 256))
})

test('names the kind of key of a certificate', () => {
  assert.equal(keyKindOf(definition({ type: 'cert-rsa', size: 3072 })), 'RSA-3072')
  assert.equal(keyKindOf(definition({ type: 'cert-ecdsa', size: 521 })), 'P-521')
  assert.equal(keyKindOf(definition({ type: 'cert-ed25519' })), 'Ed25519')
  assert.equal(keyKindOf(definition({ type: 'cert-rsa', size: 10 })), undefined)
  assert.equal(keyKindOf(definition({ size: 128 })), undefined)
})

test('finds size and template wrong before anything is made', () => {
  assert.deepEqual(checkSecret(definition({ size: 128 }), now), [])
  assert.deepEqual(checkSecret(definition({ size: 127 }), now)[0]?.path, ['Size'])
  const bad = definition({ type: 'cert-ecdsa', size: 100, validFor: 4_000_000_000 })
  assert.deepEqual(
    checkSecret(bad, now).map(({ path }) => path),
    [['Size'], ['ValidFor']],
  )
  assert.deepEqual(checkSecret({ ...bad, userDefined: true }, now), [])
})

test('makes certificates whose key is the value', async () => {
  const issuer = importIssuer(await createAuthority('P-256', parseAuthorityNames('localhost'), now))
  const ports = { issuer, keyPool: { take: generateKeyPair }, now }
  for (const members of [
    { type: 'cert-ecdsa', size: 224 },
    { type: 'cert-ed25519' },
    { type: 'cert-rsa', size: 1024 },
  ] as const) {
    const value = await generateCertificateSecret(definition(members), ports)
    const certificate = new X509Certificate(value.certificate ?? new Uint8Array())
    const key = createPrivateKey({ key: Buffer.from(value.private.reveal()), format: 'der', type: 'pkcs8' })
    assert.ok(certificate.checkPrivateKey(key))
    assert.deepEqual(
      certificate.publicKey.export({ type: 'spki', format: 'der' }),
      Buffer.from(value.public.reveal()),
    )
  }
  await assert.rejects(generateCertificateSecret(definition({ type: 'cert-rsa', size: 100 }), ports), {
    code: 'secret_invalid',
  })
  await assert.rejects(generateCertificateSecret(definition({ type: 'plain' }), ports), {
    code: 'secret_invalid',
  })
})
