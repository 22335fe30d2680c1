import { malformed } from './errors.ts'
import { toHex } from './encoding.ts'

/** Tags of X.690, with the class and constructed bits as they stand in the identifier octet. */
export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** The identifier octet of `[number]`, constructed (explicit tagging) or not (implicit tagging of a primitive). */
export const contextTag = (number: number, constructed: boolean): number =>
  (constructed ? 0xa0 : 0x80) | number

export interface DerElement {
  readonly tag: number
  /** The contents octets. */
  readonly content: Uint8Array
  /** Identifier, length and contents octets: what signatures and comparisons are over. */
  readonly raw: Uint8Array
}

/**
 * Reads the elements of one level. Going down a level is a new reader on an element's contents, so a reader never
 * recurses: the caller's grammar bounds the depth. Lengths must be definite and minimal (X.690, 10.1).
 */
export class DerReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#offset === this.#bytes.length
  }

  /** The next element's identifier octet; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#offset]
  }

  /** @param tag identifier octet that it must have; undefined for any */
  read(what: string, tag?: number): DerElement {
    const start = this.#offset
    const found = this.#octet(what)
    if (tag !== undefined && found !== tag) {
      throw malformed(
        `${what} has another ASN.1 type`,
        `tag 0x${tag.toString(16)}`,
        `tag 0x${found.toString(16)}`,
      )
    }
    if ((found & 0x1f) === 0x1f) {
      throw malformed(`${what} has a long ASN.1 tag`, 'a tag number below 31', `tag 0x${found.toString(16)}`)
    }
    const length = this.#length(what)
    const contentStart = this.#offset
    if (length > this.#bytes.length - contentStart) {
      throw malformed(`${what} is cut short`, `${length} bytes`, `${this.#bytes.length - contentStart} bytes`)
    }
    this.#offset = contentStart + length
    return {
      tag: found,
      content: this.#bytes.subarray(contentStart, this.#offset),
      raw: this.#bytes.subarray(start, this.#offset),
    }
  }

  /** The next element when it has the tag, else undefined. */
  optional(what: string, tag: number): DerElement | undefined {
    return this.nextTag === tag ? this.read(what, tag) : undefined
  }

  sequence(what: string): DerReader {
    return new DerReader(this.read(what, DER_TAG.sequence).content)
  }

  end(what: string): void {
    if (this.done) return
    throw malformed(
      `${what} has bytes after its last element`,
      'no further bytes',
      `${this.#bytes.length - this.#offset} bytes`,
    )
  }

  #octet(what: string): number {
    const octet = this.#bytes[this.#offset]
    if (octet === undefined) throw malformed(`${what} is missing`, 'an ASN.1 element', 'no further bytes')
    this.#offset += 1
    return octet
  }

  #length(what: string): number {
    const first = this.#octet(what)
    if (first < 0x80) return first
    const octets = first & 0x7f
    // Four octets reach 4 GiB, more than any buffer here; 0x80 itself is the indefinite form of BER.
    if (octets === 0 || octets > 4) {
      throw malformed(`${what} has a bad length`, 'a definite DER length', `0x${first.toString(16)}`)
    }
    let length = 0
    for (let i = 0; i < octets; i++) length = length * 256 + this.#octet(what)
    if (length < (octets === 1 ? 0x80 : 256 ** (octets - 1))) {
      throw malformed(`${what} has a length that is not minimal`, 'a minimal DER length', `${octets} octets`)
    }
    return length
  }
}

/** Reads a whole DER text of one element. */
export function readSingle(bytes: Uint8Array, what: string, tag?: number): DerElement {
  const reader = new DerReader(bytes)
  const element = reader.read(what, tag)
  reader.end(what)
  return element
}

