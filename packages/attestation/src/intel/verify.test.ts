import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { level } from '../../../../tests/support/tcb-levels.ts'
import { FMSPC, IntelPlatform, evidenceRejection, pem } from '../../../../tests/support/tee-kit-intel.ts'
import { nodeCrypto } from '../core/node.ts'
import { webCrypto } from '../core/web.ts'
import { toUtf8 } from '../core/encoding.ts'
import { collateralFromFiles } from './collateral-files.ts'
import { mergeCollateral } from './collateral.ts'
import type { IntelCollateral } from './collateral.ts'
import { collateralFromParts } from './read-collateral.ts'
import type { IntelCollateralParts } from './read-collateral.ts'
import { intelVerifier } from './verify.ts'
import type { IntelVerifier } from './verify.ts'

const AT = new Date('2025-06-15T00:00:00Z')
const platform = new IntelPlatform()
const verifierOf = (one: IntelPlatform): IntelVerifier =>
  intelVerifier({ crypto: nodeCrypto, anchors: one.anchors })
const verifier = verifierOf(platform)

const files = (parts: IntelCollateralParts): Uint8Array[] =>
  Object.values(parts).filter((part: unknown) => part instanceof Uint8Array)

async function refused(
  check: string,
  quote: Uint8Array,
  collateral: () => IntelCollateral,
  at = AT,
): Promise<void> {
  const error = await evidenceRejection(async () => verifier.verifyQuote(quote, collateral(), at))
  assert.equal(error.check, check, error.message)
}

const sgx = (changes: Parameters<IntelPlatform['parts']>[0] = {}): IntelCollateral =>
  collateralFromParts(platform.parts(changes))
const tdx = (changes: Parameters<IntelPlatform['parts']>[0] = {}): IntelCollateral =>
  collateralFromParts(platform.parts(changes, 'TDX'))

suite('a genuine quote', () => {
  test('of SGX in versions 4 and 5 of the format', async () => {
    for (const version of [4, 5] as const) {
      const claims = await verifier.verifyQuote(platform.sgxQuoteOf(version), sgx(), AT)
      assert.deepEqual(
        [claims.kind, claims.quote.header.version, claims.quote.bodyType],
        ['sgx-quote', version, version === 5 ? 1 : undefined],
      )
      await refused('tcb-info', platform.sgxQuoteOf(version), tdx)
    }
    // A body of another type than the TEE, whatever it is.
    for (const [bodyType, teeType] of [
      [2, 0],
      [4, 0],
      [1, 0x81],
      [1, 0x82],
    ] as const) {
      await refused('quote-format', platform.sgxQuoteOf(5, bodyType, teeType), sgx)
    }
  })

  test('of SGX verifies, with claims and every check', async () => {
    const claims = await verifier.verifyQuote(platform.sgxQuote(), sgx(), AT)
    assert.equal(claims.kind, 'sgx-quote')
    assert.equal(claims.tcb.status, 'UpToDate')
    assert.equal(Buffer.from(claims.platform.fmspc).toString('hex'), FMSPC)
    assert.deepEqual(Buffer.from(claims.rootCa), platform.root)
    assert.deepEqual(claims.validUntil, new Date('2025-07-01T00:00:00Z'))
    assert.deepEqual(
      claims.checks.map(({ name }) => name),
      [
        'quote-format',
        'pck-chain',
        'qe-report-signature',
        'attestation-key-binding',
        'quote-signature',
        'root-ca-crl',
        'pck-crl',
        'tcb-info',
        'qe-identity-document',
        'qe-identity',
        'tcb-level',
      ],
    )
  })

  test('of TDX verifies, in versions 4 and 5', async () => {
    assert.equal((await verifier.verifyQuote(platform.tdxQuote(), tdx(), AT)).tcb.status, 'UpToDate')
    const extended = platform.tdxQuote({ teeTcbSvn: '06010300', teeTcbSvn2: '06010300' })
    const claims = await verifier.verifyQuote(extended, tdx(), AT)
    assert.equal(claims.quote.header.version, 5)
    assert.equal(claims.tcb.tdxModule?.status, 'UpToDate')
  })

  test('verifies with files in any order, and with WebCrypto', async () => {
    const given = collateralFromFiles(files(platform.parts()).reverse())
    const web = intelVerifier({ crypto: webCrypto, anchors: platform.anchors })
    for (const one of [verifier, web]) {
      assert.equal((await one.verifyQuote(platform.sgxQuote(), given, AT)).tcb.status, 'UpToDate')
    }
  })

  test('keeps its claims when the buffer it came in changes', async () => {
    const buffer = platform.sgxQuote()
    const verification = verifier.verifyQuote(buffer, sgx(), AT)
    buffer.fill(0)
    const claims = await verification
    assert.ok(claims.kind === 'sgx-quote')
    assert.equal(Buffer.from(claims.quote.body.mrEnclave).toString('hex'), '11'.repeat(32))
  })

  test('of another root is refused', async () => {
    const other = new IntelPlatform()
    await refused('pck-chain', other.sgxQuote(), () => sgx())
    const error = await evidenceRejection(() =>
      intelVerifier({ crypto: nodeCrypto }).verifyQuote(platform.sgxQuote(), sgx(), AT),
    )
    assert.equal(error.check, 'pck-chain')
  })

  test('without a PCK certificate needs it from elsewhere, and the one of its own platform', async () => {
    const quote = platform.sgxQuote({ certification: 'ppid' })
    await refused('pck-certificate', quote, () => sgx())
    const other = new IntelPlatform()
    const foreign = collateralFromFiles([other.pck, other.ca])
    await refused('pck-certificate', quote, () => mergeCollateral(sgx(), foreign))
    const own = collateralFromFiles([toUtf8(pem(platform.pck, platform.ca))])
    const claims = await verifier.verifyQuote(quote, mergeCollateral(sgx(), foreign, own), AT)
    assert.equal(claims.tcb.status, 'UpToDate')
    const asPart = sgx({ pckCertificate: toUtf8(pem(platform.pck)) })
    assert.equal((await verifier.verifyQuote(quote, asPart, AT)).tcb.status, 'UpToDate')
  })
})

