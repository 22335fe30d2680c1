import { isCollateralBundle } from '../core/collateral-bundle.ts'
import { diceEvidence, extensionContents } from '../core/certificate-evidence.ts'
import { DER_TAG } from '../core/der.ts'
import { decodePem, fromBase64, fromHex, fromUtf8, toUtf8 } from '../core/encoding.ts'
import { EvidenceInvalid, unlessInvalid } from '../core/errors.ts'
import { parseJson, rawMembers } from '../core/json.ts'
import type { EvidenceKind } from '../core/result.ts'
import { parseCertificate } from '../core/x509.ts'
import type { Certificate } from '../core/x509.ts'
import { looksLikeCertificateTable } from '../amd/certificate-table.ts'
import { findSnpReport } from '../amd/containers.ts'
import { REPORT_LENGTH } from '../amd/report.ts'
import { findQuote } from '../intel/containers.ts'
import type { QuoteContainer } from '../intel/containers.ts'
import { looksLikeQuote, parseQuote } from '../intel/quote.ts'
import { findNitroDocument } from '../nitro/containers.ts'
import { readAmdCollateralFile } from '../amd/collateral.ts'
import { NO_EVIDENCE_COLLATERAL, mergeEvidenceCollateral, readEvidenceCollateral } from './collateral.ts'
import type { EvidenceCollateral } from './collateral.ts'
import { kindOfQuote, looksLikeCcaToken, looksLikeSnpReport } from './recognize.ts'

/** What evidence was wrapped in. */
export type Wrapping = Exclude<QuoteContainer['form'], 'quote'> | 'certificate-table'

/** Evidence that was found in a file. Nothing of it is verified, nor read further than to tell its kind. */
export interface FoundEvidence {
  readonly kind: EvidenceKind
  /** Outermost first; empty for bare evidence. */
  readonly wrappings: readonly Wrapping[]
  /** The evidence itself; for `azure-vtpm` its JSON. */
  readonly bytes: Uint8Array
  /** The certificate that carries a quote in an extension. Whoever relies on its key checks the quote's report data. */
  readonly certificate: Certificate | undefined
  /** What lay beside it. */
  readonly collateral: EvidenceCollateral
}

const CHECK = 'evidence-format'
/** Four times the largest container of the known kinds. */
const MAX_BYTES = 1024 * 1024
/** Text in a member of JSON in base64 is the deepest that anybody ships. */
const MAX_LAYERS = 4
/** No evidence is shorter; characters of its text. */
const MIN_TEXT = 64

/**
 * Finds the evidence in a file, whatever its kind and however it is kept: bare, as hex or base64 text, in JSON, in CBOR, in
 * a certificate (DER or PEM), with Open Enclave's header, or with a certificate table after it.
 *
 * @returns undefined when it holds none that can be recognized
 * @throws EvidenceInvalid when it has several, or a wrapping that can't be read
 */
export function findEvidence(bytes: Uint8Array): FoundEvidence | undefined {
  return bytes.length > MAX_BYTES ? undefined : look(Uint8Array.from(bytes), [])
}

/** Takes the bytes for bare evidence of a kind, whatever they are: verification then says what is wrong with them. */
export const bareEvidence = (kind: EvidenceKind, bytes: Uint8Array): FoundEvidence =>
  found(kind, Uint8Array.from(bytes), [])

function found(
  kind: EvidenceKind,
  bytes: Uint8Array,
  wrappings: readonly Wrapping[],
  beside: Partial<Pick<FoundEvidence, 'certificate' | 'collateral'>> = {},
): FoundEvidence {
  return { kind, wrappings, bytes, certificate: undefined, collateral: NO_EVIDENCE_COLLATERAL, ...beside }
}

function look(bytes: Uint8Array, wrappings: readonly Wrapping[]): FoundEvidence | undefined {
  const text = unlessInvalid(() => fromUtf8(bytes).replace(/\0+$/, '').trim())
  if (text?.startsWith('{') === true) return lookInJson(text, bytes, wrappings)
  // A JSON text that is one string or a list of numbers is that of bytes.
  if (text?.startsWith('[') === true || text?.startsWith('"') === true) {
    return wrappings.length >= MAX_LAYERS ? undefined : lookInMember(text, [...wrappings, 'json'])
  }
  return (
    lookForQuote(bytes, wrappings) ??
    lookForReport(bytes, wrappings) ??
    lookForDocument(bytes, wrappings) ??
    lookForToken(bytes, wrappings) ??
    lookInCertificate(bytes, wrappings) ??
    (text === undefined ? undefined : lookInText(text, wrappings))
  )
}

