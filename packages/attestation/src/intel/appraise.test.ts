import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { level } from '../../../../tests/support/tcb-levels.ts'
import { FMSPC, IntelPlatform } from '../../../../tests/support/tee-kit-intel.ts'
import type { QuoteOptions, TdOptions } from '../../../../tests/support/tcb-levels.ts'
import { PolicyMismatch, failureSentence } from '../core/errors.ts'
import { nodeCrypto } from '../core/node.ts'
import type { Verified } from '../core/result.ts'
import { appraiseIntelPlatform } from './appraise-platform.ts'
import { appraiseSgx } from './appraise-sgx.ts'
import type { SgxPolicy } from './appraise-sgx.ts'
import { appraiseTdx } from './appraise-tdx.ts'
import type { TdxPolicy } from './appraise-tdx.ts'
import { collateralFromParts } from './read-collateral.ts'
import { intelVerifier } from './verify.ts'
import type { SgxClaims, TdxClaims } from './verify.ts'

const AT = new Date('2025-06-15T00:00:00Z')
const platform = new IntelPlatform()
const verifier = intelVerifier({ crypto: nodeCrypto, anchors: platform.anchors })

async function sgxClaims(
  options: QuoteOptions = {},
  status = 'UpToDate',
  advisories: readonly string[] = [],
): Promise<Verified<SgxClaims>> {
  const tcbInfo = platform.signedTcbInfo(
    platform.sgxTcbInfo({ tcbLevels: [level([2], 13, status, advisories)] }),
  )
  const claims = await verifier.verifyQuote(
    platform.sgxQuote(options),
    collateralFromParts(platform.parts({ tcbInfo })),
    AT,
  )
  assert.ok(claims.kind === 'sgx-quote')
  return claims
}

async function tdxClaims(options: QuoteOptions & TdOptions = {}): Promise<Verified<TdxClaims>> {
  const claims = await verifier.verifyQuote(
    platform.tdxQuote(options),
    collateralFromParts(platform.parts({}, 'TDX')),
    AT,
  )
  assert.ok(claims.kind === 'tdx-quote')
  return claims
}

function mismatch(appraise: () => unknown): PolicyMismatch {
  try {
    appraise()
  } catch (error) {
    assert.ok(error instanceof PolicyMismatch, String(error))
    return error
  }
  return assert.fail('nothing was thrown')
}

