import { bytesFrom } from '../bytes.ts'
import {
  boolType,
  boolValue,
  bytesType,
  bytesValue,
  intType,
  intValue,
  noMethods,
  sliceOf,
  sliceValue,
  stringsType,
  stringValue,
  structValue,
  type GoValue,
  type SliceType,
  type StructType,
} from '../values.ts'
import { ipsType, ipValue, networksType, networkValue } from './addresses.ts'
import { booleanOf, DerReader, smallIntegerOf, tag } from './der.ts'
import { extendedKeyUsage, extendedKeyUsagesType, keyUsageType } from './enumerations.ts'
import {
  dotted,
  fitsObjectIdentifier,
  objectIdentifiersType,
  objectIdentifierType,
  objectIdentifierValue,
  oidsType,
  oidType,
  oidValue,
} from './oids.ts'
import { urlsType, urlValue } from './urls.ts'

// The extensions of certificates (RFC 5280, 4.2) that Go decodes into fields.

const extensionType: StructType = {
  kind: 'struct',
  name: 'pkix.Extension',
  methods: noMethods,
  fields: [
    { name: 'Id', type: objectIdentifierType },
    { name: 'Critical', type: boolType },
    { name: 'Value', type: bytesType },
  ],
}
export const extensionsType = sliceOf(extensionType)

const policyMappingType: StructType = {
  kind: 'struct',
  name: 'x509.PolicyMapping',
  methods: noMethods,
  fields: [
    { name: 'IssuerDomainPolicy', type: oidType },
    { name: 'SubjectDomainPolicy', type: oidType },
  ],
}
export const policyMappingsType = sliceOf(policyMappingType)

/** Fields of the certificate by name. */
export type CertificateFields = Map<string, GoValue>

/** Decodes one extension; false where a part of it is not understood. */
type Decoder = (value: DerReader, fields: CertificateFields) => boolean

/** Adds to a list field; one that nothing was added to stays nil. */
function append(fields: CertificateFields, name: string, type: SliceType, ...items: GoValue[]): void {
  const former = fields.get(name)
  const earlier = former?.kind === 'slice' ? (former.items ?? []) : []
  if (items.length > 0) fields.set(name, sliceValue([...earlier, ...items], type))
}

const text = (content: Uint8Array): GoValue => stringValue(bytesFrom(content))

/** Tags of a GeneralName (RFC 5280, 4.2.1.6). */
const generalName = { email: tag.context(1), dns: tag.context(2), uri: tag.context(6), ip: tag.context(7) }