const lookForToken = (bytes: Uint8Array, wrappings: readonly Wrapping[]): FoundEvidence | undefined =>
  looksLikeCcaToken(bytes) ? found('cca-token', bytes, wrappings) : undefined

/** Evidence in an extension, bare or in DICE's form. Quotes and Nitro documents have been looked for by then. */
function lookInCertificate(bytes: Uint8Array, wrappings: readonly Wrapping[]): FoundEvidence | undefined {
  if (bytes[0] !== DER_TAG.sequence) return undefined
  const certificate = unlessInvalid(() => parseCertificate(bytes))
  if (!certificate) return undefined
  const dice = diceEvidence(certificate)
  const inside = [...wrappings, 'certificate'] as const
  const all = [...extensionContents(certificate), ...(dice ? [dice] : [])].flatMap(
    (one) => lookForReport(one, inside) ?? lookForToken(one, inside) ?? [],
  )
  const only = onlyOne(all, 'the certificate')
  return only && { ...only, certificate }
}

function lookForQuote(bytes: Uint8Array, wrappings: readonly Wrapping[]): FoundEvidence | undefined {
  const container = findQuote(bytes)
  if (!container) return undefined
  const { form, quote, certificate, collateral } = container
  const own = form === 'quote' ? [] : [form]
  requireNothingAfter(quote)
  return found(kindOfQuote(quote), quote, [...wrappings, ...own], {
    certificate,
    collateral: { ...NO_EVIDENCE_COLLATERAL, intel: collateral },
  })
}

/** Bytes may follow a quote (buffers of services, Open Enclave's claims), but no second piece of evidence. */
function requireNothingAfter(quote: Uint8Array): void {
  const trailing = unlessInvalid(() => parseQuote(quote).trailing)
  if (!trailing || !(looksLikeQuote(trailing) || looksLikeSnpReport(trailing))) return
  throw severalPieces(
    'the file',
    `a quote, and after it ${looksLikeQuote(trailing) ? 'another' : 'a report'}`,
  )
}

/** A report alone, or as `SNP_GET_EXT_REPORT` gives it and tools keep it: with the certificate table right after it. */
function lookForReport(bytes: Uint8Array, wrappings: readonly Wrapping[]): FoundEvidence | undefined {
  if (!looksLikeSnpReport(bytes)) return undefined
  const rest = bytes.subarray(REPORT_LENGTH)
  if (!looksLikeCertificateTable(rest)) return found('snp-report', bytes, wrappings)
  return found('snp-report', bytes.subarray(0, REPORT_LENGTH), [...wrappings, 'certificate-table'], {
    collateral: { ...NO_EVIDENCE_COLLATERAL, amd: readAmdCollateralFile(rest, 'the certificate table') },
  })
}

function lookForDocument(bytes: Uint8Array, wrappings: readonly Wrapping[]): FoundEvidence | undefined {
  const document = findNitroDocument(bytes)
  if (!document) return undefined
  const isBare = document.length === bytes.length
  return found('nitro-document', document, isBare ? wrappings : [...wrappings, 'certificate'])
}

function lookInText(text: string, wrappings: readonly Wrapping[]): FoundEvidence | undefined {
  if (wrappings.length >= MAX_LAYERS) return undefined
  if (text.includes('-----BEGIN CERTIFICATE-----')) {
    const [block] = unlessInvalid(() => decodePem(text)) ?? []
    return block && look(block.bytes, wrappings)
  }
  const decoded = decodeText(text)
  return decoded && look(decoded.bytes, [...wrappings, decoded.form])
}

/** Evidence of Azure VMs is JSON itself; other kinds stand in one of the members, or in those of an object in it. */
function lookInJson(
  text: string,
  bytes: Uint8Array,
  wrappings: readonly Wrapping[],
): FoundEvidence | undefined {
  const members = unlessInvalid(() => rawMembers(text))
  if (!members || wrappings.length >= MAX_LAYERS) return undefined
  if (isAzureVtpm(members)) return found('azure-vtpm', bytes, wrappings)
  const inside = [...wrappings, 'json'] as const
  const report = members.has('outblob') ? findSnpReport(bytes) : undefined
  if (report) {
    const table = report.certificateTable
    return found('snp-report', report.report, table ? [...inside, 'certificate-table'] : inside, {
      collateral: {
        ...NO_EVIDENCE_COLLATERAL,
        ...(table ? { amd: readAmdCollateralFile(table, 'the certificate table in the report') } : {}),
      },
    })
  }
  const only = onlyOne(
    [...members.values()].flatMap((raw) => lookInMember(raw, inside) ?? []),
    'the JSON object',
  )
  return only && { ...only, collateral: mergeEvidenceCollateral(only.collateral, ...collateralIn(members)) }
}