suite('SGX policy', () => {
  const uniqueId = '11'.repeat(32)
  const signerId = '22'.repeat(32)

  test('what matches passes, and every comparison is listed', async () => {
    const policy: SgxPolicy = {
      uniqueId,
      signerId: signerId.toUpperCase(),
      productId: 3n,
      securityVersion: 4,
      debug: false,
    }
    const checks = appraiseSgx(await sgxClaims(), policy)
    assert.deepEqual(
      checks.map(({ name }) => name),
      ['debug', 'unique-id', 'signer-id', 'product-id', 'security-version', 'tcb-status'],
    )
    appraiseSgx(await sgxClaims(), { securityVersion: 3 })
  })

  test('each field that differs is refused by its name, with both values', async () => {
    const claims = await sgxClaims()
    for (const [policy, check] of [
      [{ uniqueId: '12'.repeat(32) }, 'unique-id'],
      [{ signerId: uniqueId }, 'signer-id'],
      [{ productId: 4 }, 'product-id'],
      [{ productId: 2n ** 40n + 3n }, 'product-id'],
      [{ securityVersion: 5 }, 'security-version'],
      [{ debug: true }, 'debug'],
      [{ reportData: 'ff'.repeat(64) }, 'report-data'],
      [{ minimumTcbEvaluationDataNumber: 18 }, 'tcb-evaluation-data-number'],
    ] as const) {
      const error = mismatch(() => appraiseSgx(claims, policy))
      assert.equal(error.check, check)
      assert.ok(error.remedy)
      assert.equal(error.checks.at(-1)?.outcome, 'failed')
    }
  })

  test('a debug enclave is refused unless the policy says debug, and then only that', async () => {
    const claims = await sgxClaims({ report: { attributes: '07000000000000000700000000000000' } })
    assert.equal(mismatch(() => appraiseSgx(claims, {})).check, 'debug')
    appraiseSgx(claims, { debug: true })
  })

  test('a status is accepted by default, by name, or not', async () => {
    for (const [status, accepted, passes] of [
      ['UpToDate', undefined, true],
      ['UpToDate', [], true],
      ['SWHardeningNeeded', undefined, true],
      ['SWHardeningNeeded', [], false],
      ['SWHardeningNeeded', ['OutOfDate'], false],
      ['ConfigurationAndSWHardeningNeeded', undefined, false],
      ['OutOfDate', undefined, false],
      ['OutOfDate', ['OutOfDate'], true],
      ['Revoked', undefined, false],
      ['Revoked', ['Revoked'], true],
    ] as const) {
      const claims = await sgxClaims({}, status)
      const appraise = (): unknown => appraiseSgx(claims, { acceptedTcbStatuses: accepted })
      if (passes) appraise()
      else assert.equal(mismatch(appraise).check, 'tcb-status')
    }
  })

  test('an outdated platform is explained, with what to do', async () => {
    const claims = await sgxClaims({}, 'OutOfDate', ['INTEL-SA-00657'])
    assert.equal(
      failureSentence(mismatch(() => appraiseSgx(claims, {}))),
      'the TCB status is not what the policy allows (check tcb-status: expected UpToDate or SWHardeningNeeded, found ' +
        "OutOfDate (the platform's microcode and firmware: TCB level OutOfDate of 2024-03-13; advisories INTEL-SA-00657)); " +
        'ask your provider to update, or accept `OutOfDate` in `AcceptedTCBStatuses`',
    )
  })

  test('advisories count for SWHardeningNeeded only', async () => {
    const claims = await sgxClaims({}, 'SWHardeningNeeded', ['INTEL-SA-00615', 'INTEL-SA-00657'])
    appraiseSgx(claims, { acceptedAdvisories: [] })
    appraiseSgx(claims, { acceptedAdvisories: ['intel-sa-00615', 'INTEL-SA-00657', 'INTEL-SA-1'] })
    assert.equal(
      mismatch(() => appraiseSgx(claims, { acceptedAdvisories: ['INTEL-SA-00615'] })).check,
      'tcb-advisories',
    )
    const outdated = await sgxClaims({}, 'OutOfDate', ['INTEL-SA-00615'])
    appraiseSgx(outdated, { acceptedTcbStatuses: ['OutOfDate'], acceptedAdvisories: ['INTEL-SA-1'] })
  })

  test('TCB info without advisories can not satisfy a list of them', async () => {
    const numbered = Object.fromEntries(
      Array.from({ length: 16 }, (_, index) => [`sgxtcbcomp${String(index + 1).padStart(2, '0')}svn`, 0]),
    )
    const { id, ...rest } = platform.sgxTcbInfo({
      version: 2,
      tcbLevels: [
        { tcb: { ...numbered, pcesvn: 0 }, tcbDate: '2024-03-13T00:00:00Z', tcbStatus: 'SWHardeningNeeded' },
      ],
    })
    assert.equal(id, 'SGX')
    const parts = platform.parts({ tcbInfo: platform.signedTcbInfo(rest) })
    const claims = await verifier.verifyQuote(platform.sgxQuote(), collateralFromParts(parts), AT)
    assert.ok(claims.kind === 'sgx-quote')
    appraiseSgx(claims, {})
    assert.equal(
      mismatch(() => appraiseSgx(claims, { acceptedAdvisories: ['INTEL-SA-1'] })).check,
      'tcb-advisories',
    )
  })
})

