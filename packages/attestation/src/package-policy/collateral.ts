import { Appraisal } from '../core/appraisal.ts'
import { timeText } from '../core/chain.ts'
import type { CollateralRules } from '../core/grace.ts'
import type { Check } from '../core/result.ts'
import type { VerifiedClaims } from './appraise-package.ts'
import { object, textLike } from './field.ts'
import type { Field } from './field.ts'
import { evaluationNumber } from './fields.ts'
import { Place } from './place.ts'
import type { PolicyReading } from './read-package.ts'

/** What the collateral has to be that vouches for evidence (a manifest's `Config.Collateral`). */
export interface CollateralPolicy extends CollateralRules {
  /** Milliseconds since the issue of the oldest TCB info, QE identity or revocation list. Absent: as long as they are valid. */
  readonly maximumAge?: number | undefined
  /** The least `tcbEvaluationDataNumber`, for SGX and TDX: how recent Intel's judgement must be. */
  readonly minimumTcbEvaluationDataNumber?: number | undefined
}

/** Milliseconds. */
const UNITS = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

const duration: Field<number> = (() => {
  const given = textLike(
    /^[0-9]{1,6}[smhd]$/,
    'a number of "s", "m", "h" or "d", for example "720h" or "30d"',
  )
  return {
    form: given.form,
    read: (value, at) => {
      const text = given.read(value, at)
      return text === null ? null : Number.parseInt(text, 10) * (UNITS.get(text.slice(-1)) ?? Number.NaN)
    },
  }
})()

const collateralField = object({
  MaximumAge: duration,
  GracePeriod: duration,
  MinimumTCBEvaluationDataNumber: evaluationNumber,
})

/** For decoders and schemas. */
export const collateralForm = collateralField.form

/** After this, a user should be told what is being forgiven; Intel issues collateral for 30 days. */
const LONG_GRACE = 30 * 86_400_000

/** Reads a manifest's `Config.Collateral` (docs/manifest.md). When there are problems, the policy forgives nothing and accepts none. */
export function readCollateralPolicy(json: unknown): PolicyReading<CollateralPolicy> {
  const root = Place.root()
  const source = collateralField.read(json, root)
  if ((source?.GracePeriod ?? 0) > LONG_GRACE) {
    root
      .in('GracePeriod')
      .warn('is long: who was revoked since the collateral was issued is accepted for all that time')
  }
  const { problems, warnings } = root.findings
  const isSound = source !== null && problems.length === 0
  const policy: CollateralPolicy = isSound
    ? {
        maximumAge: source.MaximumAge,
        gracePeriod: source.GracePeriod,
        minimumTcbEvaluationDataNumber: source.MinimumTCBEvaluationDataNumber,
      }
    : { maximumAge: Number.NaN }
  return { policy, problems, warnings }
}

/**
 * Compares the collateral that evidence was verified with, at the time of the verification. Whether it was valid then, the verifier
 * has said already; `gracePeriod` is for it to look at.
 *
 * @returns the comparisons, all of them passed; none for Nitro and Arm CCA, which have no collateral
 * @throws PolicyMismatch `collateral-age` or `tcb-evaluation-data-number`
 */
export function appraiseCollateral(claims: VerifiedClaims, policy: CollateralPolicy): readonly Check[] {
  const appraisal = new Appraisal()
  const hardware = claims.kind === 'azure-vtpm' ? claims.hardware : claims
  if (hardware.kind === 'nitro-document' || hardware.kind === 'cca-token') return []
  const { maximumAge, minimumTcbEvaluationDataNumber } = policy
  if (maximumAge !== undefined) {
    const issued = hardware.collateralIssued
    const age = issued ? hardware.verifiedAt.getTime() - issued.getTime() : Number.NaN
    appraisal.holds(
      { name: 'collateral-age', what: 'the age of the collateral', remedy: 'fetch current collateral' },
      // Written so that NaN fails.
      age <= maximumAge,
      {
        expected: `at most ${hours(maximumAge)}`,
        found: issued ? `${hours(age)} (issued at ${timeText(issued)})` : 'no revocation list',
      },
    )
  }
  if (hardware.kind !== 'snp-report') {
    appraisal.atLeast(
      {
        name: 'tcb-evaluation-data-number',
        what: "the number of Intel's evaluation (tcbEvaluationDataNumber)",
        remedy: 'fetch newer collateral (PCS: update=early)',
      },
      minimumTcbEvaluationDataNumber,
      hardware.tcb.tcbEvaluationDataNumber,
    )
  }
  return appraisal.checks
}

const hours = (milliseconds: number): string => `${(milliseconds / 3_600_000).toFixed(1)} hours`
