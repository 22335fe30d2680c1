import { malformed } from './errors.ts'

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX[byte] ?? ''
  return text
}

/** @param text hex of either case, without prefix, separators or white space */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw malformed('the text is not hex', 'pairs of hex digits', excerpt(text))
  }
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

/** Standard or URL-safe base64 (RFC 4648, sections 4 and 5), with or without padding; white space is not allowed. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const standard = text.replaceAll('-', '+').replaceAll('_', '/')
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(standard)) {
    throw malformed('the text is not base64', 'letters of RFC 4648', excerpt(text))
  }
  const binary = decodedBinary(standard, text)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}

function decodedBinary(standard: string, text: string): string {
  try {
    return atob(standard)
  } catch {
    throw malformed('the text is not base64', 'a whole number of bytes', excerpt(text))
  }
}

/** Standard base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

/** @throws when the bytes are not UTF-8 */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw malformed('the text is not UTF-8', 'UTF-8', `${bytes.length} other bytes`)
  }
}

const ENCODER = new TextEncoder()
export const toUtf8 = (text: string): Uint8Array<ArrayBuffer> => ENCODER.encode(text)

/** At most so many blocks in one PEM text: chains have three or four, certificate tables fewer than ten. */
const MAX_PEM_BLOCKS = 32
const BEGIN = '-----BEGIN '
const DASHES = '-----'

export interface PemBlock {
  /** For example `CERTIFICATE` or `X509 CRL`. */
  readonly label: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

/**
 * The blocks of a PEM text (RFC 7468, lax form), in order. Text between blocks is skipped; a block that doesn't end, or
 * has other than base64 in it, is an error.
 */
export function decodePem(text: string): PemBlock[] {
  const blocks: PemBlock[] = []
  for (let at = text.indexOf(BEGIN); at >= 0; at = text.indexOf(BEGIN, at)) {
    if (blocks.length === MAX_PEM_BLOCKS) {
      throw malformed('the PEM text has too many blocks', `at most ${MAX_PEM_BLOCKS}`, 'more')
    }
    const labelStart = at + BEGIN.length
    const labelEnd = text.indexOf(DASHES, labelStart)
    const label = text.slice(labelStart, Math.max(labelEnd, labelStart))
    const end = `${DASHES}END ${label}${DASHES}`
    const bodyEnd = labelEnd < 0 ? -1 : text.indexOf(end, labelEnd)
    if (bodyEnd < 0) {
      throw malformed('a PEM block does not end', 'an END line for each BEGIN line', excerpt(label))
    }
    const body = text.slice(labelEnd + DASHES.length, bodyEnd)
    blocks.push({ label, bytes: fromBase64(body.replace(/[ \t\r\n]+/g, '')) })
    at = bodyEnd + end.length
  }
  return blocks
}

/** A short quotation of foreign text for an error message, without control characters. */
export function excerpt(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what must not reach a terminal
  const printable = text.slice(0, 40).replace(/[\u0000-\u001f\u007f-\u009f]/g, '.')
  return `'${printable}'${text.length > 40 ? '…' : ''}`
}