suite('TDX policy', () => {
  const zero = '00'.repeat(48)

  test('what matches passes, each difference is refused by its name', async () => {
    const claims = await tdxClaims()
    const policy: TdxPolicy = {
      mrTd: [zero, '33'.repeat(48)],
      rtmr0: [zero],
      rtmr3: ['44'.repeat(48)],
      mrConfigId: [zero],
      mrSignerSeam: [zero],
      tdAttributes: ['0000001000000000'],
      septVeDisable: true,
      minimumTeeTcbSvn: [5, 0, 3],
    }
    appraiseTdx(claims, policy)
    for (const [change, check] of [
      [{ mrTd: [zero] }, 'mr-td'],
      [{ mrTd: [] }, 'mr-td'],
      [{ rtmr0: ['44'.repeat(48)] }, 'rtmr0'],
      [{ rtmr1: ['44'.repeat(48)] }, 'rtmr1'],
      [{ rtmr2: ['44'.repeat(48)] }, 'rtmr2'],
      [{ rtmr3: [zero] }, 'rtmr3'],
      [{ mrConfigId: ['01'] }, 'mr-config-id'],
      [{ mrOwner: ['01'] }, 'mr-owner'],
      [{ mrOwnerConfig: ['01'] }, 'mr-owner-config'],
      [{ mrSeam: ['01'] }, 'mr-seam'],
      [{ mrSignerSeam: ['01'] }, 'mr-signer-seam'],
      [{ mrServiceTd: [zero] }, 'mr-service-td'],
      [{ tdAttributes: ['00'.repeat(8)] }, 'td-attributes'],
      [{ xfam: ['ff'.repeat(8)] }, 'xfam'],
      [{ septVeDisable: false }, 'sept-ve-disable'],
      [{ debug: true }, 'debug'],
      [{ minimumTeeTcbSvn: [5, 0, 4] }, 'minimum-tee-tcb-svn'],
      [{ minimumTeeTcbSvn: Array.from({ length: 17 }, () => 0) }, 'minimum-tee-tcb-svn'],
      [{ reportData: ['ff'.repeat(64)] }, 'report-data'],
    ] as const) {
      assert.equal(mismatch(() => appraiseTdx(claims, { ...policy, ...change })).check, check)
    }
  })

  test('a TD under debug, by whichever bit, is refused unless the policy says debug', async () => {
    for (const tdAttributes of ['0100001000000000', '8000001000000000']) {
      const claims = await tdxClaims({ tdAttributes })
      assert.equal(mismatch(() => appraiseTdx(claims, {})).check, 'debug')
      appraiseTdx(claims, { debug: true })
    }
  })

  test('a TD that should start anew is refused unless that is accepted', async () => {
    const claims = await tdxClaims({ teeTcbSvn: '04010300', teeTcbSvn2: '06010300' })
    assert.match(mismatch(() => appraiseTdx(claims, {})).remedy ?? '', /start the TD anew/)
    appraiseTdx(claims, { acceptedTcbStatuses: ['TDRelaunchAdvised'], mrServiceTd: [zero] })
  })
})

suite('platform policy', () => {
  test('minima and root', async () => {
    const claims = await sgxClaims()
    const fits = { cpuSvn: Uint8Array.of(2), qeSvn: 8, pceSvn: 13, rootCa: platform.root }
    assert.equal(appraiseIntelPlatform(claims, fits).length, 4)
    assert.equal(appraiseIntelPlatform(claims, {}).length, 0)
    for (const [change, check] of [
      [{ cpuSvn: Uint8Array.of(1, 1) }, 'cpu-svn'],
      [{ cpuSvn: new Uint8Array(17) }, 'cpu-svn'],
      [{ qeSvn: 9 }, 'qe-svn'],
      [{ pceSvn: 14 }, 'pce-svn'],
      [{ rootCa: new IntelPlatform({ fmspc: FMSPC }).root }, 'root-ca'],
    ] as const) {
      assert.equal(mismatch(() => appraiseIntelPlatform(claims, { ...fits, ...change })).check, check)
    }
  })
})
