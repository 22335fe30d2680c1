/** Where this Coordinator's own evidence comes from. */
export interface EvidenceProvider {
  /** Name of the kind, for status and log; `none`: there is no TEE. */
  readonly kind: string
  /**
   * Evidence that carries `reportData` (at most 64 bytes, padded with zeros).
   *
   * @returns undefined when this provider never has any (simulation)
   */
  readonly quote: (reportData: Uint8Array) => Promise<Uint8Array | undefined>
}
