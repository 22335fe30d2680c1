import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { evidenceVerifier, findEvidence, readEvidenceCollateral } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { TestTime, collateralService, unavailable } from '../../../tests/support/collateral-service.ts'
import { TestAmd, makeSnpReport, newChip } from '../../../tests/support/tee-kit-amd-nitro.ts'
import { FMSPC, IntelPlatform } from '../../../tests/support/tee-kit-intel.ts'
import { serveAmd, serveIntel } from '../../../tests/support/vendor-replies.ts'
import { VendorServer } from '../../../tests/support/vendor-server.ts'

const TIME = '2025-06-10T00:00:00Z'

describe('a bundle for one piece of evidence', () => {
  let server: VendorServer
  before(async () => {
    server = await VendorServer.start()
  })
  after(() => server.stop())

  const found = (bytes: Uint8Array) => findEvidence(bytes) ?? assert.fail('no evidence')

  test('Intel: has what the quote needs, and nothing of other platforms', async () => {
    const platform = new IntelPlatform()
    serveIntel(server, platform)
    const { service } = collateralService(server, new TestTime(TIME), { intelAnchors: platform.anchors })
    const sgx = found(platform.sgxQuote())
    const tdx = found(platform.tdxQuote())
    await service.bundleFor(tdx)
    server.requests.length = 0
    const bundles = await Promise.all(Array.from({ length: 50 }, () => service.bundleFor(sgx)))
    const [bundle = assert.fail()] = bundles
    assert.deepEqual(
      bundle.documents.map(({ name }) => name),
      [
        'intel-pck-crl/platform',
        'intel-qe-identity/SGX/standard',
        'intel-root-ca-crl',
        `intel-tcb-info/SGX/${FMSPC}/standard`,
      ],
    )
    assert.equal(server.requests.length, 2, 'however many ask: TCB info and QE identity of SGX')
    // As a user saves it.
    const collateral = readEvidenceCollateral(Buffer.from(JSON.stringify(bundle)), 'the bundle')
    const verifier = evidenceVerifier({
      crypto: nodeCrypto,
      revocation: 'required',
      roots: { intel: platform.anchors },
    })
    assert.equal((await verifier.verify(sgx, collateral, new Date(TIME))).kind, 'sgx-quote')
    await assert.rejects(verifier.verify(tdx, collateral, new Date(TIME)), { check: 'tcb-info' })
  })

  test('AMD: the VCEK and the list, and the authorities that were fetched', async () => {
    const vendor = new TestAmd('Genoa')
    serveAmd(server, vendor)
    const chip = newChip('Genoa', { bootloader: 4, tee: 0, snp: 24, microcode: 219 })
    const { certificate, key } = vendor.vcek(chip)
    const hwid = Buffer.from(chip.id).toString('hex')
    const query = 'blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219'
    server.replies.set(`/vcek/v1/Genoa/${hwid}?${query}`, { body: certificate })
    const report = found(makeSnpReport('Genoa', chip, key.privateKey))
    const { service } = collateralService(server, new TestTime(TIME), { amdAnchors: [vendor.root] })
    const bundle = await service.bundleFor(report)
    assert.deepEqual(
      bundle.documents.map(({ name }) => name.replace(/[0-9a-f]{16,}/g, '…')),
      ['amd-crl/Genoa', 'amd-vcek/Genoa/…/…'],
    )
    const collateral = readEvidenceCollateral(Buffer.from(JSON.stringify(bundle)), 'the bundle')
    const verifier = evidenceVerifier({
      crypto: nodeCrypto,
      revocation: 'required',
      roots: { amd: [vendor.root] },
    })
    assert.equal((await verifier.verify(report, collateral, new Date(TIME))).kind, 'snp-report')
  })

  test('what can’t be had is an error', async () => {
    const platform = new IntelPlatform()
    const { service } = collateralService(server, new TestTime(TIME), {
      intelAnchors: platform.anchors,
      intel: 'off',
    })
    const error = await unavailable(service.bundleFor(found(platform.sgxQuote())))
    assert.equal(error.reason, 'offline')
  })
})
