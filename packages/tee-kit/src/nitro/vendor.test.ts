import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  EvidenceInvalid,
  PolicyMismatch,
  appraiseNitro,
  nitroVerifier,
  parseCertificate,
} from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { createNitroVendor } from './vendor.ts'

const AT = new Date('2026-03-01T12:00:00Z')
const now = (): Date => AT
const aws = createNitroVendor({ now })
const pcrs = { 0: '01'.repeat(48), 1: '02'.repeat(48), 2: '03'.repeat(48) }
const enclave = aws.createEnclave({ pcrs })
const verifier = nitroVerifier({ crypto: nodeCrypto, anchors: [parseCertificate(aws.rootCertificate)] })

const refused = (check: string) => (error: unknown) => {
  assert.ok(error instanceof EvidenceInvalid, String(error))
  assert.equal(error.check, check, error.message)
  return true
}

test('a document verifies under the root, with all that was asked for', async () => {
  const nonce = Buffer.from('nonce')
  const document = enclave.document({ nonce, publicKey: Buffer.of(1), userData: Buffer.of(2) })
  const claims = await verifier.verifyDocument(document, AT)
  assert.equal(claims.moduleId, enclave.moduleId)
  assert.deepEqual([claims.publicKey, claims.userData], ['01', '02'])
  appraiseNitro(claims, { pcrs: { 0: [pcrs[0]] }, nonces: [nonce.toString('hex')] })
})

test('nothing of it is genuine: with the built-in root it is refused', async () => {
  const genuine = nitroVerifier({ crypto: nodeCrypto })
  await assert.rejects(genuine.verifyDocument(enclave.document(), AT), refused('certificate-chain'))
  const other = createNitroVendor({ now }).createEnclave({ pcrs })
  await assert.rejects(verifier.verifyDocument(other.document(), AT), refused('certificate-chain'))
})

test('each fault is refused by its check', async () => {
  for (const [fault, check] of [
    ['altered-body', 'document-signature'],
    ['wrong-signature', 'document-signature'],
    ['expired-certificate', 'certificate-chain'],
    ['wrong-algorithm', 'document-algorithm'],
  ] as const) {
    await assert.rejects(verifier.verifyDocument(enclave.document({ faults: [fault] }), AT), refused(check))
  }
})

test('debug enclaves verify, and no policy takes them by default', async () => {
  const debug = aws.createEnclave({ pcrs, debug: true })
  const claims = await verifier.verifyDocument(debug.document(), AT)
  assert.throws(
    () => appraiseNitro(claims, {}),
    (error) => error instanceof PolicyMismatch && error.check === 'debug',
  )
})
