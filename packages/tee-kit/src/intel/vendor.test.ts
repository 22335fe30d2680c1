import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  EvidenceInvalid,
  PolicyMismatch,
  appraiseSgx,
  appraiseTdx,
  collateralFromFiles,
  collateralFromParts,
  collateralRequest,
  intelVerifier,
  mergeCollateral,
  parseCertificate,
  parseQuote,
} from '@taw/attestation'
import type { IntelVerifier, SgxClaims, TdxClaims, Verified } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { openssl, skipWithoutOpenssl } from '../../../../tests/support/openssl.ts'
import { QE_ISVSVN } from './documents.ts'
import { OUTDATED_TEE_TCB_SVN } from './platform.ts'
import type { IntelPlatform, SgxQuoteOptions, TdxQuoteOptions } from './platform.ts'
import { TCB_STATUSES } from './platform-tcb.ts'
import { createIntelVendor } from './vendor.ts'
import type { CollateralFaults, IntelVendor } from './vendor.ts'

const AT = new Date('2026-03-01T12:00:00Z')
const now = (): Date => AT
const intel = createIntelVendor({ now })
const platform = intel.createPlatform()
const verifierOf = (vendor: IntelVendor): IntelVerifier =>
  intelVerifier({ crypto: nodeCrypto, anchors: [parseCertificate(vendor.rootCertificate)] })
const verifier = verifierOf(intel)

const reportData = Buffer.alloc(64, 7)
const SGX: SgxQuoteOptions = {
  reportData,
  mrEnclave: '11'.repeat(32),
  mrSigner: '22'.repeat(32),
  isvProdId: 3,
  isvSvn: 4,
}
const TDX: TdxQuoteOptions = { reportData, mrTd: '33'.repeat(48), rtmrs: ['44'.repeat(48)] }

interface Case {
  readonly on?: IntelPlatform
  readonly faults?: CollateralFaults
  readonly vendor?: IntelVendor
}

async function verifySgx(options: SgxQuoteOptions = {}, given: Case = {}): Promise<Verified<SgxClaims>> {
  const { on = platform, faults = {}, vendor = intel } = given
  const collateral = collateralFromParts(vendor.collateral(on, 'SGX', faults))
  const claims = await verifierOf(vendor).verifyQuote(on.quoteSgx({ ...SGX, ...options }), collateral, AT)
  assert.ok(claims.kind === 'sgx-quote')
  return claims
}

async function verifyTdx(options: TdxQuoteOptions = {}, given: Case = {}): Promise<Verified<TdxClaims>> {
  const { on = platform, faults = {} } = given
  const collateral = collateralFromParts(intel.collateral(on, 'TDX', faults))
  const claims = await verifier.verifyQuote(on.quoteTdx({ ...TDX, ...options }), collateral, AT)
  assert.ok(claims.kind === 'tdx-quote')
  return claims
}

async function refused(check: string, verification: Promise<unknown>): Promise<void> {
  await assert.rejects(verification, (error) => {
    assert.ok(error instanceof EvidenceInvalid, String(error))
    assert.equal(error.check, check, error.message)
    return true
  })
}