suite('a heap of files', () => {
  const quote = platform.sgxQuote()
  const other = new IntelPlatform()
  const newer = new Date('2025-06-14T00:00:00Z')
  /** Newer than the genuine ones, under the same names, and signed by somebody else. */
  const forged: Readonly<Partial<IntelCollateralParts>> = {
    tcbInfo: other.signedTcbInfo(other.sgxTcbInfo({ tcbEvaluationDataNumber: 99 })),
    qeIdentity: other.signedQeIdentity(other.qeIdentity({ tcbEvaluationDataNumber: 99 })),
    pckCrl: other.pckCrl({ thisUpdate: newer }),
    rootCaCrl: other.rootCrl({ thisUpdate: newer }),
  }

  test('may have lists and certificates as hex or base64', async () => {
    const parts = platform.parts()
    const forms: readonly ((der: Uint8Array) => string)[] = [
      (der) => `0x${Buffer.from(der).toString('hex')}\n`,
      (der) => Buffer.from(der).toString('hex').toUpperCase().replace(/.{64}/g, '$&\n'),
      (der) => Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\r\n'),
      (der) => Buffer.from(der).toString('base64url'),
    ]
    for (const form of forms) {
      const texts = [parts.pckCrl, parts.rootCaCrl, platform.signer, platform.ca].map((der) =>
        toUtf8(form(der)),
      )
      const heap = collateralFromFiles([parts.tcbInfo, parts.qeIdentity, ...texts])
      assert.equal((await verifier.verifyQuote(platform.sgxQuote(), heap, AT)).tcb.status, 'UpToDate')
    }
  })

  test('may hold what is not genuine beside what is', async () => {
    const own = files(platform.parts())
    for (const heap of [
      [...files(other.parts(forged)), ...own],
      [...own, ...files(other.parts(forged))],
    ]) {
      const claims = await verifier.verifyQuote(quote, collateralFromFiles(heap), AT)
      assert.equal(claims.tcb.tcbEvaluationDataNumber, 17)
      await verifier.verifyQuote(quote, collateralFromFiles(heap), AT)
    }
  })

  test('does not verify with what is not genuine in place of what is', async () => {
    for (const [name, check] of [
      ['tcbInfo', 'tcb-info'],
      ['qeIdentity', 'qe-identity-document'],
      ['pckCrl', 'pck-crl'],
      ['rootCaCrl', 'root-ca-crl'],
    ] as const) {
      const genuine = Object.entries(platform.parts()).filter(([part]) => part !== name)
      const heap: unknown[] = [
        ...genuine.map(([, part]: [string, unknown]) => part),
        ...files(other.parts(forged)),
      ]
      await refused(check, quote, () =>
        collateralFromFiles(heap.filter((part) => part instanceof Uint8Array)),
      )
    }
  })

  test('has the newest genuine list and document count, and no older one in its place', async () => {
    const strict = new IntelPlatform({ revokedByCa: [3] })
    const lists = [strict.pckCrl({ thisUpdate: newer }), strict.pckCrl()]
    const outdated = platform.signedTcbInfo(
      platform.sgxTcbInfo({ tcbEvaluationDataNumber: 18, tcbLevels: [level([1], 11, 'OutOfDate')] }),
    )
    const heap = collateralFromFiles([...files(platform.parts()), outdated])
    assert.equal((await verifier.verifyQuote(quote, heap, AT)).tcb.status, 'OutOfDate')
    const revoked = collateralFromFiles([...files(strict.parts()), ...lists])
    const error = await evidenceRejection(() =>
      verifierOf(strict).verifyQuote(strict.sgxQuote(), revoked, AT),
    )
    assert.equal(error.check, 'pck-crl')
  })
})

