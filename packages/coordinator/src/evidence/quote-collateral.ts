import { EvidenceInvalid, failureSentence, findEvidence, type FoundEvidence } from '@taw/attestation'
import { type CollateralBundle, CollateralUnavailable, type FailureReason } from '@taw/collateral'
import { type Evidence, packEvidence } from '@taw/evidence'
import type { Logger } from '../logger.ts'

/** Gets what vouches for evidence, to be passed along with it. */
interface BundleSource {
  /** @throws EvidenceInvalid, CollateralUnavailable */
  readonly bundleFor: (evidence: FoundEvidence) => Promise<CollateralBundle>
}

/**
 * What vouches for this Coordinator's evidence, or why there is nothing: a document can't be had (`FailureReason`), or not in
 * time (`late`), or the CPU's vendor doesn't know this machine (`evidence-invalid`).
 */
export type QuoteCollateral =
  | { readonly bundle: CollateralBundle }
  | { readonly unavailable: FailureReason | 'late' | 'evidence-invalid' }

/**
 * Gets the collateral of this Coordinator's own evidence, for users who can reach nobody but the Coordinator.
 *
 * Strangers ask for it. All ask for the same few documents, so the source's cache answers them, and one request is under
 * way at most for each; what can't be had is not asked for again for a while (docs/collateral.md).
 */
export class OwnCollateral {
  readonly #source: BundleSource
  readonly #deadlineMs: number
  readonly #log: Logger

  /** @param deadlineMs how long an answer waits for it; then it goes without */
  constructor(source: BundleSource, deadlineMs: number, log: Logger) {
    this.#source = source
    this.#deadlineMs = deadlineMs
    this.#log = log
  }

  async for(evidence: Evidence): Promise<QuoteCollateral> {
    const { promise: late, resolve } = Promise.withResolvers<QuoteCollateral>()
    const timer = setTimeout(resolve, this.#deadlineMs, { unavailable: 'late' })
    try {
      return await Promise.race([this.#get(evidence), late])
    } finally {
      clearTimeout(timer)
    }
  }

  async #get(evidence: Evidence): Promise<QuoteCollateral> {
    try {
      const found = findEvidence(packEvidence(evidence))
      if (found === undefined) throw new TypeError(`evidence of kind ${evidence.kind} that is none`)
      return { bundle: await this.#source.bundleFor(found) }
    } catch (error) {
      // Which document and why, the source has told the operator; addresses of services are nobody else's business.
      if (error instanceof CollateralUnavailable) return { unavailable: error.reason }
      if (!(error instanceof EvidenceInvalid)) throw error
      this.#log.warn(`getting collateral for this Coordinator's own evidence: ${failureSentence(error)}`)
      return { unavailable: 'evidence-invalid' }
    }
  }
}
