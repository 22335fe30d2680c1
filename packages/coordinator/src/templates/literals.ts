import { decodeRune, encodeRune, isValidRune, type ByteString } from './bytes.ts'
import { complexType, floatValue, intValue, type GoValue } from './values.ts'

/**
 * A number as written in a template. Go gives it a type only where it is used: an argument of type int takes `1.0`,
 * one of any type takes what `ideal` says.
 */
export interface NumberLiteral {
  readonly text: ByteString
  /** As an integer of 64 bits, where it is one. */
  readonly integer: bigint | undefined
  /** As a float, where it is real. */
  readonly float: number | undefined
  /** What it is where no type is asked for; undefined for 2^63 up to 2^64-1, which no int holds. */
  readonly ideal: GoValue | undefined
}

const maximumInt64 = 2n ** 63n - 1n
const minimumInt64 = -(2n ** 63n)
const maximumUint64 = 2n ** 64n - 1n

// Go's integer literals (Go specification, "Integer literals"), as base 0 of strconv.ParseInt reads them.
const integerPattern =
  /^([+-]?)(?:0[xX]((?:_?[0-9a-fA-F])+)|0[oO]((?:_?[0-7])+)|0[bB]((?:_?[01])+)|0((?:_?[0-7])*)|([1-9](?:_?[0-9])*))$/
