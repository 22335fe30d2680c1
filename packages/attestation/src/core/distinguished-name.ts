import { DER_TAG, DerReader, oidText, readSingle } from './der.ts'
import type { DerElement } from './der.ts'
import { toHex } from './encoding.ts'

/** Short names of attribute types (RFC 4514, 3). Others are written as dotted OIDs. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
])

/** String types whose octets are UTF-8, or ASCII. */
const TEXT_TAGS: readonly number[] = [DER_TAG.utf8String, DER_TAG.printableString, DER_TAG.ia5String]

/**
 * A Name as text (RFC 4514): the most specific part first, for example `CN=aws.nitro-enclaves,OU=AWS,O=Amazon,C=US`.
 *
 * @param name DER
 * @throws EvidenceInvalid (wrap the call in `decoding`)
 */
export function distinguishedName(name: Uint8Array): string {
  const parts: string[] = []
  const sets = new DerReader(readSingle(name, 'name', DER_TAG.sequence).content)
  while (!sets.done) {
    const attributes = new DerReader(sets.read('name part', DER_TAG.set).content)
    const texts: string[] = []
    while (!attributes.done) {
      const attribute = attributes.sequence('name attribute')
      const type = oidText(attribute.read('name attribute type', DER_TAG.oid).content)
      texts.push(attributeText(type, attribute.read('name attribute value')))
      attribute.end('name attribute')
    }
    parts.push(texts.join('+'))
  }
  return parts.toReversed().join(',')
}

/** RFC 4514, 2.4: what has no short name, or is no text, is the hex of its DER. */
function attributeText(type: string, { tag, content, raw }: DerElement): string {
  const short = SHORT_NAMES.get(type)
  const text = TEXT_TAGS.includes(tag) ? utf8(content) : undefined
  return short === undefined || text === undefined
    ? `${short ?? type}=#${toHex(raw)}`
    : `${short}=${escaped(text)}`
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const escaped = (text: string): string =>
  text
    .replace(/["+,;<>\\]/g, '\\$&')
    .replaceAll('\0', '\\00')
    .replace(/^[ #]| $/g, '\\$&')
