import { EvidenceUnavailable, noEvidence, openEvidenceProvider, packEvidence } from '@taw/evidence'
import type { EvidenceChoice, EvidenceOptions, EvidenceProvider } from '@taw/evidence'
import { MarbleError } from '../errors.ts'

/**
 * Finds this machine's source of evidence, or opens the one that is named.
 *
 * Unlike a Coordinator, a marble found without a TEE goes on without evidence when it was left to `auto`: it has nothing to
 * protect yet, and only a Coordinator in simulation admits it. A TEE that is there and doesn't answer is an error.
 *
 * @throws {@link MarbleError} `evidence_unavailable`
 */
export async function chooseEvidence(
  choice: EvidenceChoice,
  options: EvidenceOptions = {},
): Promise<EvidenceProvider> {
  try {
    return await openEvidenceProvider(choice, options)
  } catch (error) {
    if (!(error instanceof EvidenceUnavailable)) throw error
    if (choice === 'auto' && error.code === 'no_tee') return noEvidence
    throw new MarbleError('evidence_unavailable', error.message, { cause: error })
  }
}

/**
 * Evidence as it goes into an activation.
 *
 * @returns empty from the provider `none`, and from no other
 * @throws {@link MarbleError} `evidence_unavailable`
 */
export async function requestEvidence(
  provider: EvidenceProvider,
  reportData: Uint8Array,
): Promise<Uint8Array> {
  try {
    const evidence = await provider.quote(reportData)
    if (evidence !== undefined && evidence.evidence.length > 0) return packEvidence(evidence)
  } catch (error) {
    if (!(error instanceof EvidenceUnavailable)) throw error
    throw new MarbleError('evidence_unavailable', error.message, { cause: error })
  }
  if (provider.name === 'none') return new Uint8Array()
  throw new MarbleError('evidence_unavailable', `the evidence provider "${provider.name}" gave no evidence`)
}
