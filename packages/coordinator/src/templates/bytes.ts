/**
 * Bytes in a JavaScript string: code unit n (0–255) is byte n.
 *
 * Go's strings are bytes, and so are templates and their outputs. In this form V8 keeps one byte per unit, and
 * comparing, slicing, joining and looking up are those of bytes.
 */
export type ByteString = string

/** Largest code point of Unicode. */
export const maximumRune = 0x10ffff

/** U+FFFD, which stands for bytes that are not UTF-8 and for numbers that are no code points. */
export const replacementRune = 0xfffd

const replacementBytes: ByteString = '\xef\xbf\xbd'

export const bytesFrom = (data: Uint8Array): ByteString =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1')

export const bytesTo = (bytes: ByteString): Uint8Array => Buffer.from(bytes, 'latin1')

// eslint-disable-next-line no-control-regex -- all of ASCII
const onlyAscii = /^[\x00-\x7f]*$/

/** UTF-8 of a JavaScript text. */
export const bytesFromText = (text: string): ByteString =>
  onlyAscii.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text that the bytes are UTF-8 of, or undefined where they are not UTF-8. */
export function textFromBytes(bytes: ByteString): string | undefined {
  if (onlyAscii.test(bytes)) return bytes
  try {
    return strictDecoder.decode(bytesTo(bytes))
  } catch {
    return undefined
  }
}

/** A piece of a template for an error message: readable, and not too long. */
export function displayed(bytes: ByteString): string {
  const text = Buffer.from(bytes, 'latin1').toString('utf8')
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

const isSurrogate = (rune: number): boolean => rune >= 0xd800 && rune <= 0xdfff

/** Whether a number is a code point that UTF-8 can hold. */
export const isValidRune = (rune: number): boolean => rune >= 0 && rune <= maximumRune && !isSurrogate(rune)

/** UTF-8 of a code point; U+FFFD for a number that is none. */
export function encodeRune(rune: number): ByteString {
  if (!isValidRune(rune)) return replacementBytes
  if (rune < 0x80) return String.fromCharCode(rune)
  if (rune < 0x800) return String.fromCharCode(0xc0 | (rune >> 6), 0x80 | (rune & 0x3f))
  if (rune < 0x10000)
    return String.fromCharCode(0xe0 | (rune >> 12), 0x80 | ((rune >> 6) & 0x3f), 0x80 | (rune & 0x3f))
  return String.fromCharCode(
    0xf0 | (rune >> 18),
    0x80 | ((rune >> 12) & 0x3f),
    0x80 | ((rune >> 6) & 0x3f),
    0x80 | (rune & 0x3f),
  )
}

interface DecodedRune {
  /** The code point; U+FFFD with width 1 for a byte that is not UTF-8. */
  readonly rune: number
  /** Bytes taken; 0 at the end. */
  readonly width: number
}

const invalid: DecodedRune = { rune: replacementRune, width: 1 }
const end: DecodedRune = { rune: -1, width: 0 }

/** Smallest code point that a sequence of 2, 3, 4 bytes may hold (RFC 3629: no overlong forms). */
const smallestOfWidth = [0, 0, 0x80, 0x800, 0x10000]

/** The code point at a byte offset. */
export function decodeRune(bytes: ByteString, offset: number): DecodedRune {
  if (offset >= bytes.length) return end
  const first = bytes.charCodeAt(offset)
  if (first < 0x80) return { rune: first, width: 1 }
  const width = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  if (first < 0xc2 || first > 0xf4 || offset + width > bytes.length) return invalid
  let rune = first & (0xff >> (width + 1))
  for (let index = 1; index < width; index++) {
    const byte = bytes.charCodeAt(offset + index)
    if ((byte & 0xc0) !== 0x80) return invalid
    rune = (rune << 6) | (byte & 0x3f)
  }
  if (rune < (smallestOfWidth[width] ?? 0) || !isValidRune(rune)) return invalid
  return { rune, width }
}

/** Number of code points, where each byte that is not UTF-8 counts as one. */
export function countRunes(bytes: ByteString): number {
  let count = 0
  for (let at = 0; at < bytes.length; count++) at += decodeRune(bytes, at).width
  return count
}

/** The first `count` code points. */
export function firstRunes(bytes: ByteString, count: number): ByteString {
  let at = 0
  for (let seen = 0; seen < count && at < bytes.length; seen++) at += decodeRune(bytes, at).width
  return bytes.slice(0, at)
}
