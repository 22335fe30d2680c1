import type { DistinguishedName } from '../manifest/model.ts'
import { element, sequence, setOf, tag } from './der.ts'
import { DerError, DerReader, readOnly } from './der-reader.ts'
import { attribute, dottedIdentifier } from './object-identifier.ts'
import { decodeString, directoryString } from './strings.ts'

/** The attributes of a name that marbles and templates may choose, besides common name and organization. */
export type NameParts = Omit<DistinguishedName, 'extraNames'>

export const emptyName: NameParts = {
  country: [],
  organization: [],
  organizationalUnit: [],
  locality: [],
  province: [],
  streetAddress: [],
  postalCode: [],
  serialNumber: '',
  commonName: '',
}

/** An attribute that stands behind the ordinary ones, in an RDN of its own. */
export interface ExtraAttribute {
  /** Content octets of the object identifier. */
  readonly type: Uint8Array
  readonly value: string
}

/**
 * DER of a Name (RFC 5280, 4.1.2.4) in the recorded order.
 *
 * Values of one kind share one RDN. An extra attribute suppresses the ordinary one of its type, and stands at the
 * end whatever its type is.
 */
export function encodeName(parts: NameParts, extra: readonly ExtraAttribute[] = []): Uint8Array {
  const one = (value: string): readonly string[] => (value === '' ? [] : [value])
  const ordinary = [
    { type: attribute.country, values: parts.country },
    { type: attribute.province, values: parts.province },
    { type: attribute.locality, values: parts.locality },
    { type: attribute.streetAddress, values: parts.streetAddress },
    { type: attribute.postalCode, values: parts.postalCode },
    { type: attribute.organization, values: parts.organization },
    { type: attribute.organizationalUnit, values: parts.organizationalUnit },
    { type: attribute.commonName, values: one(parts.commonName) },
    { type: attribute.serialNumber, values: one(parts.serialNumber) },
  ]
  const overridden = new Set(extra.map(({ type }) => dottedIdentifier(type)))
  const rdns = ordinary
    .filter(({ type, values }) => values.length > 0 && !overridden.has(type.dotted))
    .map(({ type, values }) => setOf(values.map((value) => sequence(type.encoding, directoryString(value)))))
  const extraRdns = extra.map(({ type, value }) =>
    setOf([sequence(element(tag.objectIdentifier, type), directoryString(value))]),
  )
  return sequence(rdns, extraRdns)
}

export interface NameAttribute {
  readonly dotted: string
  readonly value: string
}

/**
 * The attributes of a Name, in order, without their grouping.
 *
 * @param unknownTypes what to do with a value that is no string: requests pass with it, certificates don't.
 * @throws DerError
 */
export function parseName(
  der: Uint8Array,
  what: string,
  unknownTypes: 'skip' | 'refuse',
): readonly NameAttribute[] {
  const attributes: NameAttribute[] = []
  const rdns = new DerReader(readOnly(der, tag.sequence, what).contents)
  while (!rdns.isAtEnd) {
    const rdn = new DerReader(rdns.read(tag.set, `an RDN of ${what}`).contents)
    while (!rdn.isAtEnd) {
      const pair = rdn.enterSequence(`an attribute of ${what}`)
      const dotted = dottedIdentifier(pair.readObjectIdentifier(`an attribute type of ${what}`))
      const { identifier, contents } = pair.readAny(`the value of the attribute ${dotted} of ${what}`)
      const value = decodeString(identifier, contents, `the attribute ${dotted} of ${what}`)
      if (value !== undefined) attributes.push({ dotted, value })
      else if (unknownTypes === 'refuse')
        throw new DerError(`the attribute ${dotted} of ${what} is no string`)
    }
  }
  return attributes
}

/** The attributes that {@link NameParts} knows; of those that stand once in it, the last one. */
export function nameParts(attributes: readonly NameAttribute[]): NameParts {
  const all = (type: { readonly dotted: string }): string[] =>
    attributes.filter(({ dotted }) => dotted === type.dotted).map(({ value }) => value)
  return {
    country: all(attribute.country),
    organization: all(attribute.organization),
    organizationalUnit: all(attribute.organizationalUnit),
    locality: all(attribute.locality),
    province: all(attribute.province),
    streetAddress: all(attribute.streetAddress),
    postalCode: all(attribute.postalCode),
    serialNumber: all(attribute.serialNumber).at(-1) ?? '',
    commonName: all(attribute.commonName).at(-1) ?? '',
  }
}
