import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  EvidenceInvalid,
  amdCollateralFromFiles,
  amdVerifier,
  appraiseAzureVtpm,
  azureVtpmVerifier,
  collateralFromParts,
  intelVerifier,
  parseAzureVtpmEvidence,
  parseCertificate,
} from '@taw/attestation'
import type { AzureVtpmClaims, Verified } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { createAmdVendor } from '../amd/vendor.ts'
import { createIntelVendor } from '../intel/vendor.ts'
import { createAzureVm } from './vm.ts'

const AT = new Date('2026-03-01T12:00:00Z')
const now = (): Date => AT
const amd = createAmdVendor({ now, keyBits: 2048 })
const intel = createIntelVendor({ now })
const platform = intel.createPlatform()
const pcrs = Array.from({ length: 24 }, (_, index) => index.toString(16).padStart(2, '0').repeat(32))
const vms = {
  snp: createAzureVm({ hardware: amd.createChip({ maskChipId: true }), pcrs }),
  tdx: createAzureVm({ hardware: platform, pcrs }),
}

const verifier = azureVtpmVerifier({
  crypto: nodeCrypto,
  amd: amdVerifier({
    crypto: nodeCrypto,
    revocation: 'required',
    anchors: [
      {
        product: 'Milan',
        ark: parseCertificate(amd.ark),
        intermediates: [parseCertificate(amd.intermediate('VCEK'))],
      },
    ],
  }),
  intel: intelVerifier({ crypto: nodeCrypto, anchors: [parseCertificate(intel.rootCertificate)] }),
})

function verify(evidence: Uint8Array): Promise<Verified<AzureVtpmClaims>> {
  const collateral = {
    amd: amdCollateralFromFiles([amd.crl()]),
    intel: collateralFromParts(intel.collateral(platform, 'TDX')),
  }
  return verifier.verifyEvidence(parseAzureVtpmEvidence(evidence), collateral, AT)
}

test('evidence on SEV-SNP and on TDX verifies under the roots, with all that was asked for', async () => {
  const nonce = Buffer.from('nonce')
  for (const vm of [vms.snp, vms.tdx]) {
    const claims = await verify(vm.evidence({ nonce, userData: Buffer.alloc(64, 0xab) }))
    appraiseAzureVtpm(claims, { nonces: [nonce.toString('hex')], userData: ['ab'.repeat(64)] })
    assert.equal(claims.pcrs['7'], '07'.repeat(32))
  }
})

test('nothing of it is genuine: with the built-in roots it is refused', async () => {
  const genuine = azureVtpmVerifier({
    crypto: nodeCrypto,
    amd: amdVerifier({ crypto: nodeCrypto, revocation: 'if-given' }),
    intel: intelVerifier({ crypto: nodeCrypto }),
  })
  const nothing = {
    amd: amdCollateralFromFiles([]),
    intel: collateralFromParts(intel.collateral(platform, 'TDX')),
  }
  for (const [vm, check] of [
    [vms.snp, 'endorsement-chain'],
    [vms.tdx, 'pck-chain'],
  ] as const) {
    await assert.rejects(
      genuine.verifyEvidence(parseAzureVtpmEvidence(vm.evidence()), nothing, AT),
      (error) => error instanceof EvidenceInvalid && error.check === check,
    )
  }
})

test('each fault is refused by its check', async () => {
  for (const [fault, check] of [
    ['wrong-binding', 'runtime-data-binding'],
    ['wrong-signature', 'tpm-quote-signature'],
    ['altered-body', 'tpm-quote-signature'],
    ['wrong-pcrs', 'pcr-digest'],
  ] as const) {
    for (const vm of [vms.snp, vms.tdx]) {
      await assert.rejects(verify(vm.evidence({ faults: [fault] })), (error) => {
        assert.ok(error instanceof EvidenceInvalid, String(error))
        assert.equal(error.check, check, error.message)
        return true
      })
    }
  }
})
