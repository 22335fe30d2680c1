import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  DEBUG_POLICY,
  PLAIN_POLICY,
  TEST_TIME,
  TestAmd,
  makeSnpReport,
  newChip,
} from '../../../../tests/support/tee-kit-amd-nitro.ts'
import type { TestReportFields } from '../../../../tests/support/tee-kit-amd-nitro.ts'
import { toHex } from '../core/encoding.ts'
import { PolicyMismatch } from '../core/errors.ts'
import { nodeCrypto } from '../core/node.ts'
import type { Verified } from '../core/result.ts'
import { appraiseSnp } from './appraise.ts'
import type { SnpPolicy } from './appraise.ts'
import { amdCollateralFromFiles } from './collateral.ts'
import { amdVerifier } from './verify.ts'
import type { SnpClaims } from './verify.ts'

const vendor = new TestAmd('Milan')
const chip = newChip('Milan', { bootloader: 4, tee: 0, snp: 24, microcode: 219 })
const vcek = vendor.vcek(chip)
const verifier = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given', anchors: [vendor.root] })

const claimsOf = (fields: TestReportFields): Promise<Verified<SnpClaims>> =>
  verifier.verifyReport(
    makeSnpReport('Milan', chip, vcek.key.privateKey, fields),
    amdCollateralFromFiles([vcek.certificate]),
    TEST_TIME,
  )

const fields = {
  guestSvn: 7,
  vmpl: 1,
  measurement: 'a1'.repeat(48),
  reportData: 'b2'.repeat(64),
  hostData: 'c3'.repeat(32),
  idKeyDigest: 'd4'.repeat(48),
  authorKeyDigest: 'e5'.repeat(48),
  familyId: 'f6'.repeat(16),
  imageId: '07'.repeat(16),
  flags: 1,
  policy: PLAIN_POLICY | 0x0137n,
  committedTcb: { bootloader: 3, snp: 20, microcode: 200 },
  launchTcb: { bootloader: 2, snp: 10, microcode: 100 },
} as const
const claims = await claimsOf(fields)

test('a policy that fits passes, and says what was compared', () => {
  const policy: SnpPolicy = {
    products: ['Genoa', 'Milan'],
    measurements: ['00'.repeat(48), 'A1'.repeat(48)],
    reportData: [fields.reportData],
    hostData: [fields.hostData],
    idKeyDigests: [fields.idKeyDigest],
    authorKeyDigests: [fields.authorKeyDigest],
    familyIds: [fields.familyId],
    imageIds: [fields.imageId],
    chipIds: [toHex(chip.id)],
    signingKeys: ['VCEK'],
    minimumGuestSvn: 7,
    vmpls: [0, 1],
    minimumTcb: { bootloader: 4, snp: 24, microcode: 219 },
    minimumCommittedTcb: { snp: 20 },
    minimumLaunchTcb: { microcode: 100 },
    minimumVersion: 3,
    minimumFirmware: '1.55.29',
    minimumAbi: '1.55',
    guestPolicy: { debug: false, migrateMa: false, smt: true, singleSocket: false },
    platform: { smtEnabled: true, eccEnabled: true, aliasCheckComplete: true, tsmeEnabled: false },
  }
  const checks = appraiseSnp(claims, policy)
  assert.equal(checks.length, 26)
  assert.ok(checks.every(({ outcome }) => outcome === 'passed'))
})

test('a policy that says nothing still refuses debugging and migration', async () => {
  assert.deepEqual(
    appraiseSnp(claims, {}).map(({ name }) => name),
    ['debug', 'migration-agent'],
  )
  const debug = await claimsOf({ policy: DEBUG_POLICY })
  assert.throws(() => appraiseSnp(debug, {}), mismatch('debug'))
  appraiseSnp(debug, { guestPolicy: { debug: true } })
  assert.throws(() => appraiseSnp(claims, { guestPolicy: { debug: true } }), mismatch('debug'))
  const migratable = await claimsOf({ policy: PLAIN_POLICY | (1n << 18n) })
  assert.throws(() => appraiseSnp(migratable, {}), mismatch('migration-agent'))
  appraiseSnp(migratable, { guestPolicy: { migrateMa: true } })
})

