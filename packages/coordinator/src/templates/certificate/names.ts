import { bytesFrom, bytesFromText, encodeRune, type ByteString } from '../bytes.ts'
import { Fault } from '../error.ts'
import {
  anyType,
  noMethods,
  sliceOf,
  sliceValue,
  stringsType,
  stringType,
  stringValue,
  structValue,
  type GoMethod,
  type GoValue,
  type SliceType,
  type StructType,
  type StructValue,
} from '../values.ts'
import { DerReader, tag, type Element } from './der.ts'
import { getter } from './methods.ts'
import { dotted, objectIdentifierType, objectIdentifierValue } from './oids.ts'

// Distinguished names (Go's package pkix).

const attributeType: StructType = {
  kind: 'struct',
  name: 'pkix.AttributeTypeAndValue',
  methods: noMethods,
  fields: [
    { name: 'Type', type: objectIdentifierType },
    { name: 'Value', type: anyType },
  ],
}
const attributesType = sliceOf(attributeType)
const relativeNameType = sliceOf(attributeType, 'pkix.RelativeDistinguishedNameSET')

const sequenceMethods = new Map<string, GoMethod>()
const sequenceType: SliceType = sliceOf(relativeNameType, 'pkix.RDNSequence', sequenceMethods)

const nameMethods = new Map<string, GoMethod>()
export const nameType: StructType = {
  kind: 'struct',
  name: 'pkix.Name',
  methods: nameMethods,
  fields: [
    { name: 'Country', type: stringsType },
    { name: 'Organization', type: stringsType },
    { name: 'OrganizationalUnit', type: stringsType },
    { name: 'Locality', type: stringsType },
    { name: 'Province', type: stringsType },
    { name: 'StreetAddress', type: stringsType },
    { name: 'PostalCode', type: stringsType },
    { name: 'SerialNumber', type: stringType },
    { name: 'CommonName', type: stringType },
    { name: 'Names', type: attributesType },
    { name: 'ExtraNames', type: attributesType },
  ],
}

interface Attribute {
  readonly oid: string
  /** Content of the identifier's DER element. */
  readonly identifier: Uint8Array
  readonly value: ByteString
}

