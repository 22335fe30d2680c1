import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TEST_TIME, TestNitro } from '../../../../tests/support/tee-kit-amd-nitro.ts'
import { PolicyMismatch } from '../core/errors.ts'
import { nodeCrypto } from '../core/node.ts'
import { appraiseNitro } from './appraise.ts'
import type { NitroPolicy } from './appraise.ts'
import { nitroVerifier } from './verify.ts'

const aws = new TestNitro()
const verifier = nitroVerifier({ crypto: nodeCrypto, anchors: aws.anchors })
const claims = await verifier.verifyDocument(
  aws.document({ publicKey: Uint8Array.of(1, 2), userData: Uint8Array.of(3), nonce: Uint8Array.of(0xab) }),
  TEST_TIME,
)
const bare = await verifier.verifyDocument(aws.document(), TEST_TIME)

const mismatch = (check: string) => (error: unknown) => {
  assert.ok(error instanceof PolicyMismatch, String(error))
  assert.equal(error.check, check)
  assert.ok(error.remedy)
  return true
}

test('a policy that fits passes', () => {
  const checks = appraiseNitro(claims, {
    pcrs: { '0': ['01'.repeat(48)], '1': ['00'.repeat(48), '02'.repeat(48)], '4': ['00'.repeat(48)] },
    debug: false,
    publicKeys: ['0102'],
    userData: ['03'],
    nonces: ['AB'],
    moduleIds: [claims.moduleId],
    issuedAfter: TEST_TIME,
  })
  assert.deepEqual(
    checks.map(({ name }) => name),
    ['debug', 'pcr0', 'pcr1', 'pcr4', 'public-key', 'user-data', 'nonce', 'module-id', 'issued-after'],
  )
})

test('debug mode is refused unless the policy says so, and then demanded', async () => {
  for (const zeros of [[0, 1, 2], [1]]) {
    const pcrs = new Map(
      [0, 1, 2].map((index) => [index, new Uint8Array(48).fill(zeros.includes(index) ? 0 : 1)]),
    )
    const debug = await verifier.verifyDocument(aws.document({ pcrs }), TEST_TIME)
    assert.throws(() => appraiseNitro(debug, {}), mismatch('debug'))
    appraiseNitro(debug, { debug: true })
  }
  assert.throws(() => appraiseNitro(claims, { debug: true }), mismatch('debug'))
})

const wrong: readonly (readonly [string, NitroPolicy])[] = [
  ['pcr0', { pcrs: { '0': ['02'.repeat(48)] } }],
  ['pcr8', { pcrs: { '8': ['00'.repeat(48)] } }],
  ['pcr2', { pcrs: { '2': [] } }],
  ['public-key', { publicKeys: ['0103'] }],
  ['user-data', { userData: ['04'] }],
  ['nonce', { nonces: ['00'] }],
  ['module-id', { moduleIds: ['i-0'] }],
  ['issued-after', { issuedAfter: new Date(TEST_TIME.getTime() + 1) }],
  ['issued-after', { issuedAfter: new Date(Number.NaN) }],
]
for (const [check, policy] of wrong) {
  test(`refuses by ${check}: ${JSON.stringify(policy).slice(0, 60)}`, () => {
    assert.throws(() => appraiseNitro(claims, policy), mismatch(check))
  })
}

test('what the enclave did not give matches no demand', () => {
  assert.throws(() => appraiseNitro(bare, { nonces: [''] }), mismatch('nonce'))
  assert.throws(() => appraiseNitro(bare, { publicKeys: ['0102'] }), mismatch('public-key'))
})