suite('the kit as Intel', () => {
  test('an SGX quote verifies under its root, with all that was asked for', async () => {
    const claims = await verifySgx()
    assert.equal(claims.tcb.status, 'UpToDate')
    assert.deepEqual(Buffer.from(claims.quote.body.reportData), reportData)
    assert.equal(Buffer.from(claims.platform.fmspc).toString('hex'), platform.fmspc)
    appraiseSgx(claims, {
      uniqueId: '11'.repeat(32),
      signerId: '22'.repeat(32),
      productId: 3n,
      securityVersion: 4,
    })
  })

  test('TDX quotes of versions 4 and 5, of TDX 1.0 and 1.5, verify under its root', async () => {
    for (const [options, version] of [
      [{}, 4],
      [{ version: 5 }, 5],
      [{ version: 5, generation: '1.0' }, 5],
    ] as const) {
      const claims = await verifyTdx(options)
      assert.equal(claims.quote.header.version, version)
      assert.equal(claims.tcb.status, 'UpToDate')
      appraiseTdx(claims, { mrTd: ['33'.repeat(48)], rtmr0: ['44'.repeat(48)] })
    }
  })

  test('nothing of it is genuine: with the built-in roots it is refused', async () => {
    const genuine = intelVerifier({ crypto: nodeCrypto })
    const collateral = collateralFromParts(intel.collateral(platform, 'SGX'))
    await refused('pck-chain', genuine.verifyQuote(platform.quoteSgx(SGX), collateral, AT))
    const tdx = collateralFromParts(intel.collateral(platform, 'TDX'))
    await refused('pck-chain', genuine.verifyQuote(platform.quoteTdx(TDX), tdx, AT))
    const other = createIntelVendor({ now })
    await refused('pck-chain', verifierOf(other).verifyQuote(platform.quoteSgx(SGX), collateral, AT))
  })

  test('platforms of either CA have what the profile demands, and ask for their own list', async () => {
    for (const ca of ['platform', 'processor'] as const) {
      const one = intel.createPlatform({ ca, fmspc: '10a06f010000', pceId: '0001' })
      const claims = await verifySgx({}, { on: one })
      assert.equal(claims.platform.configuration !== undefined, ca === 'platform')
      assert.deepEqual(collateralRequest(parseQuote(one.quoteSgx(SGX))).platform, { fmspc: one.fmspc, ca })
    }
  })

  test('a quote that only names its platform verifies with its PCK certificate', async () => {
    const quote = platform.quoteSgx({ ...SGX, certification: 'ppid' })
    const collateral = collateralFromParts(intel.collateral(platform, 'SGX'))
    await refused('pck-certificate', verifier.verifyQuote(quote, collateral, AT))
    const own = collateralFromFiles(platform.pckChain)
    await verifier.verifyQuote(quote, mergeCollateral(collateral, own), AT)
    assert.equal(collateralRequest(parseQuote(quote)).pckCertificate?.qeId, platform.qeId)
  })

  test('TCB info of version 2 is read too', async () => {
    const tcbInfo = intel.tcbInfo({ tee: 'SGX', fmspc: platform.fmspc, version: 2 })
    const collateral = collateralFromParts({ ...intel.collateral(platform, 'SGX'), tcbInfo })
    const claims = await verifier.verifyQuote(platform.quoteSgx(SGX), collateral, AT)
    assert.equal(claims.tcb.listsAdvisories, false)
  })

  test('its certificates and lists are what OpenSSL reads', { skip: skipWithoutOpenssl }, () => {
    const files = {
      'root.pem': Buffer.from(intel.pckCaChain('platform')),
      'pck.der': platform.pckCertificate,
      'crl.der': intel.pckCrl('platform'),
    }
    const at = String(AT.getTime() / 1000)
    const verified = openssl(
      ['verify', '-x509_strict', '-attime', at, '-CAfile', 'root.pem', 'pck.der'],
      files,
    )
    assert.match(verified, /OK/)
    assert.match(
      openssl(['crl', '-inform', 'DER', '-in', 'crl.der', '-text', '-noout'], files),
      /PCK Platform CA/,
    )
  })
})

