import { generateKeyPairSync, randomBytes, verify } from 'node:crypto'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { makeCoordinatorPki } from '../../../tests/support/coordinator-pki.ts'
import { startFakeClientApi } from '../../../tests/support/fake-client-api.ts'
import { parseAddress } from './address.ts'
import { CoordinatorClient } from './client.ts'
import { ClientError, CoordinatorRefusal } from './errors.ts'
import { decryptRecoverySecret, encryptRecoverySecret, signRecoverySecret } from './recovery-secret.ts'

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pki = makeCoordinatorPki()

async function withAnswer<T>(
  path: string,
  answer: { status: number; body: unknown },
  use: (client: CoordinatorClient, sent: () => unknown) => Promise<T>,
): Promise<T> {
  const spoiled = new Map([[path, { status: answer.status, body: JSON.stringify(answer.body) }]])
  await using api = await startFakeClientApi({ pki, log: [], secrets: {}, spoiled })
  const client = new CoordinatorClient(parseAddress(api.host), 'unverified')
  return await use(client, () => JSON.parse(api.requests[0]?.body ?? 'null'))
}

const success = (data: unknown): { status: number; body: unknown } => ({
  status: 200,
  body: { status: 'success', data },
})

test('what is encrypted to a key is opened by it alone, and only a recovery secret is believed', () => {
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
  for (const length of [16, 32, 33]) {
    const secret = randomBytes(length)
    const encrypted = encryptRecoverySecret(secret, publicKey)
    assert.deepEqual(decryptRecoverySecret(encrypted, privateKey), secret)
    assert.equal(decryptRecoverySecret(encrypted, other.privateKey), undefined)
    assert.ok(verify('sha256', secret, publicKey, signRecoverySecret(secret, privateKey)))
  }
  assert.equal(
    decryptRecoverySecret(encryptRecoverySecret(randomBytes(31), publicKey), privateKey),
    undefined,
  )
})

test('recover sends both in base64, and reads how many are missing', async () => {
  const answer = success({ remaining: 2, message: 'more' })
  await withAnswer('/api/v2/recover', answer, async (client, sent) => {
    assert.equal(await client.recover(Buffer.from('secret'), Buffer.from('signature')), 2)
    assert.deepEqual(sent(), { recoverySecret: 'c2VjcmV0', recoverySecretSignature: 'c2lnbmF0dXJl' })
  })
})

test('recover: a refusal keeps its status; an answer without a count is none', async () => {
  const recover = (client: CoordinatorClient): Promise<number> =>
    client.recover(randomBytes(32), randomBytes(256))
  const refusal = { status: 500, body: { status: 'error', data: null, message: 'no' } }
  await assert.rejects(
    withAnswer('/api/v2/recover', refusal, recover),
    (error) => error instanceof CoordinatorRefusal && error.httpStatus === 500,
  )
  await assert.rejects(withAnswer('/api/v2/recover', success({ remaining: '0' }), recover), isAnswerInvalid)
})

test('the public key for recovery secrets must be an RSA key', async () => {
  const read = (key: unknown): Promise<Buffer> => {
    const answer = success({ algorithm: 'RSA', ephemeralPublicKey: key })
    return withAnswer('/api/v2/recover/public-key', answer, async (client) =>
      (await client.recoveryPublicKey()).export({ type: 'spki', format: 'der' }),
    )
  }
  const der = publicKey.export({ type: 'spki', format: 'der' })
  assert.deepEqual(await read(der.toString('base64')), der)
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  for (const wrong of [elliptic.export({ type: 'spki', format: 'der' }), Buffer.from('junk')]) {
    await assert.rejects(read(wrong.toString('base64')), isAnswerInvalid)
  }
})

const isAnswerInvalid = (error: unknown): boolean =>
  error instanceof ClientError && error.code === 'answer_invalid'
