import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  EvidenceInvalid,
  PolicyMismatch,
  amdCollateralFromFiles,
  amdVerifier,
  appraiseSnp,
  parseCertificate,
} from '@taw/attestation'
import type { AmdVerifier, SnpClaims, Verified } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { openssl, skipWithoutOpenssl } from '../../../../tests/support/openssl.ts'
import { createAmdVendor } from './vendor.ts'
import type { AmdChip, AmdVendor, SnpReportOptions } from './vendor.ts'

const AT = new Date('2026-03-01T12:00:00Z')
const now = (): Date => AT
const fast = { now, keyBits: 2048 } as const
const milan = createAmdVendor(fast)
const chip = milan.createChip()

const verifierOf = (vendor: AmdVendor): AmdVerifier =>
  amdVerifier({
    crypto: nodeCrypto,
    revocation: 'required',
    anchors: [
      {
        product: vendor.product,
        ark: parseCertificate(vendor.ark),
        intermediates: [parseCertificate(vendor.intermediate('VCEK'))],
      },
    ],
  })

const GUEST: SnpReportOptions = { measurement: 'ab'.repeat(48), reportData: Buffer.alloc(64, 7) }

interface Case {
  readonly on?: AmdChip
  readonly vendor?: AmdVendor
  readonly files?: readonly Uint8Array[]
}

function verify(options: SnpReportOptions = {}, given: Case = {}): Promise<Verified<SnpClaims>> {
  const { on = chip, vendor = milan } = given
  const files = given.files ?? [on.auxblob(options.signingKey ?? 'VCEK'), vendor.crl()]
  return verifierOf(vendor).verifyReport(
    on.report({ ...GUEST, ...options }),
    amdCollateralFromFiles(files),
    AT,
  )
}

async function refused(check: string, verification: Promise<unknown>): Promise<void> {
  await assert.rejects(verification, (error) => {
    assert.ok(error instanceof EvidenceInvalid, String(error))
    assert.equal(error.check, check, error.message)
    return true
  })
}

suite('the kit as AMD', () => {
  test('reports of all versions verify under its root, signed with VCEK and VLEK', async () => {
    for (const version of [2, 3, 4, 5] as const) {
      for (const signingKey of ['VCEK', 'VLEK'] as const) {
        const claims = await verify({ version, signingKey })
        assert.equal(claims.report.version, version)
        assert.equal(claims.signingKey, signingKey)
        appraiseSnp(claims, { measurements: ['ab'.repeat(48)], minimumTcb: { snp: 24 } })
      }
    }
  })

  test('so do those of the other product lines, each in its own layout', async () => {
    for (const product of ['Genoa', 'Turin'] as const) {
      const vendor = createAmdVendor({ ...fast, product })
      const claims = await verify({}, { vendor, on: vendor.createChip() })
      assert.equal(claims.product, product)
      assert.equal(claims.report.reportedTcb.fmc, product === 'Turin' ? 1 : undefined)
    }
  })

  test('nothing of it is genuine: with the built-in roots it is refused', async () => {
    const genuine = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given' })
    const collateral = amdCollateralFromFiles([chip.auxblob()])
    await refused('endorsement-chain', genuine.verifyReport(chip.report(GUEST), collateral, AT))
    const other = createAmdVendor(fast)
    await refused('endorsement-chain', verify({}, { vendor: other, on: chip }))
  })

  test('its table is read with GUIDs in either order', async () => {
    const files = [chip.auxblob('VCEK', 'swapped'), milan.crl()]
    await verify({}, { files })
  })

  test('its certificates are what OpenSSL reads', { skip: skipWithoutOpenssl }, () => {
    const files = { 'chain.pem': Buffer.from(milan.chain('VCEK')), 'vcek.der': chip.certificate('VCEK') }
    const at = String(AT.getTime() / 1000)
    const words = ['verify', '-attime', at, '-CAfile', 'chain.pem', 'vcek.der']
    assert.match(openssl(words, files), /OK/)
  })

  test('its keys have 4096 bits unless said otherwise', () => {
    const { ark } = createAmdVendor({ now })
    assert.ok(ark.length > 1200, `an ARK of ${ark.length} bytes`)
  })
})

suite('faults', () => {
  test('of a report', async () => {
    for (const fault of ['altered-body', 'wrong-signature'] as const) {
      await refused('report-signature', verify({ faults: [fault] }))
    }
    await refused('report-algorithm', verify({ signatureAlgorithm: 2 }))
    await refused('signing-key', verify({ maskChipKey: true }))
    await refused('product', verify({ cpuid: [0x1a, 0x02, 0x01] }))
    await refused('tcb', verify({ reportedTcb: { bootloader: 4, snp: 23, microcode: 219 } }))
    await refused('chip-id', verify({ chipId: '99'.repeat(64) }))
  })

  test('of a certificate', async () => {
    for (const fault of ['expired', 'not-yet-valid', 'wrong-signature'] as const) {
      const files = [chip.certificate('VCEK', fault), milan.crl()]
      await refused('endorsement-chain', verify({}, { files }))
    }
    await refused('endorsement-certificate', verify({}, { files: [milan.crl()] }))
  })

  test('of a revocation list, and certificates on it', async () => {
    for (const fault of ['expired', 'not-yet-valid', 'wrong-signature'] as const) {
      await refused('amd-crl', verify({}, { files: [chip.auxblob(), milan.crl(fault)] }))
    }
    for (const type of ['VCEK', 'VLEK'] as const) {
      const vendor = createAmdVendor(fast)
      const on = vendor.createChip()
      await verify({ signingKey: type }, { vendor, on })
      vendor.revoke(type)
      await refused('amd-crl', verify({ signingKey: type }, { vendor, on }))
    }
  })

  test('debug guests verify, and no policy takes them by default', async () => {
    const claims = await verify({ debug: true })
    assert.throws(
      () => appraiseSnp(claims, {}),
      (error) => error instanceof PolicyMismatch && error.check === 'debug',
    )
  })

  test('a masked chip id is no fault', async () => {
    await verify({}, { on: milan.createChip({ maskChipId: true }) })
  })
})
