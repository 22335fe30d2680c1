import { constants, generateKeyPairSync, publicEncrypt, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { openSecret, parseSecretFile, singleSecret } from './secret-file.ts'
import type { SecretFile } from './secret-file.ts'

const party = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = { key: party.privateKey, file: 'party.key' }

const encryptTo = (to: typeof party, secret: Uint8Array): Buffer =>
  publicEncrypt({ key: to.publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, secret)
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const parse = (content: string | Uint8Array): SecretFile => parseSecretFile(Buffer.from(content), 'file')

function open(content: string | Uint8Array): { secret: string; said: readonly string[] } {
  const said: string[] = []
  const secret = openSecret(parse(content), 'file', key, (line) => said.push(line))
  return { secret: Buffer.from(secret).toString('hex'), said }
}

test('raw bytes, base64 (wrapped too) and the JSON of `manifest set` lead to the same secret', () => {
  for (const length of [16, 32, 33]) {
    const secret = randomBytes(length)
    const encrypted = encryptTo(party, secret)
    const json = { RecoverySecrets: { x: base64(encryptTo(other, randomBytes(32))), me: base64(encrypted) } }
    const forms = [
      secret,
      base64(secret),
      `${base64(secret)}\n`,
      encrypted,
      base64(encrypted),
      base64(encrypted).replaceAll(/.{64}/g, '$&\r\n'),
    ]
    for (const form of forms) assert.deepEqual(open(form), { secret: secret.toString('hex'), said: [] })
    for (const text of [JSON.stringify(json), `\n${JSON.stringify(json, undefined, 2)}\n`]) {
      assert.deepEqual(open(text), {
        secret: secret.toString('hex'),
        said: ['Using the recovery secret of "me"'],
      })
    }
  }
})

test('raw bytes are taken as they are, whatever they begin with', () => {
  const encrypted = fc.uint8Array({ minLength: 128, maxLength: 600 })
  const plain = fc.constantFrom(16, 32, 33).chain((length) =>
    fc.oneof(
      fc.uint8Array({ minLength: length, maxLength: length }),
      // The worst that can happen: all of them are digits of base64.
      fc.stringMatching(new RegExp(`^[A-Za-z0-9+/]{${length}}$`)).map((text) => Buffer.from(text)),
    ),
  )
  fc.assert(
    fc.property(fc.oneof(encrypted, plain), fc.boolean(), (random, brace) => {
      const bytes = Buffer.from(random)
      if (brace) bytes[0] = 0x7b
      const content = parse(bytes)
      assert.equal(content.kind, 'single')
      assert.deepEqual(Buffer.from(singleSecret(content, 'file')), bytes)
    }),
  )
})

test('a key that does not fit is an error that names the file, the key and the parties', () => {
  const foreign = encryptTo(other, randomBytes(32))
  assert.throws(() => open(foreign), /256 bytes in the file "file" are not encrypted to .* "party\.key"/)
  const json = JSON.stringify({ RecoverySecrets: { a: base64(foreign), b: base64(foreign) } })
  assert.throws(() => open(json), /none of those in the file "file" \("a", "b"\)/)
  // Something else encrypted to the right key is no recovery secret.
  assert.throws(() => open(encryptTo(party, randomBytes(20))), /not encrypted/)
})

test('a key of two parties needs to be told which secret', () => {
  const mine = (): string => base64(encryptTo(party, randomBytes(32)))
  const json = JSON.stringify({ RecoverySecrets: { a: mine(), b: mine() } })
  assert.throws(() => open(json), /several in the file "file" .*\("a", "b"\).*a file of its own/)
})

test('JSON of another shape is named as such; no value gets into the error', () => {
  const value = base64(randomBytes(32))
  for (const [json, reason] of [
    ['{}', /holds JSON, but not/],
    [`{"RecoverySecrets":["${value}"]}`, /holds JSON, but not/],
    [`{"RecoverySecrets":{"a":"${value}!"}}`, /no base64 as the recovery secret of "a"/],
    [`{"RecoverySecrets":{"a":"${value}"`, /damaged JSON/],
  ] as const) {
    assert.throws(
      () => parse(json),
      (error) => error instanceof Error && reason.test(error.message) && !error.message.includes(value),
    )
  }
})

test('without a key, the secrets of several parties are of no use', () => {
  const json = JSON.stringify({ RecoverySecrets: { a: base64(encryptTo(party, randomBytes(32))) } })
  assert.throws(() => singleSecret(parse(json), 'file'), /taw recover/)
})
