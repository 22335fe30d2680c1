import type { EvidenceProvider } from '../provider.ts'

/** Simulation: no TEE, no evidence. Only `main.ts` picks it, and only when the user asked for simulation. */
export const noEvidence: EvidenceProvider = {
  kind: 'none',
  quote: () => Promise.resolve(undefined),
}
