import { Fault } from '../error.ts'

/** Tags of ASN.1 (X.690): universal ones, and how context-specific ones are made. */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  numericString: 0x12,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  context: (number: number): number => 0x80 | number,
  constructedContext: (number: number): number => 0xa0 | number,
} as const

export interface Element {
  readonly tag: number
  readonly content: Uint8Array
  /** With tag and length. */
  readonly whole: Uint8Array
}

const malformed = (): Fault =>
  new Fault('the certificate cannot be decoded; only .Raw and the functions on the whole .Cert can be used')

/**
 * Reads DER elements one after the other. Lengths are checked against what is there, so that nothing is read or
 * allocated past it. Multi-byte tags and indefinite lengths are refused; certificates have none.
 */
export class DerReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  next(): Element {
    const from = this.#at
    const elementTag = this.#byte()
    if ((elementTag & 0x1f) === 0x1f) throw malformed()
    const first = this.#byte()
    let length = first
    if (first >= 0x80) {
      const count = first & 0x7f
      if (count === 0 || count > 4) throw malformed()
      length = 0
      for (let index = 0; index < count; index++) length = length * 256 + this.#byte()
    }
    const start = this.#at
    if (length > this.#bytes.length - start) throw malformed()
    this.#at = start + length
    return {
      tag: elementTag,
      content: this.#bytes.subarray(start, this.#at),
      whole: this.#bytes.subarray(from, this.#at),
    }
  }

  /** The next element, which must have the tag. */
  expect(wanted: number): Element {
    const element = this.next()
    if (element.tag !== wanted) throw malformed()
    return element
  }

  /** The next element if it has the tag; otherwise it stays. */
  optional(wanted: number): Element | undefined {
    return this.#bytes[this.#at] === wanted ? this.next() : undefined
  }

  /** The elements inside of the next one, which must have the tag. */
  inside(wanted: number): DerReader {
    return new DerReader(this.expect(wanted).content)
  }

  /** All elements up to the end. */
  *rest(): Generator<Element> {
    while (!this.isAtEnd) yield this.next()
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw malformed()
    return byte
  }
}

/** A signed INTEGER. */
export function integerOf(content: Uint8Array): bigint {
  if (content.length === 0) throw malformed()
  return BigInt.asIntN(content.length * 8, BigInt(`0x${hexOf(content)}`))
}

/** A number that fits an int. */
export function smallIntegerOf(content: Uint8Array): bigint {
  if (content.length > 8) throw malformed()
  return integerOf(content)
}

export const booleanOf = (content: Uint8Array): boolean => content[0] === 0xff

/** The bytes of a BIT STRING whose unused bits are none. */
export function bitStringBytes(content: Uint8Array): Uint8Array {
  if (content[0] !== 0) throw malformed()
  return content.subarray(1)
}

/** The arcs of an OBJECT IDENTIFIER (X.690, 8.19). */
export function arcsOf(content: Uint8Array): bigint[] {
  const numbers: bigint[] = []
  let number = 0n
  let isOpen = true
  // A certificate's identifiers are short; the bound keeps BigInt from working on a long one.
  if (content.length > 256) throw malformed()
  for (const byte of content) {
    number = (number << 7n) | BigInt(byte & 0x7f)
    isOpen = byte >= 0x80
    if (isOpen) continue
    numbers.push(number)
    number = 0n
  }
  const [first, ...others] = numbers
  if (first === undefined || isOpen) throw malformed()
  const root = first < 80n ? first / 40n : 2n
  return [root, first - root * 40n, ...others]
}

export const hexOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
