import { PolicyMismatch, appraisePackage } from '@taw/attestation'
import type { PackagePolicy, VerifiedClaims } from '@taw/attestation'
import { mismatchResult, tcbOf, validResult } from './result.ts'
import type { Genuine, VerificationResult } from './result.ts'

/** What genuine evidence amounts to: valid, unless its TCB level is revoked or the policy doesn't allow it. */
export function judge(genuine: Genuine, policy: PackagePolicy | undefined): VerificationResult {
  const { claims } = genuine
  try {
    requireNotRevoked(claims)
    return validResult(genuine, policy ? appraisePackage(claims, policy) : [])
  } catch (error) {
    if (!(error instanceof PolicyMismatch)) throw error
    return mismatchResult(genuine, error)
  }
}

/**
 * Intel's word on a revoked level is that its keys are not to be trusted any more, so that anybody may have made the
 * quote. No policy can allow it. How good every other status is, a policy says.
 */
function requireNotRevoked(claims: VerifiedClaims): void {
  const { tcbStatus } = tcbOf(claims)
  if (tcbStatus !== 'Revoked') return
  throw new PolicyMismatch('tcb-status', {
    message: 'Intel has revoked the TCB level of this platform',
    expected: 'a level that is not revoked',
    found: tcbStatus,
    remedy: 'do not trust this platform; use another machine',
  })
}
