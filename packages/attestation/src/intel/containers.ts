import { ByteReader } from '../core/bytes.ts'
import { cborBytes, cborMap, cborText, decodeCbor } from '../core/cbor.ts'
import { diceEvidence, extensionContents } from '../core/certificate-evidence.ts'
import { DER_TAG } from '../core/der.ts'
import { decodePem, fromBase64, fromHex, fromUtf8, toUtf8 } from '../core/encoding.ts'
import { EvidenceInvalid, decoding, malformed, unlessInvalid } from '../core/errors.ts'
import { parseJson, rawMembers } from '../core/json.ts'
import { parseCertificate } from '../core/x509.ts'
import type { Certificate } from '../core/x509.ts'
import { NO_COLLATERAL, mergeCollateral } from './collateral.ts'
import type { IntelCollateral } from './collateral.ts'
import { MAX_QUOTE_BYTES, looksLikeQuote } from './quote.ts'
import { readCollateralDocument } from './read-collateral.ts'

/** A quote that was found inside something else. */
export interface QuoteContainer {
  readonly form: 'quote' | 'open-enclave-report' | 'certificate' | 'json' | 'cbor' | 'hex' | 'base64'
  /** The quote's own bytes, and what follows them. */
  readonly quote: Uint8Array
  /**
   * The certificate that carries the quote in an extension (RA-TLS). It is not verified: whoever relies on its key must
   * check that the quote's report data binds that key.
   */
  readonly certificate: Certificate | undefined
  /** Collateral that lay beside the quote; often a part of what is needed. */
  readonly collateral: IntelCollateral
}

const CHECK = 'quote-format'
/** Ten times the largest container of the known kinds. */
const MAX_CONTAINER_BYTES = 1024 * 1024

/** Open Enclave's report header: u32 version 1, u32 type 2 (SGX remote), u64 size. */
const OE_HEADER_LENGTH = 16
const OE_VERSION = 1
const OE_TYPE_SGX_REMOTE = 2

/** Takes Open Enclave's header off a report; other bytes are returned as they are. */
export function withoutOpenEnclaveHeader(bytes: Uint8Array): Uint8Array {
  return openEnclaveReport(bytes) ?? bytes
}

function openEnclaveReport(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < OE_HEADER_LENGTH) return undefined
  const reader = new ByteReader(bytes)
  const isReport = reader.u32le('version') === OE_VERSION && reader.u32le('type') === OE_TYPE_SGX_REMOTE
  if (!isReport || !looksLikeQuote(bytes.subarray(OE_HEADER_LENGTH))) return undefined
  return decoding(CHECK, 'the Open Enclave report', () => {
    const size = reader.u64le('size')
    if (size > MAX_QUOTE_BYTES)
      throw malformed('it is too large', `at most ${MAX_QUOTE_BYTES} bytes`, String(size))
    return reader.take(Number(size), 'quote')
  })
}

/** Open Enclave's evidence header: u32 version 2 or 3, UUID of the format, u64 size of what follows. */
const OE_EVIDENCE_HEADER_LENGTH = 28
const OE_EVIDENCE_VERSIONS: readonly number[] = [2, 3]

/** What `oe_get_evidence` gives: its header, then a quote (with custom claims after it) or a report of the older kind. */
function openEnclaveEvidence(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < OE_EVIDENCE_HEADER_LENGTH) return undefined
  const reader = new ByteReader(bytes)
  if (!OE_EVIDENCE_VERSIONS.includes(reader.u32le('version'))) return undefined
  reader.skip(16, 'format id')
  const size = reader.u64le('size')
  const data = bytes.subarray(OE_EVIDENCE_HEADER_LENGTH)
  if (!looksLikeQuote(data)) return openEnclaveReport(data)
  return decoding(CHECK, 'the Open Enclave evidence', () => {
    if (size > data.length) throw malformed('it is cut short', `${size} bytes`, `${data.length} bytes`)
    return data.subarray(0, Number(size))
  })
}

/**
 * Finds the one Intel quote in evidence as projects ship it: the quote itself, with an Open Enclave header, in an extension
 * of a certificate (RA-TLS), in a member of a JSON object, in Oasis' CBOR bundle, or any of these as hex or base64 text.
 *
 * @returns undefined when the bytes are none of these
 * @throws EvidenceInvalid when they are one of these, but damaged or ambiguous
 */
export function findQuote(bytes: Uint8Array): QuoteContainer | undefined {
  if (bytes.length > MAX_CONTAINER_BYTES) return undefined
  return findBinary(new Uint8Array(bytes)) ?? findText(bytes)
}

const container = (form: QuoteContainer['form'], quote: Uint8Array): QuoteContainer => ({
  form,
  quote,
  certificate: undefined,
  collateral: NO_COLLATERAL,
})

function findBinary(bytes: Uint8Array): QuoteContainer | undefined {
  if (looksLikeQuote(bytes)) return container('quote', bytes)
  const report = openEnclaveReport(bytes) ?? openEnclaveEvidence(bytes)
  if (report) return container('open-enclave-report', report)
  if (bytes[0] === DER_TAG.sequence) return findInCertificate(bytes)
  return findInCbor(bytes)
}

