import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { TestAmd, makeSnpReport, newChip } from '../../../../tests/support/tee-kit-amd-nitro.ts'
import { IntelPlatform } from '../../../../tests/support/tee-kit-intel.ts'
import { amdCollateralFromFiles } from '../amd/collateral.ts'
import { amdVerifier } from '../amd/verify.ts'
import { mergeCollateral } from '../intel/collateral.ts'
import { collateralFromParts } from '../intel/read-collateral.ts'
import type { IntelCollateralParts } from '../intel/read-collateral.ts'
import { intelVerifier } from '../intel/verify.ts'
import { appraiseCollateral, readCollateralPolicy } from '../package-policy/collateral.ts'
import { EvidenceInvalid, PolicyMismatch } from './errors.ts'
import type { CollateralRules } from './grace.ts'
import { nodeCrypto } from './node.ts'

const DAY = 86_400_000
/** Everything of the test platform is valid in June 2025. */
const JUNE = new Date('2025-06-15T00:00:00Z')
const END = new Date('2025-07-01T00:00:00Z')
const after = (days: number): Date => new Date(END.getTime() + days * DAY)

const refuses =
  (check: string, message = /not valid any more/) =>
  (error: unknown) => {
    assert.ok(error instanceof EvidenceInvalid, String(error))
    assert.equal(error.check, check)
    assert.match(error.message, message)
    return true
  }

