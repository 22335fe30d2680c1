import { appraiseSnpPlatform } from '../amd/appraise.ts'
import { PolicyMismatch } from '../core/errors.ts'
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
 * @throws PolicyMismatch `infrastructure`, saying of each what did not match
 */
export function appraiseInfrastructures(
  claims: VerifiedClaims,
  infrastructures: ReadonlyMap<string, InfrastructurePolicy>,
): readonly Check[] {
  if (infrastructures.size === 0) return []
  const platform = claims.kind === 'azure-vtpm' ? claims.hardware : claims
  const reasons: string[] = []
  for (const [name, policy] of infrastructures) {
    const outcome = appraise(platform, policy)
    if (typeof outcome !== 'string')
      return [...outcome, { name: 'infrastructure', outcome: 'passed', found: name }]
    reasons.push(`"${name}": ${outcome}`)
  }
  const shown = reasons.slice(0, REASONS_SHOWN)
  if (reasons.length > shown.length) shown.push(`${reasons.length - shown.length} others`)
  throw new PolicyMismatch('infrastructure', {
    message: `the platform satisfies none of the infrastructures that are allowed: ${shown.join('; ')}`,
    expected: [...infrastructures.keys()].slice(0, REASONS_SHOWN).join(' or '),
    found: 'a platform that satisfies none of them',
    remedy: 'run the workload on a platform that an infrastructure describes, or add one for this platform',
  })
}

const REASONS_SHOWN = 10

/** @returns the comparisons, or why the platform doesn't satisfy the infrastructure */
function appraise(
  claims: PlatformClaims,
  { intel, snp, nitro }: InfrastructurePolicy,
): readonly Check[] | string {
  if (!intel && !snp && !nitro) return []
  try {
    switch (claims.kind) {
      case 'sgx-quote':
      case 'tdx-quote':
        return intel ? appraiseIntelPlatform(claims, intel) : 'it allows no platforms of Intel'
      case 'snp-report':
        return snp ? appraiseSnpPlatform(claims, snp) : 'it allows no platforms with SEV-SNP'
      case 'nitro-document':
        return nitro ? appraiseNitroPlatform(claims, nitro) : 'it allows no Nitro platforms'
      case 'cca-token':
        return 'it allows no platforms of Arm'
    }
  } catch (error) {
    if (error instanceof PolicyMismatch) return error.message
    throw error
  }
}
