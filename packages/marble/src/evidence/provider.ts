/** Where a marble's evidence comes from. */
export interface EvidenceProvider {
  /** Name of the kind, for the log; `none`: there is no TEE. */
  readonly kind: 'none' | 'gramine' | 'tsm'
  /**
   * Evidence over exactly this report data.
   *
   * @param reportData 64 bytes
   * @returns what goes into `ActivationReq.Quote`; empty only from the provider `none`
   * @throws MarbleError `evidence_unavailable`
   */
  readonly quote: (reportData: Uint8Array) => Promise<Uint8Array>
}

/** Simulation: no TEE, no evidence. A Coordinator outside of simulation refuses it. */
export const noEvidence: EvidenceProvider = {
  kind: 'none',
  quote: () => Promise.resolve(new Uint8Array()),
}
