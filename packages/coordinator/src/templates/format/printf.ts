import type { Budget } from '../budget.ts'
import { decodeRune, encodeRune, type ByteString } from '../bytes.ts'
import type { GoValue } from '../values.ts'
import { Printer } from './printer.ts'

/** Largest width and precision that fmt takes from an operand. */
const maximumNumber = 1_000_000

type Operands = readonly (GoValue | undefined)[]

/** Go's Sprintf. Wrong verbs and operands are no errors; they are written into the text. */
export function sprintf(format: ByteString, operands: Operands, budget: Budget): ByteString {
  return new Formatter(format, operands, budget).run()
}

class Formatter {
  readonly #format: ByteString
  readonly #operands: Operands
  readonly #printer: Printer
  #at = 0
  /** Number of the operand that the next verb takes. */
  #next = 0
  /** An explicit index such as `[2]` was used somewhere, so that operands left over are no fault. */
  #isReordered = false
  /** The index of the current directive exists. */
  #isIndexGood = true
  /** An explicit index stands right before. */
  #isAfterIndex = false

  constructor(format: ByteString, operands: Operands, budget: Budget) {
    this.#format = format
    this.#operands = operands
    this.#printer = new Printer(budget)
  }

  run(): ByteString {
    while (this.#at < this.#format.length) {
      const percent = this.#format.indexOf('%', this.#at)
      const end = percent < 0 ? this.#format.length : percent
      if (end > this.#at) this.#printer.write(this.#format.slice(this.#at, end))
      this.#at = end + 1
      if (percent >= 0) this.#directive()
    }
    this.#extraOperands()
    return this.#printer.text()
  }

  #directive(): void {
    this.#begin()
    this.#flags()
    this.#index()
    this.#width()
    this.#precision()
    if (!this.#isAfterIndex) this.#index()
    if (this.#at >= this.#format.length) {
      this.#printer.write('%!(NOVERB)')
      return
    }
    const { rune, width } = decodeRune(this.#format, this.#at)
    this.#at += width
    this.#verb(encodeRune(rune))
  }

  #begin(): void {
    this.#isIndexGood = true
    this.#isAfterIndex = false
    this.#printer.clearFlags()
  }

  #flags(): void {
    const { flags } = this.#printer
    while ('#0+- '.includes(this.#format[this.#at] ?? 'end')) {
      const char = this.#format[this.#at++]
      if (char === '#') flags.sharp = true
      else if (char === '0') flags.zero = true
      else if (char === '+') flags.plus = true
      else if (char === '-') flags.minus = true
      else flags.space = true
    }
  }

  /** Takes an explicit operand index, if there is one. */
  #index(): void {
    if (this.#format[this.#at] !== '[') return
    this.#isReordered = true
    const end = this.#format.indexOf(']', this.#at)
    // The shortest index has three characters; fmt does not look for the end of less.
    if (end < 0 || this.#format.length - this.#at < 3) {
      this.#isIndexGood = false
      this.#at += 1
      return
    }
    const written = this.#format.slice(this.#at + 1, end)
    this.#at = end + 1
    const number = /^[0-9]+$/.test(written) ? toNumber(written) : undefined
    if (number === undefined) {
      this.#isIndexGood = false
      return
    }
    this.#isAfterIndex = true
    if (number >= 1 && number <= this.#operands.length) this.#next = number - 1
    else this.#isIndexGood = false
  }

  #width(): void {
    const { flags } = this.#printer
    if (this.#format[this.#at] === '*') {
      this.#at++
      const width = this.#numberOperand()
      if (width === undefined) this.#printer.write('%!(BADWIDTH)')
      else {
        flags.width = Math.abs(width)
        if (width < 0) {
          flags.minus = true
          flags.zero = false
        }
      }
      this.#isAfterIndex = false
      return
    }
    flags.width = this.#number()
    // A number may not follow an index directly.
    if (this.#isAfterIndex && flags.width !== undefined) this.#isIndexGood = false
  }

  #precision(): void {
    const { flags } = this.#printer
    // A point that ends the format is taken for the verb.
    if (this.#format[this.#at] !== '.' || this.#at + 1 === this.#format.length) return
    this.#at++
    if (this.#isAfterIndex) this.#isIndexGood = false
    this.#isAfterIndex = false
    this.#index()
    if (this.#format[this.#at] === '*') {
      this.#at++
      const precision = this.#numberOperand()
      if (precision === undefined || precision < 0) this.#printer.write('%!(BADPREC)')
      else flags.precision = precision
      this.#isAfterIndex = false
      return
    }
    flags.precision = this.#number() ?? 0
  }

  /** Takes digits; a number that is too large ends the format. */
  #number(): number | undefined {
    const from = this.#at
    while (/[0-9]/.test(this.#format[this.#at] ?? '')) this.#at++
    if (this.#at === from) return undefined
    const number = toNumber(this.#format.slice(from, this.#at))
    if (number === undefined) this.#at = this.#format.length
    return number
  }

  /** The next operand as a width or precision; undefined where it is no integer of a sensible size. */
  #numberOperand(): number | undefined {
    if (this.#next >= this.#operands.length) return undefined
    const operand = this.#operands[this.#next++]
    if (operand?.kind !== 'int' && operand?.kind !== 'uint') return undefined
    const number = Number(operand.value)
    return Math.abs(number) > maximumNumber ? undefined : number
  }

  #verb(verb: ByteString): void {
    const { flags } = this.#printer
    if (verb === '%') this.#printer.write('%')
    else if (!this.#isIndexGood) this.#printer.write(`%!${verb}(BADINDEX)`)
    else if (this.#next >= this.#operands.length) this.#printer.write(`%!${verb}(MISSING)`)
    else {
      if (verb === 'v' || verb === 'w') {
        flags.sharpV = flags.sharp
        flags.sharp = false
        flags.plusV = flags.plus
        flags.plus = false
      }
      this.#printer.operand(this.#operands[this.#next++], verb)
    }
  }

  #extraOperands(): void {
    if (this.#isReordered || this.#next >= this.#operands.length) return
    this.#printer.clearFlags()
    this.#printer.write('%!(EXTRA ')
    this.#operands.slice(this.#next).forEach((operand, index) => {
      if (index > 0) this.#printer.write(', ')
      if (operand === undefined) this.#printer.write('<nil>')
      else {
        this.#printer.write(`${operand.type.name}=`)
        this.#printer.operand(operand, 'v')
      }
    })
    this.#printer.write(')')
  }
}

/** Digits as a number. fmt looks at the size before it takes the last digit, so that ten times the limit passes. */
const toNumber = (digits: string): number | undefined =>
  Number(digits.slice(0, -1)) > maximumNumber ? undefined : Number(digits)
