import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { SecretDefinition, SecretType } from '../manifest/model.ts'
import { parseAuthorityNames } from '../pki/authority-names.ts'
import { createAuthority, importIssuer } from '../pki/authority.ts'
import { generateKeyPair, type KeyKind } from '../pki/key-pair.ts'
import { issueSecretCertificate } from '../pki/secret-certificate.ts'
import type { SecretBytes } from './secret-bytes.ts'
import { type AcceptedUpload, secretFromUpload, uploadedSecret, type UploadMembers } from './uploaded.ts'
import type { SecretValue } from './value.ts'

const definition = (type: SecretType, size = 0): SecretDefinition => ({
  type,
  size,
  shared: false,
  userDefined: true,
  validFor: 0,
  certificate: undefined,
})

const now = new Date('2026-05-06T07:08:09Z')
const issuer = importIssuer(await createAuthority('P-256', parseAuthorityNames('localhost'), now))

async function pairOf(
  kind: KeyKind,
): Promise<{ certificate: Uint8Array; private: Uint8Array; public: Uint8Array }> {
  const { publicKey, privateKey } = await generateKeyPair(kind)
  const made = { ...definition('cert-ecdsa', 256), userDefined: false }
  const certificate = await issueSecretCertificate(issuer, made, publicKey, now)
  return { certificate, private: privateKey.reveal(), public: publicKey }
}

const rsa = await pairOf('RSA-2048')
const ec = await pairOf('P-256')
const ed = await pairOf('Ed25519')

const upload = (to: SecretDefinition, members: Partial<UploadMembers>): SecretValue =>
  accept(to, members).value

function accept(to: SecretDefinition, members: Partial<UploadMembers>): AcceptedUpload {
  const uploaded = uploadedSecret('it', {
    key: undefined,
    certificate: undefined,
    private: undefined,
    ...members,
  })
  return secretFromUpload('it', to, uploaded)
}

const bytes = (value: SecretBytes): number[] => Array.from(value.reveal())

test('takes keys of exactly the size, and plain secrets of any', () => {
  const key = new Uint8Array(16).fill(7)
  assert.deepEqual(bytes(upload(definition('symmetric-key', 128), { key }).private), Array.from(key))
  assert.deepEqual(bytes(upload(definition('plain'), { key }).public), Array.from(key))
  assert.deepEqual(bytes(upload(definition('plain'), { key: new Uint8Array() }).private), [])
  assert.deepEqual(bytes(upload(definition('plain'), {}).private), [])
})

test('takes certificates, with their private key or without', () => {
  const value = upload(definition('cert-rsa', 2048), rsa)
  assert.deepEqual(value.certificate, rsa.certificate)
  assert.deepEqual(bytes(value.private), Array.from(rsa.private))
  assert.deepEqual(bytes(value.public), Array.from(rsa.public))
  assert.equal(upload(definition('cert-ed25519'), { certificate: ed.certificate }).private.length, 0)
  for (const [type, pair] of [
    ['cert-rsa', rsa],
    ['cert-ecdsa', ec],
    ['cert-ed25519', ed],
  ] as const) {
    assert.ok(upload(definition(type), pair).certificate, 'the manifest need not say a size')
  }
})

test('takes a certificate of another kind than the manifest says, with a warning', () => {
  const cases: [SecretDefinition, typeof rsa, RegExp][] = [
    [definition('cert-rsa'), ec, /"it".* ECDSA on P-256, but the manifest says cert-rsa$/],
    [definition('cert-ecdsa', 256), rsa, /RSA with 2048 bits, but the manifest says cert-ecdsa of 256 bits$/],
    [definition('cert-rsa', 2048), ed, /Ed25519, but the manifest says cert-rsa of 2048 bits$/],
    [definition('cert-rsa', 4096), rsa, /RSA with 2048 bits, but the manifest says cert-rsa of 4096 bits$/],
    [definition('cert-ecdsa', 384), ec, /ECDSA on P-256, but the manifest says cert-ecdsa of 384 bits$/],
    [definition('cert-ecdsa', 999), ec, /of 999 bits$/],
  ]
  for (const [to, members, message] of cases) {
    const { value, warning } = accept(to, members)
    assert.deepEqual(value.certificate, members.certificate)
    assert.deepEqual(bytes(value.private), Array.from(members.private))
    assert.match(warning ?? '', message)
  }
  assert.equal(accept(definition('cert-rsa', 2048), rsa).warning, undefined)
  assert.equal(accept(definition('cert-ecdsa'), ec).warning, undefined)
  assert.equal(accept(definition('cert-ed25519'), ed).warning, undefined)
})

