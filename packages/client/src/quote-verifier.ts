import {
  appraiseCollateral,
  appraisePackage,
  EvidenceInvalid,
  evidenceVerifier,
  failureSentence,
  findEvidence,
  PolicyMismatch,
} from '@taw/attestation'
import type {
  CollateralRules,
  EvidenceBindings,
  EvidenceCollateral,
  EvidenceKind,
  FoundEvidence,
  VendorRoots,
} from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { CollateralUnavailable } from '@taw/collateral'
import { ClientError } from './errors.ts'
import type { QuoteVerifier } from './verify.ts'

/** Where what vouches for evidence comes from: a `CollateralService`, or files that are at hand. */
export interface CollateralSource {
  readonly forEvidence: (evidence: FoundEvidence, rules?: CollateralRules) => Promise<EvidenceCollateral>
}

export interface QuoteVerifierOptions {
  readonly collateral: CollateralSource
  /** For tests: the time, and whom to believe instead of the CPU vendors. */
  readonly now?: () => Date
  readonly roots?: VendorRoots
}

/**
 * Verifies the evidence of Coordinators, of every kind that `@taw/attestation` knows but Arm CCA.
 *
 * The verifier throws ClientError `evidence_invalid` (not genuine, or bound to something else), `policy_mismatch`
 * (genuine, and not what is wanted), `collateral_unavailable`; the messages say what was expected and found.
 */
export function createQuoteVerifier({ collateral, now, roots }: QuoteVerifierOptions): QuoteVerifier {
  const verifier = evidenceVerifier({ crypto: nodeCrypto, revocation: 'required', roots })
  return async (evidence, { reportData, policy }) => {
    try {
      const found = findEvidence(evidence)
      if (found === undefined) {
        throw new ClientError('evidence_invalid', 'The evidence of the Coordinator is of no known kind')
      }
      const rules = policy.collateral ?? {}
      const at = now?.() ?? new Date()
      const claims = await verifier.verify(found, await collateral.forEvidence(found, rules), at, rules)
      appraisePackage(claims, policy.package, bindingsOf(claims.kind, reportData))
      appraiseCollateral(claims, rules)
    } catch (error) {
      throw clientError(error)
    }
  }
}

/** Where each kind has what its requester put into it. */
function bindingsOf(kind: EvidenceKind, reportData: Uint8Array): EvidenceBindings {
  switch (kind) {
    case 'nitro-document':
      return { userData: reportData }
    case 'azure-vtpm':
      return { nonce: reportData }
    case 'sgx-quote':
    case 'tdx-quote':
    case 'snp-report':
    case 'cca-token':
      return { reportData }
  }
}

function clientError(error: unknown): unknown {
  if (error instanceof EvidenceInvalid || error instanceof PolicyMismatch) {
    const isGenuine = error instanceof PolicyMismatch
    const doing = isGenuine
      ? 'Comparing the Coordinator with the policy'
      : "Verifying the Coordinator's evidence"
    return new ClientError(
      isGenuine ? 'policy_mismatch' : 'evidence_invalid',
      `${doing}: ${failureSentence(error)}`,
      { cause: error },
    )
  }
  if (error instanceof CollateralUnavailable) {
    return new ClientError(
      'collateral_unavailable',
      `Verifying the Coordinator's evidence: ${error.message}`,
      { cause: error },
    )
  }
  return error
}
