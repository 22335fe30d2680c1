import type { Evidence } from './provider.ts'
import { REPORT_DATA_LENGTH } from './provider.ts'

/** Bytes of a quote's header (Intel SGX ECDSA QuoteLibReference, A.4), and of the body's descriptor in version 5. */
const QUOTE_HEADER = 48
const BODY_DESCRIPTOR = 6

/** Where the report data stands. */
function offsetIn({ kind, evidence }: Evidence): number {
  switch (kind) {
    case 'sgx-quote':
      return QUOTE_HEADER + 320
    case 'tdx-quote':
      // The version is the first field, little-endian.
      return QUOTE_HEADER + (evidence[0] === 5 ? BODY_DESCRIPTOR : 0) + 520
    case 'snp-report':
      return 0x50
  }
}

/**
 * Whether the evidence is over this report data, and not over what somebody else asked for at the same time. Nothing is
 * verified here: that is for whoever gets the evidence.
 *
 * @param reportData all 64 bytes
 */
export function carries(evidence: Evidence, reportData: Uint8Array): boolean {
  const offset = offsetIn(evidence)
  const found = evidence.evidence.subarray(offset, offset + REPORT_DATA_LENGTH)
  return Buffer.compare(found, reportData) === 0
}