test('refuses what does not fit the definition, naming secret and member', () => {
  const key = new Uint8Array(16)
  const cases: [SecretDefinition, Partial<UploadMembers>, RegExp][] = [
    [definition('symmetric-key', 128), { key: new Uint8Array(15) }, /"it".*Key has 120 bits/],
    [definition('symmetric-key', 128), { key: new Uint8Array(17) }, /Key has 136 bits/],
    [definition('symmetric-key', 128), {}, /Key has 0 bits/],
    [definition('symmetric-key'), { key: new Uint8Array() }, /Key/],
    [definition('symmetric-key', 7), { key: new Uint8Array(1) }, /manifest says 7/],
    [definition('symmetric-key', 128), { key, private: key }, /Private does not belong/],
    [definition('symmetric-key', 128), { key, certificate: rsa.certificate }, /Cert does not belong/],
    [definition('plain'), { key, private: key }, /Private does not belong/],
    [definition('plain'), { certificate: 'not-base64' }, /Cert does not belong/],
    [definition('cert-rsa'), { key, certificate: rsa.certificate }, /Key does not belong/],
    [definition('cert-rsa'), { key: new Uint8Array(), certificate: rsa.certificate }, /Key does not belong/],
    [definition('cert-rsa'), { private: rsa.private }, /Cert is missing/],
    [definition('cert-rsa'), { certificate: 'not-base64' }, /Cert is not base64/],
    [definition('cert-rsa'), { ...ec, private: ed.private }, /Private does not belong to Cert/],
    [definition('cert-rsa'), { ...rsa, private: ed.private }, /Private does not belong to Cert/],
    [definition('cert-rsa'), { ...rsa, private: Uint8Array.of(0, 0, 0) }, /PKCS #8/],
    [definition('cert-rsa'), { ...rsa, private: Buffer.concat([rsa.private, Uint8Array.of(0)]) }, /PKCS #8/],
    [definition('cert-rsa'), { ...rsa, private: rsa.public }, /PKCS #8/],
  ]
  for (const [to, members, message] of cases) {
    assert.throws(() => upload(to, members), { name: 'Refusal', code: 'secret_invalid', message })
  }
})

test('another key of the same type does not belong to the certificate', async () => {
  for (const [type, kind, pair] of [
    ['cert-rsa', 'RSA-2048', rsa],
    ['cert-ecdsa', 'P-256', ec],
  ] as const) {
    const other = await generateKeyPair(kind)
    assert.throws(
      () => upload(definition(type), { ...pair, private: other.privateKey.reveal() }),
      /does not belong to Cert/,
    )
  }
})

test('an encrypted private key is refused', () => {
  const encrypted = (key: KeyObject): Uint8Array =>
    key.export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: 'p' })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  assert.throws(
    () => upload(definition('cert-ecdsa'), { ...ec, private: encrypted(privateKey) }),
    /unencrypted/,
  )
})

test('what is no certificate makes the request malformed, whatever it is for', () => {
  for (const certificate of [
    new Uint8Array(),
    Uint8Array.of(0, 0, 0),
    rsa.public,
    rsa.certificate.subarray(1),
    Buffer.concat([rsa.certificate, Uint8Array.of(0)]),
    Buffer.from(new X509Certificate(rsa.certificate).toString()),
  ]) {
    assert.throws(() => upload(definition('cert-rsa'), { certificate }), {
      code: 'request_malformed',
      message: /"it"/,
    })
  }
})

test('messages hold nothing of a private key', () => {
  const planted = Buffer.from('302e020100300506032b657004220420'.concat('5a'.repeat(32)), 'hex')
  for (const bad of [planted, planted.subarray(0, -1), Buffer.concat([planted, planted])]) {
    assert.throws(
      () => upload(definition('cert-rsa'), { ...rsa, private: bad }),
      (error: unknown) =>
        error instanceof Error && !/5a5a|ZZZZ|Wlpa/.test(JSON.stringify(error) + String(error.stack)),
    )
  }
})
