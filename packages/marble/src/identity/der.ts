/**
 * The few DER types (ITU-T X.690) that a certificate request and a self-signed certificate need, and a reader for
 * what OpenSSL has parsed before. Small enough to keep an ASN.1 library out of every marble.
 */

/** Identifier octets: X.690 section 8.1.2, universal tags of X.680 table 1. */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** Identifier octet of a context-specific tag, constructed or primitive (X.690 section 8.1.2). */
export const contextTag = (number: number, constructed: boolean): number =>
  0x80 | (constructed ? 0x20 : 0) | number

/** One element: identifier, definite length, contents. */
export function element(identifier: number, ...contents: Uint8Array[]): Uint8Array {
  const body = Buffer.concat(contents)
  return Buffer.concat([Uint8Array.of(identifier), lengthOctets(body.length), body])
}

function lengthOctets(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return Uint8Array.of(0x80 | octets.length, ...octets)
}

export const sequence = (...contents: Uint8Array[]): Uint8Array => element(tag.sequence, ...contents)

/** A non-negative INTEGER from its big-endian magnitude, in the shortest form. */
export function unsignedInteger(magnitude: Uint8Array): Uint8Array {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start += 1
  const shortest = magnitude.length === 0 ? Uint8Array.of(0) : magnitude.subarray(start)
  const needsSign = (shortest[0] ?? 0) >= 0x80
  return element(tag.integer, needsSign ? Uint8Array.of(0) : Uint8Array.of(), shortest)
}

/** @param dotted for example `2.5.29.17`; the first two arcs share one octet (X.690 section 8.19.4) */
export function objectIdentifier(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return element(tag.objectIdentifier, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)))
}

function base128(value: number): number[] {
  const septets = [value % 128]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    septets.unshift((rest % 128) | 0x80)
  }
  return septets
}

/** A BIT STRING of whole octets. */
export const bitString = (octets: Uint8Array): Uint8Array => element(tag.bitString, Uint8Array.of(0), octets)

export const octetString = (octets: Uint8Array): Uint8Array => element(tag.octetString, octets)

/** UTCTime until 2049, GeneralizedTime from 2050 on, both in whole seconds and UTC (RFC 5280 section 4.1.2.5). */
export function time(at: Date): Uint8Array {
  const digits = at.toISOString().replaceAll(/[-:T]|\.\d+Z$/g, '')
  return at.getUTCFullYear() < 2050
    ? element(tag.utcTime, Buffer.from(`${digits.slice(2)}Z`))
    : element(tag.generalizedTime, Buffer.from(`${digits}Z`))
}

/** One element that was read: its identifier octet, its contents, and where the next one begins. */
export interface Read {
  readonly identifier: number
  readonly contents: Uint8Array
  readonly end: number
}

/** The element at `offset`, or undefined where the bytes end or aren't DER with a short tag. */
export function readElement(bytes: Uint8Array, offset: number): Read | undefined {
  const identifier = bytes[offset]
  const first = bytes[offset + 1]
  if (identifier === undefined || first === undefined || (identifier & 0x1f) === 0x1f) return undefined
  let start = offset + 2
  let length = first
  if (first >= 0x80) {
    const count = first & 0x7f
    // Four length octets hold 4 GiB; nothing that is read here comes near.
    if (count === 0 || count > 4 || start + count > bytes.length) return undefined
    length = 0
    for (const octet of bytes.subarray(start, start + count)) length = length * 256 + octet
    start += count
  }
  const end = start + length
  return end > bytes.length ? undefined : { identifier, contents: bytes.subarray(start, end), end }
}

/** All elements that follow each other in `bytes`; undefined when they don't fill it exactly. */
export function readAll(bytes: Uint8Array): Read[] | undefined {
  const elements: Read[] = []
  for (let offset = 0; offset < bytes.length;) {
    const next = readElement(bytes, offset)
    if (next === undefined) return undefined
    elements.push(next)
    offset = next.end
  }
  return elements
}