/** Dotted form of an OBJECT IDENTIFIER's contents octets. */
export function oidText(content: Uint8Array): string {
  // The longest OID that attestation knows has 12 arcs in 12 octets.
  if (content.length === 0 || content.length > 64) {
    throw malformed('an OID has a bad length', '1 to 64 octets', `${content.length} octets`)
  }
  const arcs: number[] = []
  let arc = 0
  let open = false
  for (const octet of content) {
    if (!open && octet === 0x80) throw malformed('an OID is not minimal', 'minimal arcs', toHex(content))
    if (arc > 2 ** 40) throw malformed('an OID has a huge arc', 'arcs below 2^47', toHex(content))
    arc = arc * 128 + (octet & 0x7f)
    open = (octet & 0x80) !== 0
    if (open) continue
    if (arcs.length === 0) {
      const root = Math.min(Math.floor(arc / 40), 2)
      arcs.push(root, arc - 40 * root)
    } else {
      arcs.push(arc)
    }
    arc = 0
  }
  if (open) throw malformed('an OID is cut short', 'a last octet below 0x80', toHex(content))
  return arcs.join('.')
}

/** The contents of an INTEGER that must be positive or zero, without leading zero octets (zero is one octet 00). */
export function unsignedInteger(element: DerElement, what: string): Uint8Array {
  const { content } = element
  const [first, second] = content
  if (first === undefined) throw malformed(`${what} is an empty integer`, 'at least one octet', 'none')
  if (first >= 0x80)
    throw malformed(`${what} is negative`, 'a positive integer', toHex(content.subarray(0, 32)))
  if (first !== 0 || second === undefined) return content
  if (second < 0x80)
    throw malformed(`${what} is not minimal`, 'a minimal integer', toHex(content.subarray(0, 32)))
  return content.subarray(1)
}

/** A small INTEGER or ENUMERATED as a number, up to 2^32-1. */
export function smallInteger(element: DerElement, what: string): number {
  const octets = unsignedInteger(element, what)
  if (octets.length > 4)
    throw malformed(`${what} is too large`, 'at most 4 octets', `${octets.length} octets`)
  return octets.reduce((value, octet) => value * 256 + octet, 0)
}

export function booleanValue(element: DerElement, what: string): boolean {
  const [value] = element.content
  if (element.content.length !== 1 || (value !== 0 && value !== 0xff)) {
    throw malformed(`${what} is not a DER boolean`, '00 or ff', toHex(element.content.subarray(0, 8)))
  }
  return value === 0xff
}

/** The octets of a BIT STRING that has a whole number of octets. */
export function bitStringOctets(element: DerElement, what: string): Uint8Array {
  if (element.content[0] !== 0) {
    throw malformed(`${what} is not a whole number of octets`, '0 unused bits', String(element.content[0]))
  }
  return element.content.subarray(1)
}

/** UTCTime or GeneralizedTime in the only form that RFC 5280 (4.1.2.5) allows: to the second, in UTC. */
export function timeValue(element: DerElement, what: string): Date {
  const text = String.fromCharCode(...element.content.subarray(0, 20))
  const pattern =
    element.tag === DER_TAG.utcTime
      ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
      : element.tag === DER_TAG.generalizedTime
        ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
        : undefined
  const parts = pattern?.exec(text)
  if (!parts)
    throw malformed(
      `${what} is not a time of RFC 5280`,
      'YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ',
      toHex(element.raw),
    )
  const [yearPart = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1).map(Number)
  // RFC 5280, 4.1.2.5.1: two-digit years from 50 are of the 20th century.
  const year = element.tag === DER_TAG.utcTime ? yearPart + (yearPart >= 50 ? 1900 : 2000) : yearPart
  const time = new Date(0)
  time.setUTCFullYear(year, month - 1, day)
  time.setUTCHours(hour, minute, second)
  const same =
    time.getUTCFullYear() === year &&
    time.getUTCMonth() === month - 1 &&
    time.getUTCDate() === day &&
    time.getUTCHours() === hour &&
    time.getUTCMinutes() === minute &&
    time.getUTCSeconds() === second
  if (!same) throw malformed(`${what} is not a date`, 'a date of the calendar', text)
  return time
}

/** A DER element of the given tag around contents; for SPKI structures that a verifier has to put together. */
export function derElement(tag: number, ...contents: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = contents.reduce((sum, part) => sum + part.length, 0)
  const lengthOctets =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  const element = new Uint8Array(1 + lengthOctets.length + length)
  element.set([tag, ...lengthOctets])
  let offset = 1 + lengthOctets.length
  for (const part of contents) {
    element.set(part, offset)
    offset += part.length
  }
  return element
}
