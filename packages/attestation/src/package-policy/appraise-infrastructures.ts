import { appraiseSnpPlatform } from '../amd/appraise.ts'
import { PolicyMismatch, failureSentence } from '../core/errors.ts'
import type { Check } from '../core/result.ts'
import { appraiseIntelPlatform } from '../intel/appraise-platform.ts'
import { appraiseNitroPlatform } from '../nitro/appraise.ts'
import type { VerifiedClaims } from './appraise-package.ts'
import type { InfrastructurePolicy } from './policy.ts'

/** What is known about the platform of a piece of evidence. */
type PlatformClaims = Exclude<VerifiedClaims, { readonly kind: 'azure-vtpm' }>

/**
 * Requires that the platform below verified evidence satisfies at least one infrastructure; when there is none, any will do.
 *
 * @param infrastructures by name
 * @returns the comparisons with the first that is satisfied, and its name in the check `infrastructure`; none when there are none
 * @throws PolicyMismatch `infrastructure`, whose message and `checks` say of each what did not match
 */
export function appraiseInfrastructures(
  claims: VerifiedClaims,
  infrastructures: ReadonlyMap<string, InfrastructurePolicy>,
): readonly Check[] {
  if (infrastructures.size === 0) return []
  const platform = claims.kind === 'azure-vtpm' ? claims.hardware : claims
  const failed: PolicyMismatch[] = []
  const reasons: string[] = []
  for (const [name, policy] of infrastructures) {
    const outcome = appraise(platform, policy)
    if (!(outcome instanceof PolicyMismatch)) {
      return [...outcome, { name: 'infrastructure', outcome: 'passed', found: name }]
    }
    failed.push(outcome)
    reasons.push(`"${name}": ${failureSentence(outcome)}`)
  }
  const shown = reasons.slice(0, REASONS_SHOWN)
  if (reasons.length > shown.length) shown.push(`${reasons.length - shown.length} others`)
  const detail = {
    message: `the platform satisfies none of the infrastructures that are allowed: ${shown.join('; ')}`,
    expected: [...infrastructures.keys()].slice(0, REASONS_SHOWN).join(' or '),
    found: 'a platform that satisfies none of them',
    remedy: 'run the workload on a platform that an infrastructure describes, or add one for this platform',
  }
  const failures = failed.slice(0, REASONS_SHOWN).flatMap(({ checks }) => checks.slice(-1))
  throw new PolicyMismatch('infrastructure', detail, failures)
}

const REASONS_SHOWN = 10

/** @returns the comparisons, or why the platform doesn't satisfy the infrastructure */
function appraise(
  claims: PlatformClaims,
  { intel, snp, nitro }: InfrastructurePolicy,
): readonly Check[] | PolicyMismatch {
  if (!intel && !snp && !nitro) return []
  try {
    switch (claims.kind) {
      case 'sgx-quote':
      case 'tdx-quote':
        return intel ? appraiseIntelPlatform(claims, intel) : otherVendor('Intel')
      case 'snp-report':
        return snp ? appraiseSnpPlatform(claims, snp) : otherVendor('AMD')
      case 'nitro-document':
        return nitro ? appraiseNitroPlatform(claims, nitro) : otherVendor('AWS')
      case 'cca-token':
        return otherVendor('Arm')
    }
  } catch (error) {
    if (error instanceof PolicyMismatch) return error
    throw error
  }
}

const otherVendor = (vendor: string): PolicyMismatch =>
  new PolicyMismatch('vendor', {
    message: `it allows no platforms of ${vendor}`,
    expected: 'a platform of another vendor',
    found: vendor,
  })