const decimalFloatPattern =
  /^[+-]?(?:\d(?:_?\d)*(?:\.(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?$/
const hexFloatPattern =
  /^([+-]?)0[xX](_?[0-9a-fA-F](?:_?[0-9a-fA-F])*)?(?:\.([0-9a-fA-F](?:_?[0-9a-fA-F])*)?)?[pP]([+-]?\d(?:_?\d)*)$/

/** Reads a number token (not a complex one); undefined where it is malformed or fits no type. */
export function parseNumber(text: ByteString): NumberLiteral | undefined {
  const imaginary = text.endsWith('i') ? parseFloatLiteral(text.slice(0, -1)) : undefined
  if (imaginary !== undefined) return complexLiteral(text, 0, imaginary)

  const integer = parseInteger(text)
  if (integer !== undefined && integer >= minimumInt64 && integer <= maximumInt64) {
    const float = Number(integer)
    return { text, integer, float, ideal: looksLikeFloat(text) ? floatValue(float) : intValue(integer) }
  }
  if (integer !== undefined && integer <= maximumUint64 && integer > 0n && !text.startsWith('+'))
    return { text, integer: undefined, float: Number(integer), ideal: undefined }

  // A number that only fits as a float must have been written as one.
  const float = /[.eEpP]/.test(text) ? parseFloatLiteral(text) : undefined
  if (float === undefined) return undefined
  return {
    text,
    integer: integerOf(float),
    float,
    ideal: looksLikeFloat(text) ? floatValue(float) : undefined,
  }
}

/** Reads a complex token such as `1+2i`; undefined where it is malformed. */
export function parseComplex(text: ByteString): NumberLiteral | undefined {
  // The sign of the imaginary part is the last one that does not belong to an exponent.
  const split = /^(.*[^eEpP+-])([+-].*)i$/s.exec(text)
  const hexSplit = /^([+-]?0[xX].*?[pP][+-]?[0-9_]+)([+-].*)i$/s.exec(text)
  const [, realText = '', imaginaryText = ''] = hexSplit ?? split ?? []
  const real = parseFloatLiteral(realText)
  const imaginary = parseFloatLiteral(imaginaryText)
  return real === undefined || imaginary === undefined ? undefined : complexLiteral(text, real, imaginary)
}

/** Reads a character constant with its quotes; undefined where it is malformed. */
export function parseCharacter(text: ByteString): NumberLiteral | undefined {
  const inner = unquoteOne(text, 1, "'")
  if (inner === undefined || text.slice(inner.next) !== "'") return undefined
  const integer = BigInt(inner.rune)
  return { text, integer, float: inner.rune, ideal: intValue(integer) }
}

function complexLiteral(text: ByteString, real: number, imaginary: number): NumberLiteral {
  const float = imaginary === 0 ? real : undefined
  return {
    text,
    integer: float === undefined ? undefined : integerOf(float),
    float,
    ideal: { kind: 'complex', type: complexType, real, imaginary },
  }
}

/** Go decides by the characters: `1e3` and `0x1p4` are floats, `0x1e3` is not, but `-0x1e3` is. */
const looksLikeFloat = (text: ByteString): boolean =>
  /[.eEpP]/.test(text) && !(/^0[xX]/.test(text) && !/[pP]/.test(text))

function integerOf(float: number): bigint | undefined {
  if (!Number.isInteger(float)) return undefined
  const integer = BigInt(float)
  return integer >= minimumInt64 && integer <= maximumInt64 ? integer : undefined
}

function parseInteger(text: ByteString): bigint | undefined {
  const match = integerPattern.exec(text)
  if (match === null) return undefined
  const [, sign, hex, prefixedOctal, binary, octal, decimal] = match
  const octalDigits = prefixedOctal ?? octal
  const written =
    hex !== undefined
      ? `0x${hex}`
      : octalDigits !== undefined
        ? `0o${octalDigits === '' ? '0' : octalDigits}`
        : binary !== undefined
          ? `0b${binary}`
          : (decimal ?? '0')
  // Nothing longer than 64 binary digits fits; the length keeps BigInt from working on a megabyte of digits.
  const prefix = /^0[xob]/.exec(written)?.[0] ?? ''
  const digits = written
    .slice(prefix.length)
    .replaceAll('_', '')
    .replace(/^0+(?=.)/, '')
  const magnitude = digits.length > 64 ? maximumUint64 + 1n : BigInt(prefix + digits)
  return sign === '-' ? -magnitude : magnitude
}

/** Reads a decimal or hexadecimal float as Go does; undefined where it is malformed or overflows. */
function parseFloatLiteral(text: ByteString): number | undefined {
  const float = decimalFloatPattern.test(text) ? Number(text.replaceAll('_', '')) : parseHexFloat(text)
  return float === undefined || !Number.isFinite(float) ? undefined : float
}

function parseHexFloat(text: ByteString): number | undefined {
  const match = hexFloatPattern.exec(text)
  if (match === null) return undefined
  const [, sign, whole = '', fraction = '', exponent = ''] = match
  const digits = (whole + fraction).replaceAll('_', '')
  if (digits === '') return undefined
  const fractionDigits = fraction.replaceAll('_', '').length
  // Beyond ±10000 the result is infinite or zero whatever the digits (strconv gives up counting there, too).
  const power = Math.max(-10_000, Math.min(10_000, Number(exponent.replaceAll('_', ''))))
  const magnitude = nearestFloat(BigInt(`0x${digits}`), power - 4 * fractionDigits)
  return sign === '-' ? -magnitude : magnitude
}

/** The float nearest to mantissa × 2^power, ties to even (IEEE 754 binary64: 53 bits, least power -1074). */
function nearestFloat(mantissa: bigint, power: number): number {
  if (mantissa === 0n) return 0
  const length = mantissa.toString(2).length
  const drop = Math.max(length - 53, -1074 - power)
  if (drop <= 0) return Number(mantissa) * 2 ** power
  const shift = BigInt(drop)
  let kept = mantissa >> shift
  const rest = mantissa - (kept << shift)
  const half = 1n << (shift - 1n)
  if (rest > half || (rest === half && (kept & 1n) === 1n)) kept += 1n
  return Number(kept) * 2 ** (power + drop)
}

const simpleEscapes: ReadonlyMap<string, number> = new Map([
  ['a', 0x07],
  ['b', 0x08],
  ['f', 0x0c],
  ['n', 0x0a],
  ['r', 0x0d],
  ['t', 0x09],
  ['v', 0x0b],
  ['\\', 0x5c],
])

/** Digits and base of the escapes that name a number (Go specification, "Rune literals"). */
const numericEscapes: ReadonlyMap<string, number> = new Map([
  ['x', 2],
  ['u', 4],
  ['U', 8],
])

interface UnquotedRune {
  readonly rune: number
  /** Whether the number is a byte of its own rather than a code point. */
  readonly isByte: boolean
  readonly next: number
}

/** Reads one character of a quoted constant, escape or not; undefined where it is malformed. */
function unquoteOne(text: ByteString, offset: number, quote: string): UnquotedRune | undefined {
  const char = text[offset]
  if (char === undefined || char === quote || char === '\n') return undefined
  if (char !== '\\') {
    const { rune, width } = decodeRune(text, offset)
    return { rune, isByte: false, next: offset + width }
  }
  const escape = text[offset + 1] ?? ''
  const simple = escape === quote ? quote.charCodeAt(0) : simpleEscapes.get(escape)
  if (simple !== undefined) return { rune: simple, isByte: false, next: offset + 2 }
  const octal = /^[0-3][0-7]{2}/.exec(text.slice(offset + 1, offset + 4))
  if (octal !== null) return { rune: parseInt(octal[0], 8), isByte: true, next: offset + 4 }
  const length = numericEscapes.get(escape)
  if (length === undefined) return undefined
  const hex = text.slice(offset + 2, offset + 2 + length)
  if (hex.length < length || !/^[0-9a-fA-F]+$/.test(hex)) return undefined
  const rune = parseInt(hex, 16)
  if (escape !== 'x' && !isValidRune(rune)) return undefined
  return { rune, isByte: escape === 'x', next: offset + 2 + length }
}

/** Reads a string constant with its quotes or backquotes; undefined where an escape is malformed. */
export function unquote(text: ByteString): ByteString | undefined {
  if (text.startsWith('`')) return text.slice(1, -1).replaceAll('\r', '')
  // eslint-disable-next-line no-control-regex -- the range is all of ASCII but the backslash
  if (/^[\x00-\x5b\x5d-\x7f]*$/.test(text)) return text.slice(1, -1)
  const parts: ByteString[] = []
  for (let at = 1; at < text.length - 1;) {
    const one = unquoteOne(text, at, '"')
    if (one === undefined) return undefined
    parts.push(one.isByte ? String.fromCharCode(one.rune) : encodeRune(one.rune))
    at = one.next
  }
  return parts.join('')
}
