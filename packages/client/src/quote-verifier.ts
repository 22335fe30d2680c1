import {
  appraiseCollateral,
  appraisePackage,
  EvidenceInvalid,
  evidenceVerifier,
  failureSentence,
  findEvidence,
  NO_EVIDENCE_COLLATERAL,
  PolicyMismatch,
  readEvidenceCollateral,
  withoutDocuments,
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
  /**
   * `from-coordinator`: what the Coordinator gives along with its evidence. That is verified like all collateral, but may be
   * older than what the vendor has by now, as long as it is valid. Whoever wants it more recent says so in the policy.
   */
  readonly collateral: CollateralSource | 'from-coordinator'
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
export function createQuoteVerifier({ collateral: source, now, roots }: QuoteVerifierOptions): QuoteVerifier {
  const verifier = evidenceVerifier({ crypto: nodeCrypto, revocation: 'required', roots })
  return async (evidence, { reportData, policy, collateral: given }) => {
    try {
      const found = findEvidence(evidence)
      if (found === undefined) {
        throw new ClientError('evidence_invalid', 'The evidence of the Coordinator is of no known kind')
      }
      const rules = policy.collateral ?? {}
      const collateral = await getCollateral(found, rules, given, source)
      const claims = await verifier.verify(withoutDocuments(found), collateral, now?.() ?? new Date(), rules)
      appraisePackage(claims, policy.package, bindingsOf(claims.kind, reportData))
      appraiseCollateral(claims, rules)
    } catch (error) {
      throw clientError(error)
    }
  }
}

/** From one side or the other, never mixed. */
async function getCollateral(
  evidence: FoundEvidence,
  rules: CollateralRules,
  given: Uint8Array | undefined,
  source: QuoteVerifierOptions['collateral'],
): Promise<EvidenceCollateral> {
  if (source !== 'from-coordinator') return await source.forEvidence(evidence, rules)
  if (given === undefined) return NO_EVIDENCE_COLLATERAL
  return readEvidenceCollateral(given, "the Coordinator's collateral")
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
