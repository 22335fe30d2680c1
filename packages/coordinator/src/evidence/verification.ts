import {
  type CollateralRules,
  EvidenceInvalid,
  type EvidenceCollateral,
  type EvidenceVerifier,
  failureSentence,
  findEvidence,
  type FoundEvidence,
  type VerifiedClaims,
  withoutDocuments,
} from '@taw/attestation'
import { CollateralUnavailable } from '@taw/collateral'
import { Refusal } from '../refusal.ts'

/** Gets what vouches for evidence. */
export interface CollateralSource {
  /** @throws EvidenceInvalid, CollateralUnavailable */
  readonly forEvidence: (evidence: FoundEvidence, rules?: CollateralRules) => Promise<EvidenceCollateral>
}

/** Verifies evidence with collateral that is valid now. What the evidence says is then true; nothing is said about whether it is wanted. */
export class EvidenceVerification {
  readonly #verifier: EvidenceVerifier
  readonly #collateral: CollateralSource
  readonly #now: () => Date

  constructor(verifier: EvidenceVerifier, collateral: CollateralSource, now: () => Date) {
    this.#verifier = verifier
    this.#collateral = collateral
    this.#now = now
  }

  /**
   * @param evidence of any kind, raw or in a form that `findEvidence` knows
   * @param whose for messages: "the marble", "the Coordinator"
   * @param rules what is forgiven about collateral; default nothing
   * @throws {@link Refusal} `evidence_invalid`, or `collateral_unavailable` when it can't be told now
   */
  async verify(evidence: Uint8Array, whose: string, rules: CollateralRules = {}): Promise<VerifiedClaims> {
    try {
      const found = findEvidence(evidence)
      if (found === undefined) throw unknownEvidence(evidence, whose)
      const collateral = await this.#collateral.forEvidence(found, rules)
      return await this.#verifier.verify(withoutDocuments(found), collateral, this.#now(), rules)
    } catch (error) {
      throw refusalOf(error, whose)
    }
  }
}

function unknownEvidence(evidence: Uint8Array, whose: string): Refusal {
  const found = evidence.length === 0 ? 'there is none' : `its ${evidence.length} bytes are of no known kind`
  return new Refusal(
    'evidence_invalid',
    `verifying the evidence of ${whose}: ${found}; it must be an SGX or TDX quote, an SEV-SNP report, a Nitro ` +
      'document or evidence of an Azure vTPM. Run it in a TEE; without one, only a Coordinator in simulation admits it',
  )
}

function refusalOf(error: unknown, whose: string): unknown {
  if (error instanceof EvidenceInvalid) {
    return new Refusal('evidence_invalid', `verifying the evidence of ${whose}: ${failureSentence(error)}`, {
      cause: error,
    })
  }
  if (error instanceof CollateralUnavailable) {
    return new Refusal('collateral_unavailable', `verifying the evidence of ${whose}: ${error.message}`, {
      cause: error,
    })
  }
  return error
}
