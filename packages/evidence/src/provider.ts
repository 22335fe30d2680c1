/** Bytes of report data in every kind of evidence here (REPORTDATA of SGX and TDX, REPORT_DATA of SEV-SNP). */
export const REPORT_DATA_LENGTH = 64

/** What a TEE gives about itself. */
export interface Evidence {
  readonly kind: 'sgx-quote' | 'tdx-quote' | 'snp-report'
  /** The quote or report, byte for byte as the TEE gave it. */
  readonly evidence: Uint8Array
  /** SEV-SNP: the certificate table that the host added, if it did. */
  readonly auxblob?: Uint8Array
}

/** Where this machine's evidence comes from. */
export interface EvidenceProvider {
  /** By which a user chooses it; `none`: there is no TEE, and the user asked for that. */
  readonly name: 'gramine' | 'tsm' | 'none'
  readonly kind: Evidence['kind'] | 'none'
  /**
   * Evidence that carries this report data. Calls may overlap.
   *
   * @param reportData at most 64 bytes; zeros are added up to there
   * @returns undefined from the provider `none`, and from no other
   * @throws EvidenceUnavailable
   */
  readonly quote: (reportData: Uint8Array) => Promise<Evidence | undefined>
}

/** Simulation: no TEE, no evidence. Nothing here returns it unless the caller names it. */
export const noEvidence: EvidenceProvider = {
  name: 'none',
  kind: 'none',
  quote: () => Promise.resolve(undefined),
}

/** @throws RangeError when it is longer than {@link REPORT_DATA_LENGTH} */
export function padReportData(reportData: Uint8Array): Uint8Array {
  if (reportData.length > REPORT_DATA_LENGTH) {
    throw new RangeError(
      `evidence carries at most ${REPORT_DATA_LENGTH} bytes of report data, not ${reportData.length}; hash them first`,
    )
  }
  const padded = new Uint8Array(REPORT_DATA_LENGTH)
  padded.set(reportData)
  return padded
}
