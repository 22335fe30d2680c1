import { JsonError } from './json-error.ts'

const replacement = 0xfffd

/**
 * Reads the JSON string whose opening quote stands at `start`.
 *
 * Lone surrogates and bytes that are no UTF-8 become U+FFFD, as in Go's decoder: one for each byte that no valid
 * sequence begins with, so that names and values stay equal to what Go makes of them.
 *
 * @param validUtf8 whether all of `bytes` is known to be UTF-8, which spares looking at each byte
 * @returns the text, well-formed, and the offset behind the closing quote
 */
export function readJsonString(
  bytes: Uint8Array,
  start: number,
  validUtf8: boolean,
): { readonly value: string; readonly end: number } {
  const text = new TextPieces()
  let pieceStart = start + 1
  for (let at = pieceStart; ;) {
    const byte = bytes[at]
    if (byte === undefined) {
      throw new JsonError(start, 'the JSON ends within this string: a double quote must close it')
    }
    if (byte < 0x20) {
      const code = `0x${byte.toString(16).padStart(2, '0')}`
      throw new JsonError(at, `a string may hold no control character ${code}: write it as an escape`)
    }
    if (byte !== quote && byte !== backslash) at++
    else {
      if (at > pieceStart) text.add(decodeText(bytes, pieceStart, at, validUtf8))
      if (byte === quote) return { value: text.joined(), end: at + 1 }
      const simple = simpleEscapes.get(bytes[at + 1])
      const escape = simple === undefined ? readSurrogates(bytes, at) : { text: simple, length: 2 }
      text.add(escape.text)
      at = pieceStart = at + escape.length
    }
  }
}

const quote = 0x22
const backslash = 0x5c

/** Joins in between, since a string may have millions of escapes. */
class TextPieces {
  #pieces: string[] = []
  #joined = ''

  add(piece: string): void {
    this.#pieces.push(piece)
    if (this.#pieces.length === 4096) {
      this.#joined += this.#pieces.join('')
      this.#pieces = []
    }
  }

  joined(): string {
    return this.#joined + this.#pieces.join('')
  }
}

/** What stands for the letter after the backslash. */
const simpleEscapes = new Map<number | undefined, string>(
  Object.entries({ '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }).map(
    ([letter, character]) => [letter.charCodeAt(0), character],
  ),
)

/** Reads `\uXXXX`, or two of them that are a surrogate pair. */
function readSurrogates(bytes: Uint8Array, at: number): { readonly text: string; readonly length: number } {
  const unit = readUnicodeEscape(bytes, at)
  if (unit === undefined) {
    throw new JsonError(at, String.raw`no such escape sequence; known are \" \\ \/ \b \f \n \r \t \u0000`)
  }
  if (unit < 0xd800 || unit > 0xdfff) return { text: String.fromCharCode(unit), length: 6 }
  const low = unit < 0xdc00 ? readUnicodeEscape(bytes, at + 6) : undefined
  if (low !== undefined && low >= 0xdc00 && low <= 0xdfff) {
    return { text: String.fromCharCode(unit, low), length: 12 }
  }
  // A lone surrogate; what follows is read for itself.
  return { text: String.fromCharCode(replacement), length: 6 }
}

/** The UTF-16 code unit of a `\uXXXX` at this place, or undefined if there is none. */
function readUnicodeEscape(bytes: Uint8Array, at: number): number | undefined {
  if (bytes[at] !== 0x5c || bytes[at + 1] !== 0x75) return undefined
  const digits = String.fromCharCode(...bytes.subarray(at + 2, at + 6))
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : undefined
}

function decodeText(bytes: Uint8Array, start: number, end: number, validUtf8: boolean): string {
  if (validUtf8) return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8')
  const pieces: string[] = []
  let points: number[] = []
  for (let at = start; at < end;) {
    const { point, length } = decodePoint(bytes, at, end)
    points.push(point)
    at += length
    if (points.length === 4096) {
      pieces.push(String.fromCodePoint(...points))
      points = []
    }
  }
  pieces.push(String.fromCodePoint(...points))
  return pieces.join('')
}

/** One code point (Unicode 17, table 3-7), or U+FFFD for a single byte that begins none. */
function decodePoint(
  bytes: Uint8Array,
  at: number,
  end: number,
): { readonly point: number; readonly length: number } {
  const first = bytes[at] ?? 0
  if (first < 0x80) return { point: first, length: 1 }
  const length = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1
  if (length === 1 || at + length > end) return { point: replacement, length: 1 }
  const second = bytes[at + 1] ?? 0
  const lowest = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
  const highest = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
  if (second < lowest || second > highest) return { point: replacement, length: 1 }
  let point = (first & (0xff >> (length + 1))) * 64 + (second & 0x3f)
  for (let i = 2; i < length; i++) {
    const next = bytes[at + i] ?? 0
    if (next < 0x80 || next > 0xbf) return { point: replacement, length: 1 }
    point = point * 64 + (next & 0x3f)
  }
  return { point, length }
}