suite("Intel's collateral", () => {
  const platform = new IntelPlatform()
  const late = { nextUpdate: '2025-09-01T00:00:00Z' }
  const lateDate = { nextUpdate: new Date('2025-09-01T00:00:00Z') }
  /** What ends in September but for one. */
  const endingAlone = (kind: 'rootCaCrl' | 'pckCrl' | 'tcbInfo' | 'qeIdentity'): IntelCollateralParts => {
    const lasting = {
      rootCaCrl: platform.rootCrl(lateDate),
      pckCrl: platform.pckCrl(lateDate),
      tcbInfo: platform.signedTcbInfo(platform.sgxTcbInfo(late)),
      qeIdentity: platform.signedQeIdentity(platform.qeIdentity(late)),
    }
    return platform.parts({ ...lasting, [kind]: platform.parts()[kind] })
  }
  const verify = (at: Date, rules?: CollateralRules, parts = platform.parts(), by = platform) =>
    intelVerifier({ crypto: nodeCrypto, anchors: by.anchors }).verifyQuote(
      by.sgxQuote(),
      collateralFromParts(parts),
      at,
      rules,
    )

  test('gets no grace unless it is said, and as much as is said', async () => {
    for (const [kind, check] of [
      ['rootCaCrl', 'root-ca-crl'],
      ['pckCrl', 'pck-crl'],
      ['tcbInfo', 'tcb-info'],
      ['qeIdentity', 'qe-identity-document'],
    ] as const) {
      const parts = endingAlone(kind)
      await assert.rejects(verify(after(1), undefined, parts), refuses(check))
      await assert.rejects(verify(after(1), { gracePeriod: DAY - 1 }, parts), refuses(check))
      const claims = await verify(after(1), { gracePeriod: DAY }, parts)
      const forgiven = claims.checks.find(({ name }) => name === 'collateral-grace')
      assert.match(forgiven?.found ?? '', /^the [^,]* ended at 2025-07-01T00:00:00Z$/)
      assert.deepEqual(claims.validUntil, after(1))
    }
  })

  test('is not said to be forgiven while it is valid', async () => {
    const claims = await verify(JUNE, { gracePeriod: DAY })
    assert.ok(!claims.checks.some(({ name }) => name === 'collateral-grace'))
    assert.deepEqual(claims.collateralIssued, new Date('2025-06-01T00:00:00Z'))
  })

  test('that is current is used before what needs grace', async () => {
    const old = collateralFromParts(
      platform.parts({
        tcbInfo: platform.signedTcbInfo(platform.sgxTcbInfo({ tcbEvaluationDataNumber: 99 })),
      }),
    )
    const dates = { issueDate: '2025-07-01T00:00:00Z', ...late }
    const crlDates = { thisUpdate: END, ...lateDate }
    const current = collateralFromParts(
      platform.parts({
        rootCaCrl: platform.rootCrl(crlDates),
        pckCrl: platform.pckCrl(crlDates),
        tcbInfo: platform.signedTcbInfo(platform.sgxTcbInfo(dates)),
        qeIdentity: platform.signedQeIdentity(platform.qeIdentity(dates)),
      }),
    )
    const claims = await intelVerifier({ crypto: nodeCrypto, anchors: platform.anchors }).verifyQuote(
      platform.sgxQuote(),
      mergeCollateral(old, current),
      after(1),
      { gracePeriod: 100 * DAY },
    )
    assert.equal(claims.tcb.tcbEvaluationDataNumber, 17)
    assert.deepEqual(claims.collateralIssued, END)
    assert.ok(!claims.checks.some(({ name }) => name === 'collateral-grace'))
  })

  test('grace is for nothing that is revoked, forged, not yet valid, or a certificate', async () => {
    const forever = { gracePeriod: 10_000 * DAY }
    for (const [options, check] of [
      [{ revokedByCa: [3] }, 'pck-crl'],
      [{ revokedByRoot: [2] }, 'root-ca-crl'],
      [{ revokedByRoot: [4] }, 'tcb-info'],
    ] as const) {
      const revoked = new IntelPlatform(options)
      await assert.rejects(
        verify(after(1), forever, revoked.parts(), revoked),
        refuses(check, /is revoked by its issuer/),
      )
    }
    const forged = platform.parts({ tcbInfo: platform.signedTcbInfo(platform.sgxTcbInfo(), 'pck') })
    await assert.rejects(
      verify(after(1), forever, forged),
      refuses('tcb-info', /signature of the TCB info is wrong/),
    )
    const foreign = platform.parts({ pckCrl: platform.pckCrl({}, 'root') })
    await assert.rejects(verify(after(1), forever, foreign), refuses('pck-crl', /signature/))
    await assert.rejects(
      verify(new Date('2025-05-01T00:00:00Z'), forever),
      refuses('root-ca-crl', /not valid yet/),
    )
    // The certificates of the test platform end in 2035.
    await assert.rejects(verify(new Date('2035-01-02T00:00:00Z'), forever), refuses('pck-chain'))
  })

  test('a grace period that is no number forgives nothing, and takes nothing', async () => {
    for (const gracePeriod of [Number.NaN, Number.POSITIVE_INFINITY]) {
      await assert.rejects(verify(JUNE, { gracePeriod }), EvidenceInvalid)
    }
    await assert.rejects(verify(after(1), { gracePeriod: -DAY }), EvidenceInvalid)
    await verify(JUNE, { gracePeriod: -100 * DAY })
  })
})