suite('revocation lists', () => {
  const quote = platform.sgxQuote()
  const late = { thisUpdate: new Date('2025-06-15T00:00:01Z') }
  const early = { nextUpdate: new Date('2025-06-14T23:59:59Z') }

  test('that are empty, unreadable, missing, of others, altered or not valid now are errors', async () => {
    await refused('collateral-format', quote, () => sgx({ pckCrl: new Uint8Array(0) }))
    await refused('collateral-format', quote, () => sgx({ rootCaCrl: toUtf8('no list') }))
    await refused('pck-crl', quote, () => sgx({ pckCrl: platform.rootCrl() }))
    await refused('root-ca-crl', quote, () => sgx({ rootCaCrl: platform.pckCrl() }))
    await refused('pck-crl', quote, () => sgx({ pckCrl: platform.pckCrl({}, 'root') }))
    await refused('pck-crl', quote, () => ({ ...sgx(), revocationLists: sgx().revocationLists.slice(1) }))
    await refused('pck-crl', quote, () => sgx({ pckCrl: platform.pckCrl(late) }))
    await refused('pck-crl', quote, () => sgx({ pckCrl: platform.pckCrl(early) }))
    await refused('root-ca-crl', quote, () => sgx({ rootCaCrl: platform.rootCrl(late) }))
    await refused('root-ca-crl', quote, () => sgx({ rootCaCrl: platform.rootCrl(early) }))
    const other = new IntelPlatform()
    await refused('pck-crl', quote, () => sgx({ pckCrl: other.pckCrl() }))
    await refused('pck-crl', quote, () => sgx({ pckCrlIssuerChain: toUtf8(pem(other.ca, other.root)) }))
    await refused('pck-crl', quote, () =>
      sgx({ pckCrlIssuerChain: toUtf8(pem(platform.signer, platform.root)) }),
    )
  })

  test('name the certificate that was revoked: PCK, its CA, the TCB signer', async () => {
    for (const [options, check] of [
      [{ revokedByCa: [3] }, 'pck-crl'],
      [{ revokedByRoot: [2] }, 'root-ca-crl'],
      [{ revokedByRoot: [4] }, 'tcb-info'],
    ] as const) {
      const revoked = new IntelPlatform(options)
      const collateral = collateralFromParts(revoked.parts())
      const error = await evidenceRejection(() =>
        verifierOf(revoked).verifyQuote(revoked.sgxQuote(), collateral, AT),
      )
      assert.equal(error.check, check)
      assert.match(error.message, /is revoked by its issuer/)
    }
  })

  test('are looked at although the platform verified before', async () => {
    const one = new IntelPlatform({ revokedByCa: [3] })
    const remembering = verifierOf(one)
    await remembering.authenticateQuote(one.sgxQuote(), [], AT)
    const collateral = collateralFromParts(one.parts())
    assert.equal(
      (await evidenceRejection(() => remembering.verifyQuote(one.sgxQuote(), collateral, AT))).check,
      'pck-crl',
    )
  })

  test('of which the newest one at hand that is valid counts', async () => {
    const newer = platform.pckCrl({ thisUpdate: new Date('2025-06-10T00:00:00Z') })
    const both = (first: Uint8Array, second: Uint8Array): IntelCollateral =>
      collateralFromFiles([...files(platform.parts({ pckCrl: first })), second])
    for (const collateral of [both(newer, platform.pckCrl(early)), both(platform.pckCrl(late), newer)]) {
      await verifier.verifyQuote(quote, collateral, AT)
    }
  })
})

