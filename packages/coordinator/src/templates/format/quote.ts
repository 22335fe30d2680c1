import { decodeRune, encodeRune, isValidRune, replacementRune, type ByteString } from '../bytes.ts'
import { isPrintable } from '../unicode.ts'

const letterEscapes: ReadonlyMap<number, string> = new Map([
  [0x07, '\\a'],
  [0x08, '\\b'],
  [0x0c, '\\f'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x09, '\\t'],
  [0x0b, '\\v'],
])

/** Lowercase hexadecimal digits of a number, at least `length` of them. */
const hex = (number: number, length: number): string => number.toString(16).padStart(length, '0')

/** Any byte that `quote` can't take over as it is: all but printable ASCII without quote and backslash. */
const needsCare = /[^ !#-[\]-~]/

/** A string as a Go literal (`%q`), with `\u` escapes for all but ASCII where that is asked for. */
export function quote(bytes: ByteString, asciiOnly: boolean): ByteString {
  if (!needsCare.test(bytes)) return `"${bytes}"`
  const parts: ByteString[] = ['"']
  for (let at = 0; at < bytes.length;) {
    const { rune, width } = decodeRune(bytes, at)
    const isInvalid = rune === replacementRune && width === 1
    parts.push(isInvalid ? `\\x${hex(bytes.charCodeAt(at), 2)}` : escaped(rune, '"', asciiOnly))
    at += width
  }
  parts.push('"')
  return parts.join('')
}

/** A code point as a Go literal (`%q` of a number). */
export const quoteRune = (rune: number, asciiOnly: boolean): ByteString =>
  `'${escaped(isValidRune(rune) ? rune : replacementRune, "'", asciiOnly)}'`

function escaped(rune: number, delimiter: string, asciiOnly: boolean): ByteString {
  if (rune === delimiter.charCodeAt(0) || rune === 0x5c) return `\\${String.fromCharCode(rune)}`
  if ((rune < 0x80 || !asciiOnly) && isPrintable(rune)) return encodeRune(rune)
  const letter = letterEscapes.get(rune)
  if (letter !== undefined) return letter
  if (rune < 0x20 || rune === 0x7f) return `\\x${hex(rune, 2)}`
  return rune < 0x10000 ? `\\u${hex(rune, 4)}` : `\\U${hex(rune, 8)}`
}

/** Whether a string can stand between backquotes as it is (strconv.CanBackquote). */
export function canBackquote(bytes: ByteString): boolean {
  for (let at = 0; at < bytes.length;) {
    const { rune, width } = decodeRune(bytes, at)
    if (width === 1 && (rune >= 0x7f || rune === 0x60 || (rune < 0x20 && rune !== 0x09))) return false
    if (rune === 0xfeff) return false
    at += width
  }
  return true
}