suite("AMD's revocation list", () => {
  const vendor = new TestAmd('Milan')
  const chip = newChip('Milan', { snp: 24 })
  const vcek = vendor.vcek(chip)
  const report = makeSnpReport('Milan', chip, vcek.key.privateKey)
  const verifier = amdVerifier({ crypto: nodeCrypto, revocation: 'required', anchors: [vendor.root] })
  const start = new Date('2025-06-01T00:00:00Z')
  const verify = (lists: readonly Uint8Array[], at: Date, rules?: CollateralRules) =>
    verifier.verifyReport(report, amdCollateralFromFiles([vcek.certificate, ...lists]), at, rules)

  test('gets the grace that is said, and is then used all the same', async () => {
    const list = vendor.crl([7], start, END)
    await assert.rejects(verify([list], after(1)), refuses('amd-crl'))
    await assert.rejects(verify([list], after(2), { gracePeriod: DAY }), refuses('amd-crl'))
    const claims = await verify([list], after(1), { gracePeriod: DAY })
    assert.ok(claims.checks.some(({ name }) => name === 'collateral-grace'))
    assert.deepEqual([claims.collateralIssued, claims.validUntil], [start, after(1)])
    const revoking = vendor.crl([0x10001], start, END)
    await assert.rejects(verify([revoking], after(1), { gracePeriod: DAY }), refuses('amd-crl', /is revoked/))
    const forged = vendor.crl([7], start, END, vendor.askKey.privateKey)
    await assert.rejects(verify([forged], after(1), { gracePeriod: DAY }), refuses('amd-crl', /signature/))
  })

  test('the newest of several that ended is the one that is taken', async () => {
    const older = vendor.crl([7], new Date('2025-05-01T00:00:00Z'), start)
    const newer = vendor.crl([7], start, END)
    const claims = await verify([older, newer], after(1), { gracePeriod: 90 * DAY })
    assert.deepEqual(claims.collateralIssued, start)
  })

  test('a demanded age needs a list', async () => {
    const lax = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given', anchors: [vendor.root] })
    const claims = await lax.verifyReport(report, amdCollateralFromFiles([vcek.certificate]), JUNE)
    assert.deepEqual(appraiseCollateral(claims, {}), [])
    assert.throws(() => appraiseCollateral(claims, { maximumAge: 1e12 }), { found: /no revocation list/ })
  })
})

suite('the policy on collateral', () => {
  test('is read with units', () => {
    const { policy, problems, warnings } = readCollateralPolicy({
      maximumage: '36h',
      GracePeriod: '2d',
      MinimumTCBEvaluationDataNumber: 17,
    })
    assert.deepEqual([problems, warnings], [[], []])
    assert.deepEqual(policy, {
      maximumAge: 1.5 * DAY,
      gracePeriod: 2 * DAY,
      minimumTcbEvaluationDataNumber: 17,
    })
    assert.equal(readCollateralPolicy({ MaximumAge: '90m' }).policy.maximumAge, 5_400_000)
    assert.equal(readCollateralPolicy({ GracePeriod: '0s' }).policy.gracePeriod, 0)
    for (const wrong of ['', '5', '1.5h', '-1h', '1w', '1h30m', 5]) {
      const reading = readCollateralPolicy({ MaximumAge: wrong, GracePeriod: '1d' })
      assert.deepEqual(
        reading.problems.map(({ path }) => path),
        [['MaximumAge']],
      )
      assert.equal(reading.policy.gracePeriod, undefined)
    }
    assert.deepEqual(
      readCollateralPolicy({ GracePeriod: '31d' }).warnings.map(({ path }) => path),
      [['GracePeriod']],
    )
  })

  test('demands an age and a number', async () => {
    const platform = new IntelPlatform()
    const claims = await intelVerifier({ crypto: nodeCrypto, anchors: platform.anchors }).verifyQuote(
      platform.sgxQuote(),
      collateralFromParts(platform.parts()),
      JUNE,
    )
    const checks = appraiseCollateral(claims, { maximumAge: 14 * DAY, minimumTcbEvaluationDataNumber: 17 })
    assert.deepEqual(
      checks.map(({ name }) => name),
      ['collateral-age', 'tcb-evaluation-data-number'],
    )
    const mismatch = (check: string) => (error: unknown) =>
      error instanceof PolicyMismatch && error.check === check
    assert.throws(() => appraiseCollateral(claims, { maximumAge: 14 * DAY - 1 }), mismatch('collateral-age'))
    assert.throws(() => appraiseCollateral(claims, { maximumAge: Number.NaN }), mismatch('collateral-age'))
    assert.throws(
      () => appraiseCollateral(claims, { minimumTcbEvaluationDataNumber: 18 }),
      mismatch('tcb-evaluation-data-number'),
    )
  })
})