/** Beside evidence may lie one of our bundles, as a Coordinator's answer has it, or a certificate table as text. */
const collateralIn = (members: ReadonlyMap<string, string>): readonly EvidenceCollateral[] =>
  [...members].flatMap(([name, raw]) => {
    const what = `'${name.slice(0, 40)}' beside the evidence`
    if (raw.startsWith('{')) {
      const bytes = toUtf8(raw)
      return isCollateralBundle(bytes) ? [readEvidenceCollateral(bytes, what)] : []
    }
    const table = bytesInText(raw)
    const isTable = table !== undefined && looksLikeCertificateTable(table)
    return isTable ? [{ ...NO_EVIDENCE_COLLATERAL, amd: readAmdCollateralFile(table, what) }] : []
  })

function bytesInText(raw: string): Uint8Array | undefined {
  const value =
    raw.startsWith('"') && raw.length >= MIN_TEXT ? unlessInvalid(() => parseJson(raw)) : undefined
  return typeof value === 'string' ? decodeText(value.trim())?.bytes : undefined
}

/**
 * The same evidence without Intel's documents that lay beside it: for who has a source of one's own, so that whoever gave
 * the evidence doesn't choose among documents. AMD's certificates stay, since often nobody else has them.
 */
export const withoutDocuments = (evidence: FoundEvidence): FoundEvidence => ({
  ...evidence,
  collateral: { ...evidence.collateral, intel: NO_EVIDENCE_COLLATERAL.intel },
})

function onlyOne(all: readonly FoundEvidence[], where: string): FoundEvidence | undefined {
  if (all.length < 2) return all[0]
  throw severalPieces(where, all.map(({ kind }) => kind).join(', '))
}

const severalPieces = (where: string, pieces: string): EvidenceInvalid =>
  new EvidenceInvalid(CHECK, {
    message: `looking for evidence: ${where} has several pieces`,
    expected: 'one piece of evidence',
    found: pieces,
    remedy: 'give each of them in a file of its own',
  })

function lookInMember(raw: string, wrappings: readonly Wrapping[]): FoundEvidence | undefined {
  if (raw.startsWith('{')) return lookInJson(raw, toUtf8(raw), wrappings)
  if (raw.length < MIN_TEXT) return undefined
  if (raw.startsWith('[')) {
    const bytes = bytesInList(raw)
    return bytes && look(bytes, wrappings)
  }
  if (!raw.startsWith('"')) return undefined
  const value = unlessInvalid(() => parseJson(raw))
  if (typeof value === 'string' && value.trimStart().startsWith('{')) {
    return lookInJson(value.trim(), toUtf8(value), wrappings)
  }
  // How the member is written down is not worth a name of its own: hex and base64 are what JSON has for bytes.
  const decoded = typeof value === 'string' ? decodeText(value.trim()) : undefined
  return decoded && look(decoded.bytes, wrappings)
}

/** A list of numbers from 0 to 255, which is how some libraries write bytes. */
function bytesInList(raw: string): Uint8Array | undefined {
  if (!/^\[[\d,\s]+\]$/.test(raw)) return undefined
  const list = unlessInvalid(() => parseJson(raw))
  const isBytes = Array.isArray(list) && list.every((one) => Number.isInteger(one) && one >= 0 && one <= 255)
  return isBytes ? Uint8Array.from(list.map(Number)) : undefined
}

/** The members that azure/evidence.ts reads; here a `quote` is an object, elsewhere it is text. */
function isAzureVtpm(members: ReadonlyMap<string, string>): boolean {
  const hasReport = members.has('hcl_report') || members.has('report')
  const quote = members.get('tpm_quote') ?? members.get('quote')
  if (hasReport && quote?.startsWith('{') === true) return true
  const inner = members.get('evidence')
  const innerMembers = inner?.startsWith('{') === true ? unlessInvalid(() => rawMembers(inner)) : undefined
  return innerMembers !== undefined && isAzureVtpm(innerMembers)
}

function decodeText(text: string): { form: 'hex' | 'base64'; bytes: Uint8Array } | undefined {
  const digits = text.replace(/^0[xX]/, '').replace(/[ \t\r\n]+/g, '')
  if (digits.length < MIN_TEXT) return undefined
  const hex = /^[0-9a-fA-F]+$/.test(digits) ? unlessInvalid(() => fromHex(digits)) : undefined
  if (hex) return { form: 'hex', bytes: hex }
  const bytes = unlessInvalid(() => fromBase64(digits))
  return bytes && { form: 'base64', bytes }
}