suite('documents', () => {
  const quote = platform.sgxQuote()

  test('by another signer, altered, or for another platform are refused', async () => {
    const info = platform.sgxTcbInfo()
    await refused('tcb-info', quote, () => sgx({ tcbInfo: platform.signedTcbInfo(info, 'pck') }))
    await refused('qe-identity-document', quote, () =>
      sgx({ qeIdentity: platform.signedQeIdentity(platform.qeIdentity(), 'pck') }),
    )
    await refused('tcb-info', quote, () =>
      sgx({ tcbInfoIssuerChain: toUtf8(pem(platform.ca, platform.root)) }),
    )
    await refused('tcb-info', quote, () =>
      sgx({
        tcbInfo: platform.signedTcbInfo(info, 'pck'),
        tcbInfoIssuerChain: toUtf8(pem(platform.pck, platform.ca, platform.root)),
      }),
    )
    const altered = Buffer.from(
      Buffer.from(platform.signedTcbInfo(info)).toString().replace('OutOfDate', 'UpToDate'),
    )
    await refused('tcb-info', quote, () => sgx({ tcbInfo: altered }))
    for (const changes of [{ fmspc: '00906ea10001' }, { pceId: '0001' }]) {
      const other = platform.signedTcbInfo(platform.sgxTcbInfo(changes))
      await refused('tcb-info', quote, () => sgx({ tcbInfo: other }))
    }
    await refused('tcb-info', quote, () => sgx({ tcbInfo: platform.signedTcbInfo(platform.tdxTcbInfo()) }))
    await refused('qe-identity-document', quote, () =>
      sgx({ qeIdentity: platform.signedQeIdentity(platform.qeIdentity({ id: 'TD_QE' })) }),
    )
  })

  test('are valid from issueDate to nextUpdate, both ends included', async () => {
    const dates = { issueDate: '2025-06-10T00:00:00Z', nextUpdate: '2025-06-20T00:00:00Z' }
    const collateral = sgx({ tcbInfo: platform.signedTcbInfo(platform.sgxTcbInfo(dates)) })
    for (const time of Object.values(dates)) await verifier.verifyQuote(quote, collateral, new Date(time))
    await refused('tcb-info', quote, () => collateral, new Date('2025-06-09T23:59:59Z'))
    await refused('tcb-info', quote, () => collateral, new Date('2025-06-20T00:00:01Z'))
    await refused('pck-chain', quote, () => collateral, new Date(Number.NaN))
    await refused('pck-chain', quote, () => collateral, new Date('2035-01-01T00:00:01Z'))
    const identity = sgx({ qeIdentity: platform.signedQeIdentity(platform.qeIdentity(dates)) })
    await refused('qe-identity-document', quote, () => identity, new Date('2025-06-20T00:00:01Z'))
  })

  test('whose signer has another name or another root are refused', async () => {
    const misnamed = new IntelPlatform({ signerName: 'Intel SGX Something Else' })
    const collateral = collateralFromParts(misnamed.parts())
    assert.equal(
      (await evidenceRejection(() => verifierOf(misnamed).verifyQuote(misnamed.sgxQuote(), collateral, AT)))
        .check,
      'tcb-info',
    )
    const other = new IntelPlatform()
    const both = intelVerifier({ crypto: nodeCrypto, anchors: [...platform.anchors, ...other.anchors] })
    const mixed = sgx({
      tcbInfo: other.signedTcbInfo(other.sgxTcbInfo()),
      tcbInfoIssuerChain: toUtf8(pem(other.signer, other.root)),
    })
    const error = await evidenceRejection(() => both.verifyQuote(quote, mixed, AT))
    assert.match(error.message, /come from different roots/)
  })

  test('of several, the one of the highest evaluation counts', async () => {
    const strict = platform.signedTcbInfo(
      platform.sgxTcbInfo({
        tcbEvaluationDataNumber: 18,
        tcbLevels: [level([3], 13, 'UpToDate'), level([2], 13, 'OutOfDate')],
      }),
    )
    const collateral = collateralFromFiles([...files(platform.parts()), strict])
    assert.equal((await verifier.verifyQuote(quote, collateral, AT)).tcb.status, 'OutOfDate')
  })
})

suite('PCK chains', () => {
  test('of other names or with unknown critical extensions are refused', async () => {
    for (const options of [
      { caName: 'Intel SGX Another CA' },
      { pckName: 'Another Certificate' },
      { pckExtensions: [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }] },
    ]) {
      const odd = new IntelPlatform(options)
      const collateral = collateralFromParts(odd.parts())
      const error = await evidenceRejection(() => verifierOf(odd).verifyQuote(odd.sgxQuote(), collateral, AT))
      assert.equal(error.check, 'pck-chain')
    }
  })
})
