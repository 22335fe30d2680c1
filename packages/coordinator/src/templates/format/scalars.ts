import type { Budget } from '../budget.ts'
import {
  countRunes,
  encodeRune,
  firstRunes,
  maximumRune,
  replacementRune,
  type ByteString,
} from '../bytes.ts'
import { isPrintable } from '../unicode.ts'
import type { ComplexValue, FormatFlags, IntValue, UintValue } from '../values.ts'
import { formatFloat, shortest, type FloatFormat } from './floats.ts'
import { canBackquote, quote, quoteRune } from './quote.ts'

const integerBases: ReadonlyMap<string, number> = new Map([
  ['v', 10],
  ['d', 10],
  ['b', 2],
  ['o', 8],
  ['O', 8],
  ['x', 16],
  ['X', 16],
])

const floatFormats: ReadonlyMap<string, readonly [FloatFormat, number]> = new Map([
  ['v', ['g', shortest]],
  ['b', ['b', shortest]],
  ['g', ['g', shortest]],
  ['G', ['G', shortest]],
  ['x', ['x', shortest]],
  ['X', ['X', shortest]],
  ['e', ['e', 6]],
  ['E', ['E', 6]],
  ['f', ['f', 6]],
  ['F', ['f', 6]],
])

const newFlags = (): FormatFlags => ({
  plus: false,
  minus: false,
  sharp: false,
  space: false,
  zero: false,
  plusV: false,
  sharpV: false,
  width: undefined,
  precision: undefined,
})

/**
 * Formats basic values by verb and flags, as Go's package fmt does, into a buffer of its own. Methods that take a verb
 * write nothing and give false where the verb is not for their kind of value.
 */
export class ScalarWriter {
  flags = newFlags()
  readonly #budget: Budget
  readonly #parts: ByteString[] = []

  constructor(budget: Budget) {
    this.#budget = budget
  }

  text(): ByteString {
    return this.#parts.join('')
  }

  write(text: ByteString): void {
    this.#budget.build(text.length)
    this.#parts.push(text)
  }

  clearFlags(): void {
    this.flags = newFlags()
  }

  /** Writes text, filled up to the width. */
  pad(text: ByteString): void {
    const { width, minus } = this.flags
    if (width === undefined || width === 0) {
      this.write(text)
      return
    }
    const missing = width - countRunes(text)
    if (!minus) this.#padding(missing)
    this.write(text)
    if (minus) this.#padding(missing)
  }