/** Attributes that have a field of their own, in the order of the fields (X.520), with their short names (RFC 4514). */
const listed: readonly (readonly [oid: string, shortName: string])[] = [
  ['2.5.4.6', 'C'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.17', 'POSTALCODE'],
]

/** The same in the order in which Go writes them, the last of which comes first. */
const written = ['2.5.4.6', '2.5.4.8', '2.5.4.7', '2.5.4.9', '2.5.4.17', '2.5.4.10', '2.5.4.11']

const commonName = '2.5.4.3'
const serialNumber = '2.5.4.5'

const shortNames: ReadonlyMap<string, string> = new Map([
  ...listed,
  [commonName, 'CN'],
  [serialNumber, 'SERIALNUMBER'],
])

const attributesOf = new WeakMap<StructValue, readonly Attribute[]>()

/** A Name from the content of its DER element. */
export function nameValue(content: Uint8Array): StructValue {
  const attributes: Attribute[] = []
  for (const set of new DerReader(content).rest())
    for (const element of new DerReader(set.content).rest()) {
      const pair = new DerReader(element.content)
      const identifier = pair.expect(tag.objectIdentifier).content
      attributes.push({ oid: dotted(identifier), identifier, value: textOf(pair.next()) })
    }
  const lists = listed.map(([oid]) => {
    const values = valuesOf(attributes, oid)
    return sliceValue(
      values.length === 0 ? undefined : values.map((value) => stringValue(value)),
      stringsType,
    )
  })
  const value = structValue(nameType, [
    ...lists,
    stringValue(valuesOf(attributes, serialNumber).at(-1) ?? ''),
    stringValue(valuesOf(attributes, commonName).at(-1) ?? ''),
    sliceValue(attributes.length === 0 ? undefined : attributes.map(attributeValue), attributesType),
  ])
  attributesOf.set(value, attributes)
  return value
}

const valuesOf = (attributes: readonly Attribute[], oid: string): ByteString[] =>
  attributes.filter((attribute) => attribute.oid === oid).map((attribute) => attribute.value)

const attributeValue = (attribute: Attribute): StructValue =>
  structValue(attributeType, [objectIdentifierValue(attribute.identifier), stringValue(attribute.value)])

/** A string of one of ASN.1's kinds in UTF-8. */
function textOf(element: Element): ByteString {
  switch (element.tag) {
    case tag.utf8String:
    case tag.printableString:
    case tag.ia5String:
    case tag.numericString:
      return bytesFrom(element.content)
    case tag.t61String:
      // Read as Latin-1, as everyone does.
      return bytesFromText(bytesFrom(element.content))
    case tag.bmpString:
      return Array.from(bytesFrom(element.content).matchAll(/[^]{2}/g), ([pair]) =>
        encodeRune(pair.charCodeAt(0) * 256 + pair.charCodeAt(1)),
      ).join('')
    default:
      throw new Fault('the certificate has a name of a kind that cannot be decoded')
  }
}

/** The attributes as Go groups them when it writes a name: each field is one relative name. */
function sequenceOf(attributes: readonly Attribute[]): (readonly Attribute[])[] {
  const last = (oid: string): Attribute[] => attributes.filter((attribute) => attribute.oid === oid).slice(-1)
  return [
    ...written.map((oid) => attributes.filter((attribute) => attribute.oid === oid)),
    last(commonName).filter((attribute) => attribute.value !== ''),
    last(serialNumber).filter((attribute) => attribute.value !== ''),
  ].filter((group) => group.length > 0)
}

/** RFC 4514: the last relative name first. */
const writtenName = (sequence: readonly (readonly Attribute[])[]): ByteString =>
  sequence
    .toReversed()
    .map((group) => group.map(writtenAttribute).join('+'))
    .join(',')

function writtenAttribute({ oid, value }: Attribute): ByteString {
  const shortName = shortNames.get(oid)
  if (shortName === undefined) return `${oid}=#${encodedText(value)}`
  const escaped = value.replace(/[,+"\\<>;]|^[ #]| $/g, '\\$&')
  return `${shortName}=${escaped}`
}

/** A text as DER in hexadecimal: PrintableString where that can hold it, else UTF8String. */
function encodedText(value: ByteString): string {
  const kind = /^[A-Za-z0-9 '()+,\-./:=?*&]*$/.test(value) ? tag.printableString : tag.utf8String
  const { length } = value
  const header =
    length < 0x80
      ? [kind, length]
      : length < 0x100
        ? [kind, 0x81, length]
        : [kind, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(header), Buffer.from(value, 'latin1')]).toString('hex')
}

const attributesBehind = (name: GoValue): readonly Attribute[] =>
  name.kind === 'struct' ? (attributesOf.get(name) ?? []) : []

nameMethods.set(
  'String',
  getter((name) => {
    const attributes = attributesBehind(name)
    const others = attributes
      .filter((attribute) => !shortNames.has(attribute.oid))
      .map((attribute) => [attribute])
    return stringValue(writtenName([...others, ...sequenceOf(attributes)]))
  }),
)
nameMethods.set(
  'ToRDNSequence',
  getter((name) => {
    const sequence = sequenceOf(attributesBehind(name))
    const groups = sequence.map((group) => sliceValue(group.map(attributeValue), relativeNameType))
    const value = sliceValue(groups.length === 0 ? undefined : groups, sequenceType)
    sequences.set(value, sequence)
    return value
  }),
)

const sequences = new WeakMap<GoValue, readonly (readonly Attribute[])[]>()
sequenceMethods.set(
  'String',
  getter((value) => stringValue(writtenName(sequences.get(value) ?? []))),
)
