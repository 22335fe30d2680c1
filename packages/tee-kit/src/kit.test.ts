import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import {
  amdCollateralFromFiles,
  amdVerifier,
  appraiseSgx,
  appraiseSnp,
  collateralFromParts,
  findSnpReport,
  intelVerifier,
  parseCertificate,
  parseCertificateChain,
} from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { openEvidenceProvider, packEvidence } from '@taw/evidence'
import { temporaryFolder } from '../../../tests/support/marble-process.ts'
import { startKit } from './kit.ts'

const reportData = Buffer.alloc(32, 9)
const allReportData = Buffer.concat([reportData, Buffer.alloc(32)])

test('evidence from the devices goes through providers and verifiers, and shows who the description says', async (t) => {
  const folder = temporaryFolder(t)
  const kit = await startKit({
    folder,
    sgx: { enclave: { isvSvn: 5 } },
    snp: { guest: { signingKey: 'VLEK' } },
    amd: { keyBits: 2048, product: 'Genoa' },
  })
  t.after(kit.close)
  const { enclave, guest } = kit.description.devices
  assert.ok(enclave && guest && kit.amd)
  const { UniqueID: uniqueId, SignerID: signerId } = enclave.identity
  const { measurement } = guest.identity
  assert.ok(typeof uniqueId === 'string' && typeof signerId === 'string' && typeof measurement === 'string')

  const gramine = await openEvidenceProvider('gramine', { gramineRoot: enclave.root })
  const quote = await gramine.quote(reportData)
  assert.ok(quote)
  const claims = await intelVerifier({
    crypto: nodeCrypto,
    anchors: parseCertificateChain(kit.description.intelRoot),
  }).verifyQuote(
    packEvidence(quote),
    collateralFromParts(kit.intel.collateral(kit.platform, 'SGX')),
    new Date(),
  )
  assert.ok(claims.kind === 'sgx-quote')
  appraiseSgx(claims, {
    uniqueId,
    signerId,
    productId: 1n,
    securityVersion: 5,
    reportData: allReportData.toString('hex'),
  })

  const tsm = await openEvidenceProvider('tsm', { tsmRoot: guest.root, privlevel: 1 })
  const report = await tsm.quote(reportData)
  assert.ok(report)
  const found = findSnpReport(packEvidence(report))
  assert.ok(found?.certificateTable)
  const verifier = amdVerifier({
    crypto: nodeCrypto,
    revocation: 'required',
    anchors: [{ product: 'Genoa', ark: parseCertificate(kit.amd.ark), intermediates: [] }],
  })
  const collateral = amdCollateralFromFiles([found.certificateTable, kit.amd.crl()])
  const snp = await verifier.verifyReport(found.report, collateral, new Date())
  appraiseSnp(snp, {
    measurements: [measurement],
    reportData: [allReportData.toString('hex')],
    signingKeys: ['VLEK'],
    vmpls: [1],
  })
})

test('a machine that is started again has the same sealing keys, and new roots', async (t) => {
  const folder = temporaryFolder(t)
  const key = path.join(folder, 'marble/attestation/keys/_sgx_mrsigner')
  const first = await startKit({ folder, sgx: { marble: {} } })
  const before = readFileSync(key)
  await first.close()
  const second = await startKit({ folder, sgx: { marble: {}, other: {} } })
  t.after(second.close)
  assert.equal(before.length, 16)
  assert.deepEqual(readFileSync(key), before)
  const others = path.join(folder, 'other/attestation/keys')
  // Signer and product are the same, the enclave is another.
  assert.deepEqual(readFileSync(path.join(others, '_sgx_mrsigner')), before)
  assert.notDeepEqual(
    readFileSync(path.join(others, '_sgx_mrenclave')),
    readFileSync(path.join(folder, 'marble/attestation/keys/_sgx_mrenclave')),
  )
  assert.notEqual(first.description.intelRoot, second.description.intelRoot)
})
