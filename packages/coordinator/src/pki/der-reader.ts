import { tag } from './der.ts'

/** The octets are not the DER that was expected. Callers turn it into the refusal of their own subject. */
export class DerError extends Error {
  override readonly name = 'DerError'
}

export interface DerElement {
  readonly identifier: number
  readonly contents: Uint8Array
  /** Identifier, length and contents: a view of the input, like `contents`. */
  readonly encoding: Uint8Array
}

/**
 * Reads DER elements one after the other, forward only.
 *
 * Strict: definite lengths in their shortest form, tag numbers below 31, contents inside the input. It keeps no
 * nesting of its own, so depth is what the calling code spells out, and it never allocates by a length field.
 */
export class DerReader {
  readonly #octets: Uint8Array
  #offset = 0

  constructor(octets: Uint8Array) {
    this.#octets = octets
  }

  get isAtEnd(): boolean {
    return this.#offset >= this.#octets.length
  }

  /** The identifier octet of the next element, undefined at the end. */
  get nextIdentifier(): number | undefined {
    return this.#octets[this.#offset]
  }

  /** @throws DerError when no well-formed element follows. */
  readAny(what: string): DerElement {
    const octets = this.#octets
    const start = this.#offset
    const identifier = octets[start]
    const first = octets[start + 1]
    if (identifier === undefined || first === undefined) throw new DerError(`${what} is cut off or missing`)
    if ((identifier & 0x1f) === 0x1f) throw new DerError(`${what} has a tag number above 30`)
    let length = first
    let contentsStart = start + 2
    if (first >= 0x80) {
      const count = first & 0x7f
      if (count === 0 || count > 4) throw new DerError(`${what} has an indefinite or oversized length`)
      length = 0
      for (let index = 0; index < count; index++) length = length * 256 + (octets[contentsStart + index] ?? 0)
      contentsStart += count
      if (length < 0x80 || length < 256 ** (count - 1))
        throw new DerError(`${what} has a length in a longer form`)
    }
    const end = contentsStart + length
    if (end > octets.length) throw new DerError(`${what} is longer than what contains it`)
    this.#offset = end
    return {
      identifier,
      contents: octets.subarray(contentsStart, end),
      encoding: octets.subarray(start, end),
    }
  }

  /** @throws DerError when the next element has another identifier octet. */
  read(identifier: number, what: string): DerElement {
    const next = this.nextIdentifier
    if (next !== undefined && next !== identifier) {
      throw new DerError(
        `${what} has the identifier octet 0x${next.toString(16)} instead of 0x${identifier.toString(16)}`,
      )
    }
    return this.readAny(what)
  }

  readOptional(identifier: number, what: string): DerElement | undefined {
    return this.nextIdentifier === identifier ? this.readAny(what) : undefined
  }

  /** A reader of the contents of the SEQUENCE that comes next. */
  enterSequence(what: string): DerReader {
    return new DerReader(this.read(tag.sequence, what).contents)
  }

  /** @throws DerError when octets are left. */
  end(what: string): void {
    if (!this.isAtEnd) throw new DerError(`${what} is followed by further octets`)
  }

  /** Content octets of an OBJECT IDENTIFIER, of which every arc is in its shortest form and fits 31 bits. */
  readObjectIdentifier(what: string): Uint8Array {
    const { contents } = this.read(tag.objectIdentifier, what)
    checkObjectIdentifier(contents, largestArc, what)
    return contents
  }

  /** The same with arcs of any size, in at most 256 octets altogether. */
  readLongObjectIdentifier(what: string): Uint8Array {
    const { contents } = this.read(tag.objectIdentifier, what)
    if (contents.length > longestObjectIdentifier) throw new DerError(`${what} has ${contents.length} octets`)
    checkObjectIdentifier(contents, Infinity, what)
    return contents
  }

  /**
   * Content octets of an INTEGER in its shortest form; the first bit is the sign.
   *
   * @param identifier of an INTEGER with an implicit tag.
   */
  readInteger(what: string, identifier: number = tag.integer): Uint8Array {
    const { contents } = this.read(identifier, what)
    const [first, second] = contents
    if (first === undefined) throw new DerError(`${what} is an INTEGER without octets`)
    if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
      throw new DerError(`${what} is an INTEGER in a longer form`)
    }
    return contents
  }

  /** An INTEGER from 0 to 2^48. */
  readSmallInteger(what: string): number {
    const contents = this.readInteger(what)
    if ((contents[0] ?? 0) >= 0x80 || contents.length > 6) throw new DerError(`${what} is out of range`)
    return contents.reduce((value, octet) => value * 256 + octet, 0)
  }

  readBoolean(what: string): boolean {
    const { contents } = this.read(tag.boolean, what)
    const [octet] = contents
    if (contents.length !== 1 || (octet !== 0 && octet !== 0xff))
      throw new DerError(`${what} is no DER BOOLEAN`)
    return octet === 0xff
  }

  /** The octets of a BIT STRING, with the number of bits at its end that don't count (they must be 0). */
  readBitString(what: string): { readonly octets: Uint8Array; readonly unusedBits: number } {
    const { contents } = this.read(tag.bitString, what)
    const unusedBits = contents[0]
    const octets = contents.subarray(1)
    const last = octets.at(-1)
    if (unusedBits === undefined || unusedBits > 7 || (last === undefined && unusedBits !== 0)) {
      throw new DerError(`${what} is no BIT STRING`)
    }
    if (last !== undefined && (last & ((1 << unusedBits) - 1)) !== 0) {
      throw new DerError(`${what} is a BIT STRING whose unused bits are not 0`)
    }
    return { octets, unusedBits }
  }

  /** The octets of a BIT STRING of whole octets. */
  readWholeBitString(what: string): Uint8Array {
    const { octets, unusedBits } = this.readBitString(what)
    if (unusedBits !== 0) throw new DerError(`${what} is a BIT STRING that ends within an octet`)
    return octets
  }
}

/** The only element of `octets`: nothing may follow it. */
export function readOnly(octets: Uint8Array, identifier: number, what: string): DerElement {
  const reader = new DerReader(octets)
  const only = reader.read(identifier, what)
  reader.end(what)
  return only
}

/** 2^31 - 1: Go's reader of certificates takes no larger arc, and with it every tool that the field uses. */
const largestArc = 0x7fff_ffff

/** Time to print one with large arcs grows with the square of it; octets. */
const longestObjectIdentifier = 256

function checkObjectIdentifier(contents: Uint8Array, largest: number, what: string): void {
  if (contents.length === 0) throw new DerError(`${what} is an OBJECT IDENTIFIER without octets`)
  let value = 0
  let isFirstOctet = true
  for (const octet of contents) {
    if (isFirstOctet && octet === 0x80) throw new DerError(`${what} has an arc in a longer form`)
    value = value * 128 + (octet & 0x7f)
    if (value > largest) throw new DerError(`${what} has an arc above ${largest}`)
    isFirstOctet = octet < 0x80
    if (isFirstOctet) value = 0
  }
  if (!isFirstOctet) throw new DerError(`${what} is an OBJECT IDENTIFIER that is cut off`)
}
