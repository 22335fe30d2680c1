import { element, tag, utf8 } from './der.ts'
import { DerError } from './der-reader.ts'

/** Characters of a PrintableString (X.680, 41.4). `*`, `&`, `@` and `_` are not among them. */
const printable = /^[A-Za-z0-9 '()+,\-./:=?]*$/

/** What readers let pass as PrintableString besides: certificates in the field hold `*` and `&` there. */
const printableInPractice = /^[A-Za-z0-9 '()+,\-./:=?*&]*$/

/** PrintableString where the characters allow it, else UTF8String: what Go writes, and the recordings show. */
export const directoryString = (text: string): Uint8Array =>
  element(printable.test(text) ? tag.printableString : tag.utf8String, utf8(text))

/** True when no character lies outside ASCII, as IA5String wants it. */
export function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false
  return true
}

/** One character per octet. */
export const latin1 = (octets: Uint8Array): string =>
  Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('latin1')

/** @throws DerError when an octet lies outside ASCII. */
export function asciiText(octets: Uint8Array, what: string): string {
  const text = latin1(octets)
  if (!isAscii(text)) throw new DerError(`${what} has octets outside ASCII`)
  return text
}

/**
 * The text of a string by the identifier octet of its type, or undefined when the type is not a string that names
 * are made of.
 *
 * @throws DerError when the octets don't fit the type.
 */
export function decodeString(identifier: number, octets: Uint8Array, what: string): string | undefined {
  switch (identifier) {
    case tag.utf8String:
      return utf8Text(octets, what)
    case tag.printableString:
      return matching(printableInPractice, latin1(octets), 'PrintableString', what)
    case tag.numericString:
      return matching(/^[0-9 ]*$/, latin1(octets), 'NumericString', what)
    case tag.ia5String:
      return asciiText(octets, what)
    case tag.t61String:
      // Nobody ever used the shift codes of T.61; what is found in the field is Latin-1.
      return latin1(octets)
    case tag.bmpString:
      return bmpText(octets, what)
    default:
      return undefined
  }
}

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8Text(octets: Uint8Array, what: string): string {
  try {
    return utf8Decoder.decode(octets)
  } catch {
    throw new DerError(`${what} is a UTF8String that is no UTF-8`)
  }
}

function matching(pattern: RegExp, text: string, type: string, what: string): string {
  if (!pattern.test(text)) throw new DerError(`${what} is a ${type} with a character outside its set`)
  return text
}

/** UCS-2, big-endian: surrogates and the codes that Unicode never assigns are no characters. */
function bmpText(octets: Uint8Array, what: string): string {
  if (octets.length % 2 !== 0) throw new DerError(`${what} is a BMPString of an odd number of octets`)
  const units: number[] = []
  for (let index = 0; index < octets.length; index += 2) {
    units.push((octets[index] ?? 0) * 256 + (octets[index + 1] ?? 0))
  }
  // Some writers end the text with a NUL.
  if (units.at(-1) === 0) units.pop()
  const isNoCharacter = (unit: number): boolean =>
    (unit >= 0xd800 && unit <= 0xdfff) || (unit >= 0xfdd0 && unit <= 0xfdef) || unit >= 0xfffe
  if (units.some(isNoCharacter)) throw new DerError(`${what} is a BMPString with a code that is no character`)
  return units.map((unit) => String.fromCharCode(unit)).join('')
}