suite('faults', () => {
  test('of signatures in a quote', async () => {
    for (const [fault, check] of [
      ['altered-body', 'quote-signature'],
      ['wrong-signature', 'quote-signature'],
      ['wrong-qe-signature', 'qe-report-signature'],
      ['wrong-key-binding', 'attestation-key-binding'],
    ] as const) {
      await refused(check, verifySgx({ faults: [fault] }))
      await refused(check, verifyTdx({ faults: [fault] }))
      await refused(check, verifyTdx({ faults: [fault], version: 5 }))
    }
  })

  test('of the quoting enclave', async () => {
    for (const qe of [
      { mrSigner: '00'.repeat(32) },
      { isvProdId: 9 },
      { miscSelect: '01000000' },
      { attributes: '1700000000000000e700000000000000' },
    ]) {
      await refused('qe-identity', verifySgx({ qe }))
    }
    assert.equal((await verifySgx({ qe: { isvSvn: QE_ISVSVN.outdated } })).tcb.status, 'OutOfDate')
    await refused('tcb-level', verifySgx({ qe: { isvSvn: 1 } }))
  })

  test('of documents and lists', async () => {
    const checks = {
      tcbInfo: 'tcb-info',
      qeIdentity: 'qe-identity-document',
      pckCrl: 'pck-crl',
      rootCaCrl: 'root-ca-crl',
    } as const
    for (const fault of ['expired', 'not-yet-valid', 'wrong-signature'] as const) {
      for (const part of ['tcbInfo', 'qeIdentity', 'pckCrl', 'rootCaCrl'] as const) {
        await refused(checks[part], verifySgx({}, { faults: { [part]: fault } }))
        await refused(checks[part], verifyTdx({}, { faults: { [part]: fault } }))
      }
    }
    const outdated = intel.createPlatform({ tcbStatus: 'OutOfDate' })
    await refused('tcb-info', verifySgx({}, { on: outdated, faults: { tcbInfo: 'altered' } }))
    await refused('qe-identity-document', verifySgx({}, { faults: { qeIdentity: 'altered' } }))
  })

  test('platforms of every status, and one that is older than all', async () => {
    for (const status of TCB_STATUSES) {
      const on = intel.createPlatform({ tcbStatus: status })
      assert.equal((await verifySgx({}, { on })).tcb.status, status)
      assert.equal((await verifyTdx({}, { on })).tcb.platform.status, status)
    }
    await refused('tcb-level', verifySgx({}, { on: intel.createPlatform({ tcbStatus: 'Unknown' }) }))
    assert.equal((await verifyTdx({ teeTcbSvn: OUTDATED_TEE_TCB_SVN })).tcb.tdxModule?.status, 'OutOfDate')
  })

  test('of the TDX module', async () => {
    await refused('tdx-module', verifyTdx({ teeTcbSvn: '0609' }))
    await refused('tdx-module-attributes', verifyTdx({ seamAttributes: '0100000000000000' }))
  })

  test('debug enclaves and trust domains verify, and no policy takes them by default', async () => {
    const mismatch = (error: unknown): boolean => error instanceof PolicyMismatch && error.check === 'debug'
    const sgx = await verifySgx({ debug: true })
    assert.throws(() => appraiseSgx(sgx, {}), mismatch)
    appraiseSgx(sgx, { debug: true })
    const tdx = await verifyTdx({ debug: true })
    assert.throws(() => appraiseTdx(tdx, {}), mismatch)
  })

  test('revoked: the PCK certificate, its CA, the signer of documents', async () => {
    const certificates: readonly (readonly [(vendor: IntelVendor, on: IntelPlatform) => Buffer, string])[] = [
      [(_, on) => on.pckCertificate, 'pck-crl'],
      [(vendor) => vendor.pckCaCertificate('platform'), 'root-ca-crl'],
      [(vendor) => vendor.tcbSigningCertificate, 'tcb-info'],
    ]
    for (const [certificateOf, check] of certificates) {
      const vendor = createIntelVendor({ now })
      const on = vendor.createPlatform()
      await verifySgx({}, { on, vendor })
      vendor.revoke(certificateOf(vendor, on))
      await refused(check, verifySgx({}, { on, vendor }))
    }
    assert.throws(() => {
      intel.revoke(createIntelVendor({ now }).createPlatform().pckCertificate)
    }, /none of this vendor's/)
  })
})