function findInCertificate(der: Uint8Array): QuoteContainer | undefined {
  const certificate = unlessInvalid(() => parseCertificate(der))
  if (!certificate) return undefined
  const quote = onlyOne(extensionContents(certificate).flatMap(quotesIn), 'the certificate')
  // Certificates that have both have two quotes, of different report data. The plain one binds the key itself.
  const [found] = quote ? [quote] : quotesIn(diceEvidence(certificate) ?? new Uint8Array(0))
  return found && { ...container('certificate', found), certificate }
}

function quotesIn(bytes: Uint8Array): Uint8Array[] {
  if (looksLikeQuote(bytes)) return [bytes]
  const quote = openEnclaveReport(bytes) ?? openEnclaveEvidence(bytes)
  return quote ? [quote] : []
}

/** Oasis' attestation has its bundle as `quote.pcs`. */
const MAX_CBOR_MAPS = 3

/** Oasis' bundle: `{quote, tcb: {tcb_info: {tcb_info, signature}, qe_id: {enclave_identity, signature}, certs}}`. */
function findInCbor(bytes: Uint8Array): QuoteContainer | undefined {
  let bundle = unlessInvalid(() => cborMap(decodeCbor(bytes), 'bundle'))
  for (let depth = 1; depth < MAX_CBOR_MAPS; depth++) {
    const inner = bundle?.get('quote') ?? bundle?.get('pcs')
    if (inner instanceof Map) bundle = cborMap(inner, 'quote')
  }
  const quote = bundle?.get('quote')
  if (!bundle || !(quote instanceof Uint8Array) || !looksLikeQuote(quote)) return undefined
  const tcb = bundle.get('tcb')
  if (tcb === undefined) return container('cbor', quote)
  const collateral = decoding('collateral-format', 'the CBOR bundle', () => {
    const parts = cborMap(tcb, 'tcb')
    const document = (inner: string, part: string, field: string): Uint8Array => {
      const signed = cborMap(parts.get(part), part)
      const text = fromUtf8(cborBytes(signed.get(field), field))
      return toUtf8(`{"${inner}":${text},"signature":"${cborText(signed.get('signature'), 'signature')}"}`)
    }
    return mergeCollateral(
      readCollateralDocument(document('tcbInfo', 'tcb_info', 'tcb_info'), 'TCB info'),
      readCollateralDocument(document('enclaveIdentity', 'qe_id', 'enclave_identity'), 'QE identity'),
      readCollateralDocument(cborBytes(parts.get('certs'), 'certs'), 'certificates'),
    )
  })
  return { ...container('cbor', quote), collateral }
}

function findText(bytes: Uint8Array): QuoteContainer | undefined {
  const text = unlessInvalid(() => fromUtf8(bytes).trim())
  if (text === undefined) return undefined
  if (text.startsWith('{')) return findInJson(text)
  if (text.startsWith('-----BEGIN CERTIFICATE-----')) {
    const [block] = decoding(CHECK, 'the certificate', () => decodePem(text))
    return block && findInCertificate(block.bytes)
  }
  const decoded = decodeText(text)
  const found = decoded && findBinary(decoded.bytes)
  if (!found) return undefined
  return { ...found, form: found.form === 'quote' ? decoded.form : found.form }
}

/** The one member of a JSON object whose text is a quote, whatever it is called. */
function findInJson(text: string): QuoteContainer | undefined {
  const members = unlessInvalid(() => rawMembers(text))
  if (!members) return undefined
  const found = [...members.values()].flatMap((raw) => {
    const value = raw.startsWith('"') ? unlessInvalid(() => parseJson(raw)) : undefined
    const decoded = typeof value === 'string' ? decodeText(value.trim()) : undefined
    if (!decoded) return []
    return quotesIn(decoded.bytes)
  })
  const quote = onlyOne(found, 'the JSON object')
  return quote && container('json', quote)
}

function decodeText(text: string): { form: 'hex' | 'base64'; bytes: Uint8Array } | undefined {
  const digits = text.replace(/^0[xX]/, '').replace(/[ \t\r\n]+/g, '')
  // A quote starts with its version (03, 04 or 05), an Open Enclave report with 01.
  if (/^0[1345]00[0-9a-fA-F]{40}/.test(digits)) {
    const bytes = unlessInvalid(() => fromHex(digits))
    return bytes && { form: 'hex', bytes }
  }
  const bytes = /^[AB][A-Za-z0-9+/_-]{60}/.test(digits) ? unlessInvalid(() => fromBase64(digits)) : undefined
  return bytes && { form: 'base64', bytes }
}

function onlyOne(found: readonly Uint8Array[], what: string): Uint8Array | undefined {
  if (found.length < 2) return found[0]
  throw new EvidenceInvalid(CHECK, {
    message: `looking for a quote: ${what} has several`,
    expected: 'one quote',
    found: `${found.length} quotes`,
  })
}
