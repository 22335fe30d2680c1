import { toHex } from '../core/encoding.ts'
import type { EvidenceKind } from '../core/result.ts'
import { REPORT_LENGTH } from '../amd/report.ts'
import { INTEL_QE_VENDOR_ID } from '../intel/quote.ts'

// Which kind bytes are of, by the few fields that are the same in all of a kind. Recognizing verifies nothing.

/** TEE type in a quote's header, u32 at 4 (Intel DCAP quote format, 3.1). */
const TEE_TYPE_TDX = 0x81

/** @param quote at least its header */
export const kindOfQuote = (quote: Uint8Array): 'sgx-quote' | 'tdx-quote' =>
  u32le(quote, 4) === TEE_TYPE_TDX ? 'tdx-quote' : 'sgx-quote'

/** VERSION and SIGNATURE_ALGO of a report (AMD 56860, table 23), and the versions that there may soon be. */
const SNP_VERSION = { first: 2, last: 16, offset: 0 } as const
const SNP_ALGORITHM = { value: 1, offset: 0x34 } as const

/** An SNP report, and what may follow it. */
export function looksLikeSnpReport(bytes: Uint8Array): boolean {
  const version = u32le(bytes, SNP_VERSION.offset)
  return (
    bytes.length >= REPORT_LENGTH &&
    version >= SNP_VERSION.first &&
    version <= SNP_VERSION.last &&
    (bytes.length === REPORT_LENGTH || u32le(bytes, SNP_ALGORITHM.offset) === SNP_ALGORITHM.value)
  )
}

/** Tag 399 around a map, or the map alone, whose first label is that of the platform's or of the realm's token. */
export function looksLikeCcaToken(bytes: Uint8Array): boolean {
  return /^(?:d9018f)?a219ac(?:ca|d1)/.test(toHex(bytes.subarray(0, 8)))
}

/**
 * The kind that damaged evidence most likely is, so that it can be refused for what is wrong with it; undefined when
 * nothing tells.
 */
export function guessKind(bytes: Uint8Array): EvidenceKind | undefined {
  const [first, second] = bytes
  if (isRoughlyQuote(bytes)) return kindOfQuote(bytes)
  if (first === 0x84 || (first === 0xd2 && second === 0x84)) return 'nitro-document'
  if (toHex(bytes.subarray(0, 3)) === 'd9018f' || first === 0xa2) return 'cca-token'
  if (isRoughlySnpReport(bytes)) return 'snp-report'
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 64 * 1024))
  if (/^\s*\{/.test(start) && start.includes('"hcl_report"')) return 'azure-vtpm'
  return undefined
}

/** Two of version, attestation key type and QE vendor id. */
function isRoughlyQuote(bytes: Uint8Array): boolean {
  const header = u32le(bytes, 0)
  const version = header & 0xffff
  const signs = [
    version >= 3 && version <= 5,
    header >>> 16 === 2 || header >>> 16 === 3,
    toHex(bytes.subarray(12, 28)) === INTEL_QE_VENDOR_ID,
  ]
  return bytes.length >= 8 && signs.filter(Boolean).length >= 2
}

function isRoughlySnpReport(bytes: Uint8Array): boolean {
  const version = u32le(bytes, SNP_VERSION.offset)
  const isVersion = version >= SNP_VERSION.first && version <= SNP_VERSION.last
  const isAlgorithm = u32le(bytes, SNP_ALGORITHM.offset) === SNP_ALGORITHM.value
  return bytes.length === REPORT_LENGTH || (isVersion && isAlgorithm)
}

/** -1 past the end. */
function u32le(bytes: Uint8Array, offset: number): number {
  if (bytes.length < offset + 4) return -1
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset, true)
}
