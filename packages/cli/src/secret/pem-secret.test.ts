import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { makeCoordinatorPki } from '../../../../tests/support/coordinator-pki.ts'
import { CliError } from '../errors.ts'
import { readPemSecret } from './pem-secret.ts'

const pki = makeCoordinatorPki()
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const sec1 = privateKey.export({ type: 'sec1', format: 'pem' }).toString()
const encrypted = execFileSync('openssl', ['ec', '-aes128', '-passout', 'pass:x'], {
  input: sec1,
  stdio: ['pipe', 'pipe', 'ignore'],
}).toString()
const base64 = (pem: string): string => pem.replaceAll(/-----.*-----|\s/g, '')
const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'

test('certificate and key, in either order, whatever follows', () => {
  const expected = { Cert: base64(pki.root), Private: base64(pkcs8) }
  assert.deepEqual(readPemSecret(pki.root + pkcs8, 'f'), expected)
  assert.deepEqual(
    readPemSecret(`text before\n${pkcs8}text between\n${pki.root}${pki.intermediate}${parameters}`, 'f'),
    expected,
  )
  assert.deepEqual(readPemSecret((pki.root + pkcs8).replaceAll('\n', '\r\n'), 'f'), expected)
})

test('either alone', () => {
  assert.deepEqual(readPemSecret(pki.root, 'f'), { Cert: base64(pki.root) })
  assert.deepEqual(readPemSecret(pkcs8, 'f'), { Private: base64(pkcs8) })
})

test('a key in another form becomes PKCS #8', () => {
  assert.deepEqual(readPemSecret(pki.root + sec1, 'f'), { Cert: base64(pki.root), Private: base64(pkcs8) })
})

for (const [about, pem] of [
  ['nothing', ''],
  ['no block', 'text'],
  ['another block first', parameters + sec1],
  ['another block between', sec1 + parameters + pki.root],
  ['a second certificate before the key', pki.root + pki.intermediate + pkcs8],
  ['an encrypted key of the old form', pki.root + encrypted],
  ['an encrypted key', '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n'],
  ['a damaged certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
] as const) {
  test(`refused: ${about}`, () => {
    assert.throws(
      () => readPemSecret(pem, 'the file'),
      (error) =>
        error instanceof CliError &&
        error.message.includes('the file') &&
        !error.message.includes(base64(pkcs8)),
    )
  })
}
