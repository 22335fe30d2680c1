import { fromHex } from './bytes.ts'

// Writes DER (ITU-T X.690). The verifier has a reader of its own: nothing is shared, so that no mistake is.

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** Any element, from its identifier octet. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  const lengthOctets =
    length < 0x80
      ? [length]
      : length < 0x100
        ? [0x81, length]
        : length < 0x1_0000
          ? [0x82, length >> 8, length & 0xff]
          : [0x83, length >> 16, (length >> 8) & 0xff, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...lengthOctets]), content])
}

export const sequence = (...contents: readonly Uint8Array[]): Buffer => element(TAG.sequence, ...contents)
export const set = (...contents: readonly Uint8Array[]): Buffer => element(TAG.set, ...contents)
/** `[number]`, explicit. */
export const explicit = (number: number, ...contents: readonly Uint8Array[]): Buffer =>
  element(0xa0 | number, ...contents)
/** `[number]`, implicit, of a primitive type. */
export const implicit = (number: number, content: Uint8Array): Buffer => element(0x80 | number, content)
export const nothing = (): Buffer => element(TAG.null)
export const boolean = (value: boolean): Buffer => element(TAG.boolean, Buffer.of(value ? 0xff : 0))
export const octetString = (bytes: Uint8Array): Buffer => element(TAG.octetString, bytes)
export const enumerated = (value: number): Buffer => element(TAG.enumerated, Buffer.of(value))
export const utf8String = (text: string): Buffer => element(TAG.utf8String, Buffer.from(text))
export const ia5String = (text: string): Buffer => element(TAG.ia5String, Buffer.from(text, 'latin1'))

/** @param unusedBits in the last octet */
export const bitString = (bytes: Uint8Array, unusedBits = 0): Buffer =>
  element(TAG.bitString, Buffer.of(unusedBits), bytes)

/** @param value zero or positive; as hex for serial numbers */
export function integer(value: number | string): Buffer {
  const hex = typeof value === 'string' ? value : value.toString(16)
  const octets = fromHex(hex.length % 2 === 0 ? hex : `0${hex}`)
  const first = octets.findIndex((octet) => octet !== 0)
  const minimal = first === -1 ? octets.subarray(-1) : octets.subarray(first)
  return element(TAG.integer, minimal.readUInt8(0) >= 0x80 ? Buffer.of(0) : Buffer.alloc(0), minimal)
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...arcs] = dotted.split('.').map(Number)
  const octets = [40 * first + second, ...arcs].flatMap((arc) => {
    const groups = [arc % 128]
    for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) {
      groups.unshift(128 + (rest % 128))
    }
    return groups
  })
  return element(TAG.oid, Buffer.from(octets))
}

/** RFC 5280, 4.1.2.5: UTCTime up to 2049, GeneralizedTime after that; to the second. */
export function time(at: Date): Buffer {
  const text = `${at.toISOString().slice(0, 19).replaceAll(/[-T:]/g, '')}Z`
  return at.getUTCFullYear() < 2050
    ? element(TAG.utcTime, Buffer.from(text.slice(2)))
    : element(TAG.generalizedTime, Buffer.from(text))
}
