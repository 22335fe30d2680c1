import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  TEST_TIME,
  TestAmd,
  TestNitro,
  makeSnpReport,
  newChip,
} from '../../../../tests/support/tee-kit-amd-nitro.ts'
import { TestAzureVm } from '../../../../tests/support/tee-kit-azure.ts'
import { IntelPlatform } from '../../../../tests/support/tee-kit-intel.ts'
import { NO_AMD_COLLATERAL, amdCollateralFromFiles } from '../amd/collateral.ts'
import { amdVerifier } from '../amd/verify.ts'
import { azureVtpmVerifier } from '../azure/verify.ts'
import { toHex } from '../core/encoding.ts'
import { PolicyMismatch } from '../core/errors.ts'
import { nodeCrypto } from '../core/node.ts'
import { NO_COLLATERAL } from '../intel/collateral.ts'
import { collateralFromParts } from '../intel/read-collateral.ts'
import { intelVerifier } from '../intel/verify.ts'
import { nitroVerifier } from '../nitro/verify.ts'
import { appraisePackage } from './appraise-package.ts'
import type { EvidenceBindings, VerifiedClaims } from './appraise-package.ts'

const bound = new Uint8Array(32).fill(0xb1)
const reportData = toHex(bound).padEnd(128, '0')
const other = new Uint8Array(32).fill(0xb2)
const AT = new Date('2025-06-15T00:00:00Z')

const platform = new IntelPlatform()
const intel = intelVerifier({ crypto: nodeCrypto, anchors: platform.anchors })
const vendor = new TestAmd('Milan')
const chip = newChip('Milan', { bootloader: 4, snp: 24 })
const vcek = vendor.vcek(chip)
const amd = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given', anchors: [vendor.root] })
const aws = new TestNitro()
const azure = azureVtpmVerifier({ crypto: nodeCrypto, amd, intel })
const accepting = { sgx: {}, tdx: {}, snp: {}, nitro: {}, azureVtpm: {} }

const cases: readonly (readonly [claims: VerifiedClaims, holds: readonly (keyof EvidenceBindings)[]])[] = [
  [
    await intel.verifyQuote(
      platform.sgxQuote({ report: { reportData: Uint8Array.from([...bound, ...new Uint8Array(32)]) } }),
      collateralFromParts(platform.parts()),
      AT,
    ),
    ['reportData'],
  ],
  [
    await amd.verifyReport(
      makeSnpReport('Milan', chip, vcek.key.privateKey, { reportData }),
      amdCollateralFromFiles([vcek.certificate]),
      TEST_TIME,
    ),
    ['reportData'],
  ],
  [
    await nitroVerifier({ crypto: nodeCrypto, anchors: aws.anchors }).verifyDocument(
      aws.document({ nonce: bound, userData: bound, publicKey: bound }),
      TEST_TIME,
    ),
    ['nonce', 'userData', 'publicKey'],
  ],
  [
    await azure.verifyEvidence(
      new TestAzureVm('Milan', chip, vcek).evidence({ nonce: bound, userData: reportData }),
      { amd: NO_AMD_COLLATERAL, intel: NO_COLLATERAL },
      TEST_TIME,
    ),
    ['nonce', 'userData'],
  ],
]

const refuses = (claims: VerifiedClaims, bindings: EvidenceBindings, check?: string): void => {
  assert.throws(
    () => appraisePackage(claims, accepting, bindings),
    (error) => error instanceof PolicyMismatch && (check === undefined || error.check === check),
    `${claims.kind} ${Object.keys(bindings).join()}`,
  )
}

test('evidence is compared with each binding that it can hold, and refused for the others', () => {
  for (const [claims, holds] of cases) {
    appraisePackage(claims, accepting, Object.fromEntries(holds.map((name) => [name, bound])))
    appraisePackage(claims, accepting)
    for (const name of ['reportData', 'nonce', 'userData', 'publicKey'] as const) {
      if (!holds.includes(name)) refuses(claims, { [name]: bound }, 'binding')
      else
        for (const value of [other, new Uint8Array(0), new Uint8Array(65)]) refuses(claims, { [name]: value })
    }
  }
})

test('a TD is bound by its report data too', async () => {
  const claims = await intel.verifyQuote(
    platform.tdxQuote(),
    collateralFromParts(platform.parts({}, 'TDX')),
    AT,
  )
  appraisePackage(claims, accepting, { reportData: new Uint8Array(64) })
  refuses(claims, { reportData: bound }, 'report-data')
})