  #padWithBlanks(text: ByteString): void {
    const { zero } = this.flags
    this.flags.zero = false
    this.pad(text)
    this.flags.zero = zero
  }

  #padding(count: number): void {
    if (count <= 0) return
    this.#budget.build(count)
    // Zeros go to the left only.
    this.#parts.push((this.flags.zero && !this.flags.minus ? '0' : ' ').repeat(count))
  }

  bool(value: boolean, verb: string): boolean {
    if (verb !== 't' && verb !== 'v') return false
    this.pad(value ? 'true' : 'false')
    return true
  }

  integer(value: IntValue | UintValue, verb: string): boolean {
    if (verb === 'v' && this.flags.sharpV && value.kind === 'uint') this.hexNumber(value.value, true)
    else if (verb === 'c') this.pad(encodeRune(runeOf(value)))
    else if (verb === 'q') this.pad(quoteRune(runeOf(value), this.flags.plus))
    else if (verb === 'U') this.#codePoint(BigInt.asUintN(64, value.value))
    else return this.number(value.value, verb)
    return true
  }

  /** A number in the base of the verb. */
  number(value: bigint, verb: string): boolean {
    const base = integerBases.get(verb)
    if (base !== undefined) this.#digits(value, base, verb)
    return base !== undefined
  }

  hexNumber(value: bigint, withPrefix: boolean): void {
    const { sharp } = this.flags
    this.flags.sharp = withPrefix
    this.#digits(value, 16, 'v')
    this.flags.sharp = sharp
  }

  #digits(value: bigint, base: number, verb: string): void {
    const { flags } = this
    const isNegative = value < 0n
    const magnitude = isNegative ? -value : value
    if (flags.precision === 0 && magnitude === 0n) {
      // A precision of 0 prints nothing for zero, blanks up to the width apart.
      this.#padWithBlanks('')
      return
    }
    let digits = magnitude.toString(base)
    if (verb === 'X') digits = digits.toUpperCase()
    digits = digits.padStart(this.#minimumDigits(isNegative), '0')
    const prefix = flags.sharp ? prefixOf(base, verb, digits) : ''
    const octal = verb === 'O' ? '0o' : ''
    const sign = isNegative ? '-' : flags.plus ? '+' : flags.space ? ' ' : ''
    this.#padWithBlanks(sign + octal + prefix + digits)
  }

  /** The digits that a precision asks for, or else zero padding, which counts the sign. */
  #minimumDigits(isNegative: boolean): number {
    const { precision, zero, minus, width, plus, space } = this.flags
    if (precision !== undefined) return precision
    if (!zero || minus || width === undefined) return 0
    return width - (isNegative || plus || space ? 1 : 0)
  }

  #codePoint(value: bigint): void {
    const digits = value.toString(16).toUpperCase()
    const code = `U+${digits.padStart(Math.max(this.flags.precision ?? 0, 4), '0')}`
    const isShown = this.flags.sharp && value <= BigInt(maximumRune) && isPrintable(Number(value))
    this.#padWithBlanks(isShown ? `${code} '${encodeRune(Number(value))}'` : code)
  }

  float(value: number, verb: string): boolean {
    const format = floatFormats.get(verb)
    if (format === undefined) return false
    const { flags } = this
    const precision = flags.precision ?? format[1]
    const text = formatFloat(value, format[0], precision)
    const isNegative = text.startsWith('-')
    const digits = isNegative ? text.slice(1) : text
    const number = flags.sharp && verb !== 'b' ? withPoint(digits, verb, precision) : digits
    const sign = isNegative ? '-' : flags.plus ? '+' : flags.space ? ' ' : ''
    if (sign !== '' && flags.zero && !flags.minus && flags.width !== undefined) {
      this.write(sign)
      this.#padding(flags.width - number.length - 1)
      this.write(number)
    } else this.pad(sign + number)
    return true
  }

  complex(value: ComplexValue, verb: string): boolean {
    if (!floatFormats.has(verb)) return false
    const { plus } = this.flags
    this.write('(')
    this.float(value.real, verb)
    this.flags.plus = true
    this.float(value.imaginary, verb)
    this.write('i)')
    this.flags.plus = plus
    return true
  }

  string(text: ByteString, verb: string): boolean {
    if (verb === 'x' || verb === 'X') this.#hexBytes(text, verb)
    else if (verb === 'q' || (verb === 'v' && this.flags.sharpV)) this.#quoted(text)
    else if (verb === 's' || verb === 'v') this.pad(this.#truncated(text))
    else return false
    return true
  }

  #truncated(text: ByteString): ByteString {
    return this.flags.precision === undefined ? text : firstRunes(text, this.flags.precision)
  }

  #quoted(text: ByteString): void {
    const cut = this.#truncated(text)
    if (this.flags.sharp && canBackquote(cut)) this.pad(`\`${cut}\``)
    else this.pad(quote(cut, this.flags.plus))
  }

  #hexBytes(text: ByteString, verb: 'x' | 'X'): void {
    const { precision, space, sharp } = this.flags
    const cut = precision === undefined ? text : text.slice(0, precision)
    if (cut === '') {
      this.pad('')
      return
    }
    // Up to five characters come from one byte; ask for them before they are made.
    this.#budget.build(cut.length)
    const digits = Buffer.from(cut, 'latin1').toString('hex')
    const cased = verb === 'X' ? digits.toUpperCase() : digits
    const prefix = sharp ? `0${verb}` : ''
    this.pad(prefix + (space ? cased.replace(/..(?=.)/g, `$& ${prefix}`) : cased))
  }
}

function runeOf(value: IntValue | UintValue): number {
  const number = BigInt.asUintN(64, value.value)
  return number > BigInt(maximumRune) ? replacementRune : Number(number)
}

function prefixOf(base: number, verb: string, digits: string): string {
  if (base === 2) return '0b'
  if (base === 8) return digits.startsWith('0') ? '' : '0'
  if (base === 16) return verb === 'X' ? '0X' : '0x'
  return ''
}

/** The sharp flag on floats: a point in any case, and for `%g` the zeros that the precision asks for. */
function withPoint(number: string, verb: string, precision: number): string {
  const isHex = verb === 'x' || verb === 'X'
  const [, mantissa = number, tail = ''] = (isHex ? /^(.*?)(p.*)$/i : /^(.*?)(e.*)$/i).exec(number) ?? []
  const dotted = mantissa.includes('.') ? mantissa : `${mantissa}.`
  // `%#X` adds no zeros, unlike `%#x`.
  if (!'vgGx'.includes(verb)) return dotted + tail
  const wanted = precision === shortest ? 6 : precision
  const digits = mantissa.replace('.', '').replace(/^0+/, '')
  const count = mantissa === '0' ? 1 : digits.length
  return dotted + '0'.repeat(Math.max(wanted - count, 0)) + tail
}