const keyUsage: Decoder = (value, fields) => {
  const bits = value.expect(tag.bitString).content
  // Nine usages; the first is the highest bit of the first byte, and the lowest of Go's number.
  let number = 0
  for (let bit = 0; bit < 9; bit++)
    if (((bits[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) number |= 1 << bit
  fields.set('KeyUsage', intValue(BigInt(number), keyUsageType))
  return true
}

const basicConstraints: Decoder = (value, fields) => {
  const constraints = value.inside(tag.sequence)
  const isAuthority = constraints.optional(tag.boolean)
  const length = constraints.optional(tag.integer)
  const maximum = length === undefined ? -1n : smallIntegerOf(length.content)
  fields.set('BasicConstraintsValid', boolValue(true))
  fields.set('IsCA', boolValue(isAuthority !== undefined && booleanOf(isAuthority.content)))
  fields.set('MaxPathLen', intValue(maximum))
  fields.set('MaxPathLenZero', boolValue(maximum === 0n))
  return true
}

const alternativeNames: Decoder = (value, fields) => {
  let found = false
  for (const name of value.inside(tag.sequence).rest()) {
    if (name.tag === generalName.email) append(fields, 'EmailAddresses', stringsType, text(name.content))
    else if (name.tag === generalName.dns) append(fields, 'DNSNames', stringsType, text(name.content))
    else if (name.tag === generalName.uri) append(fields, 'URIs', urlsType, urlValue(bytesFrom(name.content)))
    else if (name.tag === generalName.ip) append(fields, 'IPAddresses', ipsType, ipValue(name.content))
    else continue
    found = true
  }
  return found
}

const extendedUsages: Decoder = (value, fields) => {
  for (const { content } of value.inside(tag.sequence).rest()) {
    const usage = extendedKeyUsage(dotted(content))
    if (usage !== undefined) append(fields, 'ExtKeyUsage', extendedKeyUsagesType, usage)
    else append(fields, 'UnknownExtKeyUsage', objectIdentifiersType, objectIdentifierValue(content))
  }
  return true
}

const subjectKeyId: Decoder = (value, fields) => {
  fields.set('SubjectKeyId', bytesValue(value.expect(tag.octetString).content))
  return true
}

const authorityKeyId: Decoder = (value, fields) => {
  const identifier = value.inside(tag.sequence).optional(tag.context(0))
  if (identifier !== undefined) fields.set('AuthorityKeyId', bytesValue(identifier.content))
  return true
}

const distributionPoints: Decoder = (value, fields) => {
  for (const point of value.inside(tag.sequence).rest()) {
    const name = new DerReader(point.content).optional(tag.constructedContext(0))
    const fullName =
      name === undefined ? undefined : new DerReader(name.content).optional(tag.constructedContext(0))
    if (fullName === undefined) continue
    for (const uri of new DerReader(fullName.content).rest())
      if (uri.tag === generalName.uri) append(fields, 'CRLDistributionPoints', stringsType, text(uri.content))
  }
  return true
}

const ocsp = '1.3.6.1.5.5.7.48.1'
const issuers = '1.3.6.1.5.5.7.48.2'

const authorityAccess: Decoder = (value, fields) => {
  for (const access of value.inside(tag.sequence).rest()) {
    const description = new DerReader(access.content)
    const method = dotted(description.expect(tag.objectIdentifier).content)
    const location = description.next()
    if (location.tag !== generalName.uri) continue
    if (method === ocsp) append(fields, 'OCSPServer', stringsType, text(location.content))
    if (method === issuers) append(fields, 'IssuingCertificateURL', stringsType, text(location.content))
  }
  return true
}

const policies: Decoder = (value, fields) => {
  const identifiers: Uint8Array[] = []
  for (const policy of value.inside(tag.sequence).rest())
    identifiers.push(new DerReader(policy.content).expect(tag.objectIdentifier).content)
  append(fields, 'Policies', oidsType, ...identifiers.map(oidValue))
  const fitting = identifiers.filter(fitsObjectIdentifier).map(objectIdentifierValue)
  append(fields, 'PolicyIdentifiers', objectIdentifiersType, ...fitting)
  return true
}

const policyMappings: Decoder = (value, fields) => {
  for (const mapping of value.inside(tag.sequence).rest()) {
    const pair = new DerReader(mapping.content)
    const values = [pair.expect(tag.objectIdentifier), pair.expect(tag.objectIdentifier)]
    const oids = values.map((element) => oidValue(element.content))
    append(fields, 'PolicyMappings', policyMappingsType, structValue(policyMappingType, oids))
  }
  return true
}

function setCount(fields: CertificateFields, name: string, content: Uint8Array): void {
  const number = smallIntegerOf(content)
  fields.set(name, intValue(number, intType))
  fields.set(`${name}Zero`, boolValue(number === 0n))
}

const policyConstraints: Decoder = (value, fields) => {
  const constraints = value.inside(tag.sequence)
  const explicit = constraints.optional(tag.context(0))
  const mapping = constraints.optional(tag.context(1))
  if (explicit !== undefined) setCount(fields, 'RequireExplicitPolicy', explicit.content)
  if (mapping !== undefined) setCount(fields, 'InhibitPolicyMapping', mapping.content)
  return true
}

const inhibitAnyPolicy: Decoder = (value, fields) => {
  setCount(fields, 'InhibitAnyPolicy', value.expect(tag.integer).content)
  return true
}

const nameConstraints: Decoder = (value, fields) => {
  const constraints = value.inside(tag.sequence)
  let isComplete = true
  for (const [index, kind] of ['Permitted', 'Excluded'].entries()) {
    const subtrees = constraints.optional(tag.constructedContext(index))
    if (subtrees === undefined) continue
    for (const subtree of new DerReader(subtrees.content).rest()) {
      const name = new DerReader(subtree.content).next()
      if (name.tag === generalName.dns) append(fields, `${kind}DNSDomains`, stringsType, text(name.content))
      else if (name.tag === generalName.email)
        append(fields, `${kind}EmailAddresses`, stringsType, text(name.content))
      else if (name.tag === generalName.uri)
        append(fields, `${kind}URIDomains`, stringsType, text(name.content))
      else if (name.tag === generalName.ip)
        append(fields, `${kind}IPRanges`, networksType, networkValue(name.content))
      else isComplete = false
    }
  }
  return isComplete
}

const decoders: ReadonlyMap<string, Decoder> = new Map([
  ['2.5.29.14', subjectKeyId],
  ['2.5.29.15', keyUsage],
  ['2.5.29.17', alternativeNames],
  ['2.5.29.19', basicConstraints],
  ['2.5.29.30', nameConstraints],
  ['2.5.29.31', distributionPoints],
  ['2.5.29.32', policies],
  ['2.5.29.33', policyMappings],
  ['2.5.29.35', authorityKeyId],
  ['2.5.29.36', policyConstraints],
  ['2.5.29.37', extendedUsages],
  ['2.5.29.54', inhibitAnyPolicy],
  ['1.3.6.1.5.5.7.1.1', authorityAccess],
])

/** Decodes the list of extensions into the fields of a certificate. */
export function decodeExtensions(list: Uint8Array, fields: CertificateFields): void {
  for (const element of new DerReader(list).rest()) {
    const extension = new DerReader(element.content)
    const identifier = extension.expect(tag.objectIdentifier).content
    const critical = extension.optional(tag.boolean)
    const isCritical = critical !== undefined && booleanOf(critical.content)
    const { content } = extension.expect(tag.octetString)

    const id = objectIdentifierValue(identifier)
    const value = structValue(extensionType, [id, boolValue(isCritical), bytesValue(content)])
    append(fields, 'Extensions', extensionsType, value)

    const oid = dotted(identifier)
    const isHandled = decoders.get(oid)?.(new DerReader(content), fields) ?? false
    if (!isHandled && isCritical) append(fields, 'UnhandledCriticalExtensions', objectIdentifiersType, id)
    if (oid === '2.5.29.30') fields.set('PermittedDNSDomainsCritical', boolValue(isCritical))
  }
}
