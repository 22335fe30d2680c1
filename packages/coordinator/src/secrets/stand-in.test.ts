import assert from 'node:assert/strict'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { SecretDefinition } from '../manifest/model.ts'
import { emptyTemplate } from '../pki/empty-template.ts'
import { generateKeyPair } from '../pki/key-pair.ts'
import { standInData, standInValue } from './stand-in.ts'

const definition = (members: Partial<SecretDefinition>): SecretDefinition => ({
  type: 'symmetric-key',
  size: 128,
  shared: false,
  userDefined: false,
  validFor: 0,
  certificate: undefined,
  ...members,
})

test('keys have the size of the definition, and no NUL', () => {
  for (const [size, length] of [
    [128, 16],
    [65_280, 8_160],
    [7, 1],
    [0, 1],
  ] as const) {
    const value = standInValue(definition({ size }))
    assert.equal(value.private.length, length)
    assert.equal(value.private, value.public)
    assert.ok(!value.private.reveal().includes(0))
  }
  assert.ok(standInValue(definition({ type: 'plain', size: 0 })).private.length > 0)
  assert.ok(standInValue(definition({ size: Number.MAX_SAFE_INTEGER })).private.length <= 2 ** 20)
})

test('certificates have keys of the right type and size', async () => {
  for (const [type, size, kind] of [
    ['cert-rsa', 2048, 'RSA-2048'],
    ['cert-rsa', 2049, 'RSA-2049'],
    ['cert-ecdsa', 224, 'P-224'],
    ['cert-ecdsa', 384, 'P-384'],
    ['cert-ed25519', 0, 'Ed25519'],
  ] as const) {
    const value = standInValue(definition({ type, size }))
    const real = await generateKeyPair(kind)
    assert.equal(value.public.length, real.publicKey.length, kind)
    assert.ok(Math.abs(value.private.length - real.privateKey.length) <= 8, kind)
    const key = createPublicKey({ key: Buffer.from(value.public.reveal()), format: 'der', type: 'spki' })
    assert.ok(new X509Certificate(value.certificate ?? new Uint8Array()).publicKey.equals(key))
  }
})

test('a certificate says what its template says', () => {
  const certificate = { ...emptyTemplate, dnsNames: ['a.example', 'b.example'] }
  const value = standInValue(definition({ type: 'cert-ecdsa', size: 256, certificate }))
  assert.match(
    new X509Certificate(value.certificate ?? new Uint8Array()).subjectAltName ?? '',
    /DNS:a\.example, DNS:b/,
  )
})

test('user-defined certificates stand in without size, and whatever their template', () => {
  const certificate = { ...emptyTemplate, extKeyUsage: [99] }
  for (const type of ['cert-rsa', 'cert-ecdsa', 'cert-ed25519'] as const) {
    const value = standInValue(definition({ type, size: 0, userDefined: true, certificate }))
    assert.ok(new X509Certificate(value.certificate ?? new Uint8Array()).subject.length > 0)
  }
})

test('uploaded secrets have no former value, all others have', () => {
  const definitions = new Map([
    ['mine', definition({ type: 'plain', userDefined: true })],
    ['made', definition({ shared: true })],
  ])
  const { secrets, previousSecrets } = standInData(definitions)
  assert.ok(secrets.get('mine')?.private !== undefined && secrets.get('made')?.private !== undefined)
  assert.equal(previousSecrets.get('mine')?.private, undefined)
  assert.equal(previousSecrets.get('made')?.private?.length, 16)
})

test('the values of MarbleRun itself are certificates', () => {
  const { marbleRun } = standInData(new Map(), 'P-384')
  for (const { certificate } of Object.values(marbleRun)) {
    assert.ok(certificate !== undefined && new X509Certificate(certificate).subject !== '')
  }
  assert.equal(marbleRun.marbleCert.private?.length, 185)
})

test('a hundred thousand secrets are cheap', () => {
  const definitions = new Map<string, SecretDefinition>()
  for (let count = 0; count < 100_000; count++) {
    definitions.set(`s${count}`, definition(count % 2 === 0 ? {} : { type: 'cert-rsa', size: 4096 }))
  }
  const before = process.cpuUsage()
  assert.equal(standInData(definitions).secrets.size, 100_000)
  // Microseconds of CPU.
  assert.ok(process.cpuUsage(before).user < 5_000_000)
})
