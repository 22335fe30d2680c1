import { EvidenceInvalid, NO_AMD_COLLATERAL, amdCollateralFromFiles, amdVerifier } from '@taw/attestation'
import type { AmdCollateral, AmdProduct } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { TestTime, collateralService, unavailable } from '../../../tests/support/collateral-service.ts'
import { FLAGS_VLEK, TestAmd, makeSnpReport, newChip } from '../../../tests/support/tee-kit-amd-nitro.ts'
import type { TestChip } from '../../../tests/support/tee-kit-amd-nitro.ts'
import { pem } from '../../../tests/support/tee-kit-intel.ts'
import { serveAmd } from '../../../tests/support/vendor-replies.ts'
import { VendorServer } from '../../../tests/support/vendor-server.ts'

const vendors: Record<AmdProduct, TestAmd> = {
  Milan: new TestAmd('Milan'),
  Genoa: new TestAmd('Genoa'),
  Turin: new TestAmd('Turin'),
}
const amdAnchors = Object.values(vendors).map(({ root }) => root)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('AMD’s key distribution service', () => {
  let server: VendorServer
  let time: TestTime
  before(async () => {
    server = await VendorServer.start()
  })
  after(() => server.stop())
  beforeEach(() => {
    time = new TestTime('2025-06-01T00:00:00Z')
    server.requests.length = 0
    server.replies.clear()
    server.everything = undefined
    for (const vendor of Object.values(vendors)) serveAmd(server, vendor)
  })

  const verify = async (report: Uint8Array, collateral: AmdCollateral): Promise<string> => {
    const verifier = amdVerifier({ crypto: nodeCrypto, revocation: 'required', anchors: amdAnchors })
    return (await verifier.verifyReport(report, collateral, time.now)).product
  }
  const path_ = (product: AmdProduct, { id }: TestChip): string => `/vcek/v1/${product}/${hex(id)}`

  const levels = { bootloader: 4, tee: 0, snp: 24, microcode: 219 }
  for (const product of ['Milan', 'Genoa', 'Turin'] as const) {
    test(`${product}: VCEK by chip and TCB version, and the revocation list`, async () => {
      const chip = newChip(product, { ...levels, ...(product === 'Turin' ? { fmc: 1 } : {}) })
      const { certificate, key } = vendors[product].vcek(chip)
      const query = 'blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219'
      const fmc = product === 'Turin' ? 'fmcSPL=01&' : ''
      server.replies.set(`${path_(product, chip)}?${fmc}${query}`, { body: certificate })
      const report = makeSnpReport(product, chip, key.privateKey)
      const { service } = collateralService(server, time, { amdAnchors })
      const all = await Promise.all(Array.from({ length: 100 }, () => service.forSnpReport(report)))
      assert.equal(await verify(report, all[0] ?? NO_AMD_COLLATERAL), product)
      assert.deepEqual(
        server.requests.map((one) => one.path).sort(),
        [`/vcek/v1/${product}/crl`, path_(product, chip)].sort(),
      )
      assert.equal(await verify(report, await service.forSnpReport(report)), product)
      assert.equal(server.requests.length, 2)
      // And as a bundle.
      const files = amdCollateralFromFiles([service.exportBundle()])
      assert.equal(await verify(report, files), product)
      service.close()
    })
  }

  test('a report of version 2 does not say its product: both are asked for', async () => {
    const chip = newChip('Genoa', levels)
    const { certificate, key } = vendors.Genoa.vcek(chip)
    server.replies.set(path_('Genoa', chip), { body: certificate })
    const report = makeSnpReport('Genoa', chip, key.privateKey, { version: 2 })
    const { service } = collateralService(server, time, { amdAnchors })
    assert.equal(await verify(report, await service.forSnpReport(report)), 'Genoa')
    service.close()
  })

  test('certificates that came along are not asked for', async () => {
    const chip = newChip('Milan', levels)
    const { certificate, key } = vendors.Milan.vcek(chip)
    const report = makeSnpReport('Milan', chip, key.privateKey)
    const { service } = collateralService(server, time, { amdAnchors })
    const given = amdCollateralFromFiles([certificate])
    for (let count = 0; count < 2; count++)
      assert.equal(await verify(report, await service.forSnpReport(report, given)), 'Milan')
    assert.deepEqual(
      server.requests.map((one) => one.path),
      ['/vcek/v1/Milan/crl'],
    )
    service.close()
  })

  test('VLEK: from the host or not at all', async () => {
    const chip = newChip('Milan', levels)
    const { certificate, key } = vendors.Milan.vlek(levels)
    const report = makeSnpReport('Milan', { ...chip, id: new Uint8Array(64) }, key.privateKey, {
      flags: FLAGS_VLEK,
    })
    const { service } = collateralService(server, time, { amdAnchors })
    const error = await unavailable(service.forSnpReport(report))
    assert.equal(error.reason, 'not-published')
    assert.match(error.message, /certificate table of the host/)
    const given = amdCollateralFromFiles([certificate])
    assert.equal(await verify(report, await service.forSnpReport(report, given)), 'Milan')
    service.close()
  })

  test('a masked chip id', async () => {
    const chip = { id: new Uint8Array(64), tcb: levels }
    const report = makeSnpReport('Milan', chip, vendors.Milan.vcek(chip).key.privateKey)
    const { service } = collateralService(server, time, { amdAnchors })
    assert.equal((await unavailable(service.forSnpReport(report))).reason, 'not-published')
    assert.equal(server.requests.length, 0)
    service.close()
  })

  test('an ASK that this program does not know is fetched', async () => {
    const chip = newChip('Milan', levels)
    const { certificate, key } = vendors.Milan.vcek(chip)
    server.replies.set(path_('Milan', chip), { body: certificate })
    const report = makeSnpReport('Milan', chip, key.privateKey)
    const anchors = amdAnchors.map((root) => ({ ...root, intermediates: [] }))
    for (const given of [NO_AMD_COLLATERAL, amdCollateralFromFiles([certificate])]) {
      const { service } = collateralService(server, time, { amdAnchors: anchors })
      const collateral = await service.forSnpReport(report, given)
      const verifier = amdVerifier({ crypto: nodeCrypto, revocation: 'required', anchors })
      assert.equal((await verifier.verifyReport(report, collateral, time.now)).product, 'Milan')
      service.close()
    }
    assert.equal(server.countOf('/vcek/v1/Milan/cert_chain'), 2)
  })

  const lies: readonly (readonly [string, (chip: TestChip) => Uint8Array | string])[] = [
    ['another chip', () => vendors.Milan.vcek(newChip('Milan', levels)).certificate],
    ['another TCB version', ({ id }) => vendors.Milan.vcek({ id, tcb: { ...levels, snp: 23 } }).certificate],
    ['another product', (chip) => vendors.Genoa.vcek(chip).certificate],
    ['a VLEK', () => vendors.Milan.vlek(levels).certificate],
    ['a certificate of its own', (chip) => new TestAmd('Milan').vcek(chip).certificate],
    ['the chain instead', () => pem(vendors.Milan.ask, vendors.Milan.ark)],
    ['garbage', () => 'garbage'],
  ]
  for (const [what, body] of lies) {
    test(`a service that answers with ${what}`, async () => {
      const chip = newChip('Milan', levels)
      const report = makeSnpReport('Milan', chip, vendors.Milan.vcek(chip).key.privateKey)
      server.replies.set(path_('Milan', chip), { body: body(chip) })
      const { service } = collateralService(server, time, { amdAnchors })
      const { reason } = await unavailable(service.forSnpReport(report))
      assert.equal(reason, what === 'garbage' ? 'malformed' : 'invalid')
      assert.doesNotMatch(new TextDecoder().decode(service.exportBundle()), /amd-vcek/)
      service.close()
    })
  }

  test('a forged report of a real chip leaves nothing on disk, and does not harm the real one', async (context) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'taw-collateral-'))
    context.after(() => {
      rmSync(directory, { recursive: true })
    })
    const chip = newChip('Milan', levels)
    const { certificate, key } = vendors.Milan.vcek(chip)
    server.replies.set(path_('Milan', chip), { body: certificate })
    const report = makeSnpReport('Milan', chip, key.privateKey)
    const forged = Uint8Array.from(report)
    forged[0x90] = 1
    const { service } = collateralService(server, time, { amdAnchors, directory })
    await assert.rejects(
      service.forSnpReport(forged),
      (error) => error instanceof EvidenceInvalid && error.check === 'report-signature',
    )
    assert.deepEqual(readdirSync(directory), [])
    await service.forSnpReport(report)
    assert.equal(readdirSync(directory).length, 2)
    // One request for the VCEK, whoever asked first.
    assert.equal(server.countOf(path_('Milan', chip)), 1)
    await assert.rejects(service.forSnpReport(forged, amdCollateralFromFiles([certificate])), EvidenceInvalid)
    service.close()
  })

  test('chips that nobody knows are asked for only so often', async () => {
    const { service } = collateralService(server, time, {
      amdAnchors,
      limits: { newPlatformBurst: 5, newPlatformsPerMinute: 1 },
    })
    const { key } = vendors.Milan.vcek(newChip('Milan', levels))
    const ask = (): Promise<unknown> =>
      service.forSnpReport(makeSnpReport('Milan', newChip('Milan', levels), key.privateKey))
    for (let number = 0; number < 5; number++) assert.equal((await unavailable(ask())).reason, 'not-found')
    assert.equal((await unavailable(ask())).reason, 'limit')
    assert.equal(server.requests.length, 5)
    service.close()
  })

  test('a revoked ASK', async () => {
    serveAmd(server, vendors.Milan, vendors.Milan.crl([0x10001]))
    const chip = newChip('Milan', levels)
    const { certificate, key } = vendors.Milan.vcek(chip)
    const report = makeSnpReport('Milan', chip, key.privateKey)
    const { service } = collateralService(server, time, { amdAnchors })
    await assert.rejects(
      service.forSnpReport(report, amdCollateralFromFiles([certificate])),
      (error) => error instanceof EvidenceInvalid && error.check === 'amd-crl',
    )
    service.close()
  })

  test('a list that the ARK did not sign, and a service that is down', async () => {
    const chip = newChip('Milan', levels)
    const { certificate, key } = vendors.Milan.vcek(chip)
    const report = makeSnpReport('Milan', chip, key.privateKey)
    const given = amdCollateralFromFiles([certificate])
    server.replies.set('/vcek/v1/Milan/crl', { body: new TestAmd('Milan').crl([]) })
    const { service } = collateralService(server, time, { amdAnchors })
    assert.equal((await unavailable(service.forSnpReport(report, given))).reason, 'invalid')
    service.close()
    server.everything = { status: 503 }
    const second = collateralService(server, time, { amdAnchors }).service
    assert.equal((await unavailable(second.forSnpReport(report, given))).reason, 'service-error')
    second.close()
  })
})