const mismatch = (check: string) => (error: unknown) => {
  assert.ok(error instanceof PolicyMismatch, String(error))
  assert.equal(error.check, check)
  assert.ok(error.remedy)
  assert.equal(error.checks.at(-1)?.outcome, 'failed')
  return true
}

const wrong: readonly (readonly [check: string, policy: SnpPolicy])[] = [
  ['product', { products: ['Turin'] }],
  ['measurement', { measurements: ['00'.repeat(48)] }],
  ['measurement', { measurements: [] }],
  ['measurement', { measurements: ['a1'.repeat(47)] }],
  ['report-data', { reportData: ['00'.repeat(64)] }],
  ['host-data', { hostData: ['00'.repeat(32)] }],
  ['id-key-digest', { idKeyDigests: ['00'.repeat(48)] }],
  ['author-key-digest', { authorKeyDigests: ['00'.repeat(48)] }],
  ['family-id', { familyIds: ['00'.repeat(16)] }],
  ['image-id', { imageIds: ['00'.repeat(16)] }],
  ['chip-id', { chipIds: ['00'.repeat(64)] }],
  ['csp-id', { cspIds: ['CN=a'] }],
  ['signing-key', { signingKeys: ['VLEK'] }],
  ['guest-svn', { minimumGuestSvn: 8 }],
  ['guest-svn', { minimumGuestSvn: Number.NaN }],
  ['vmpl', { vmpls: [0] }],
  ['minimum-tcb', { minimumTcb: { microcode: 220 } }],
  ['minimum-tcb', { minimumTcb: { fmc: 0 } }],
  ['minimum-committed-tcb', { minimumCommittedTcb: { snp: 21 } }],
  ['minimum-launch-tcb', { minimumLaunchTcb: { bootloader: 3 } }],
  ['report-version', { minimumVersion: 5 }],
  ['minimum-firmware', { minimumFirmware: '1.55.30' }],
  ['minimum-firmware', { minimumFirmware: '2.0' }],
  ['minimum-firmware', { minimumFirmware: 'new' }],
  ['minimum-abi', { minimumAbi: '1.56' }],
  ['policy-smt', { guestPolicy: { smt: false } }],
  ['policy-single-socket', { guestPolicy: { singleSocket: true } }],
  ['policy-cxl-allow', { guestPolicy: { cxlAllow: true } }],
  ['policy-mem-aes-256-xts', { guestPolicy: { memAes256Xts: true } }],
  ['policy-rapl-dis', { guestPolicy: { raplDis: true } }],
  ['policy-ciphertext-hiding', { guestPolicy: { ciphertextHiding: true } }],
  ['policy-page-swap-disable', { guestPolicy: { pageSwapDisable: true } }],
  ['platform-smt', { platform: { smtEnabled: false } }],
  ['platform-tsme', { platform: { tsmeEnabled: true } }],
  ['platform-ecc', { platform: { eccEnabled: false } }],
  ['platform-rapl-disabled', { platform: { raplDisabled: true } }],
  ['platform-ciphertext-hiding', { platform: { ciphertextHidingEnabled: true } }],
  ['platform-alias-check', { platform: { aliasCheckComplete: false } }],
  ['platform-iommu-write-safe', { platform: { iommuWriteSafe: true } }],
  ['platform-tio', { platform: { tioEnabled: true } }],
]

for (const [check, policy] of wrong) {
  test(`refuses by ${check}: ${JSON.stringify(policy).slice(0, 60)}`, () => {
    assert.throws(() => appraiseSnp(claims, policy), mismatch(check))
  })
}

test('an author key that the report says is unused matches nothing', async () => {
  const unused = await claimsOf({ ...fields, flags: 0 })
  const policy = { authorKeyDigests: [fields.authorKeyDigest] }
  assert.throws(() => appraiseSnp(unused, policy), mismatch('author-key-digest'))
})
