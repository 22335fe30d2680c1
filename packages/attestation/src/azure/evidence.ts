import { fromBase64, fromHex, fromUtf8, toUtf8 } from '../core/encoding.ts'
import { decoding, malformed } from '../core/errors.ts'
import { parseJson } from '../core/json.ts'

/** What a confidential VM on Azure shows: its vTPM's quote, and the hardware's word for the vTPM's key. */
export interface AzureVtpmEvidence {
  /** The vTPM's NV index 0x01400001. */
  readonly hclReport: Uint8Array
  readonly tpmQuote: {
    /** TPMS_ATTEST. */
    readonly message: Uint8Array
    /** TPMT_SIGNATURE, or the bare bytes of an RSASSA signature with SHA-256. */
    readonly signature: Uint8Array
    /** The values of the PCRs that the quote selects, in the order of their indexes; or of PCR0 to PCR23. */
    readonly pcrs: readonly Uint8Array[]
  }
  /** SNP: the VCEK certificate, DER or PEM, that Azure's metadata service gives. */
  readonly vcek: Uint8Array | undefined
  /** TDX: the quote that Azure's metadata service made of the TDREPORT. */
  readonly tdQuote: Uint8Array | undefined
}

/** Real ones have 8 to 40 KB, the larger with lists of numbers for bytes. */
const MAX_JSON_BYTES = 512 * 1024
const MAX_PCRS = 32

/**
 * Reads evidence from a JSON object as guest components keep it: `hcl_report`, `tpm_quote` (`message`, `signature`,
 * `pcrs`), and `vcek` or `td_quote`; or with the names `report` and `quote`; or any of these as `evidence` inside of
 * another object. Bytes are hex, base64, base64url or lists of numbers; certificates may be PEM.
 *
 * @throws EvidenceInvalid `evidence-format`
 */
export function parseAzureVtpmEvidence(json: Uint8Array): AzureVtpmEvidence {
  return decoding('evidence-format', 'the Azure vTPM evidence', () => {
    if (json.length > MAX_JSON_BYTES) {
      throw malformed('it is too large', `at most ${MAX_JSON_BYTES} bytes`, `${json.length} bytes`)
    }
    const outer = object(parseJson(fromUtf8(json)), 'it')
    const evidence = outer['evidence'] === undefined ? outer : object(outer['evidence'], "'evidence'")
    const quote = object(evidence['tpm_quote'] ?? evidence['quote'], "'tpm_quote'")
    const pcrs = quote['pcrs']
    if (!Array.isArray(pcrs) || pcrs.length > MAX_PCRS) {
      throw malformed("'pcrs' is malformed", `a list of at most ${MAX_PCRS} values`, typeof pcrs)
    }
    return {
      hclReport: bytesOf(evidence['hcl_report'] ?? evidence['report'], "'hcl_report'"),
      tpmQuote: {
        message: bytesOf(quote['message'], "'message'"),
        signature: bytesOf(quote['signature'], "'signature'"),
        pcrs: pcrs.map((pcr, index) => bytesOf(pcr, `PCR ${index}`)),
      },
      vcek: optionalBytes(evidence['vcek'], "'vcek'"),
      tdQuote: optionalBytes(evidence['td_quote'], "'td_quote'"),
    }
  })
}

function object(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`${what} is malformed`, 'an object', value === null ? 'null' : typeof value)
  }
  return Object.fromEntries(Object.entries(value))
}

function optionalBytes(value: unknown, what: string): Uint8Array | undefined {
  return value === undefined || value === null ? undefined : bytesOf(value, what)
}

function bytesOf(value: unknown, what: string): Uint8Array {
  if (typeof value === 'string') return decodeText(value)
  if (!Array.isArray(value)) throw malformed(`${what} is missing or malformed`, 'bytes', typeof value)
  const isBytes = value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255)
  if (!isBytes) throw malformed(`${what} is malformed`, 'numbers from 0 to 255', 'others')
  return Uint8Array.from(value.map(Number))
}

/** Base64 of these structures is never all hex digits: it starts with `SENM` (HCLA), `MII` (DER) or `BAA` (a quote). */
function decodeText(text: string): Uint8Array {
  if (text.startsWith('-----BEGIN')) return toUtf8(text)
  return text.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(text) ? fromHex(text) : fromBase64(text)
}
