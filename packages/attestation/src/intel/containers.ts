import { ByteReader } from '../core/bytes.ts'
import { cborBytes, cborMap, cborText, decodeCbor } from '../core/cbor.ts'
import { DER_TAG, DerReader } from '../core/der.ts'
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
  const report = openEnclaveReport(bytes)
  if (report) return container('open-enclave-report', report)
  if (bytes[0] === DER_TAG.sequence) return findInCertificate(bytes)
  return findInCbor(bytes)
}

function findInCertificate(der: Uint8Array): QuoteContainer | undefined {
  const certificate = unlessInvalid(() => parseCertificate(der))
  if (!certificate) return undefined
  const found = [...certificate.extensions.values()].flatMap(({ value }) => quoteInExtension(value))
  const quote = onlyOne(found, 'the certificate')
  return quote && { ...container('certificate', quote), certificate }
}

/** An extension's value is the quote, or an OCTET STRING around it. */
function quoteInExtension(value: Uint8Array): Uint8Array[] {
  const inner = unlessInvalid(() => new DerReader(value).read('extension', DER_TAG.octetString).content)
  return [value, ...(inner ? [inner] : [])].flatMap((bytes) => {
    if (looksLikeQuote(bytes)) return [bytes]
    return openEnclaveReport(bytes) ?? []
  })
}

/** Oasis' bundle: `{quote, tcb: {tcb_info: {tcb_info, signature}, qe_id: {enclave_identity, signature}, certs}}`. */
function findInCbor(bytes: Uint8Array): QuoteContainer | undefined {
  const bundle = unlessInvalid(() => cborMap(decodeCbor(bytes), 'bundle'))
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
    return looksLikeQuote(decoded.bytes) ? [decoded.bytes] : (openEnclaveReport(decoded.bytes) ?? [])
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
