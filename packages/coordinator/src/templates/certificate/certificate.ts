import {
  anyType,
  boolType,
  bytesType,
  bytesValue,
  intType,
  intValue,
  stringsType,
  zeroValue,
  type GoMethod,
  type GoType,
  type GoValue,
  type StructType,
  type StructValue,
} from '../values.ts'
import { ipsType, networksType } from './addresses.ts'
import { momentOf, type Moment } from './civil.ts'
import { bitStringBytes, DerReader, hexOf, integerOf, smallIntegerOf, tag, type Element } from './der.ts'
import {
  extendedKeyUsagesType,
  keyAlgorithmType,
  keyUsageType,
  signatureAlgorithm,
  signatureAlgorithmType,
} from './enumerations.ts'
import { decodeExtensions, extensionsType, policyMappingsType, type CertificateFields } from './extensions.ts'
import { decodeKey } from './keys.ts'
import { getter } from './methods.ts'
import { nameType, nameValue } from './names.ts'
import { bigIntType, bigIntValue } from './numbers.ts'
import { dotted, objectIdentifiersType, oidsType } from './oids.ts'
import { timeType, timeValue } from './times.ts'
import { urlsType } from './urls.ts'
import { Fault } from '../error.ts'

/** The fields of Go 1.26's x509.Certificate in their order, which is the one they print in. */
const fieldTypes: readonly (readonly [name: string, type: GoType])[] = [
  ['Raw', bytesType],
  ['RawTBSCertificate', bytesType],
  ['RawSubjectPublicKeyInfo', bytesType],
  ['RawSubject', bytesType],
  ['RawIssuer', bytesType],
  ['Signature', bytesType],
  ['SignatureAlgorithm', signatureAlgorithmType],
  ['PublicKeyAlgorithm', keyAlgorithmType],
  ['PublicKey', anyType],
  ['Version', intType],
  ['SerialNumber', bigIntType],
  ['Issuer', nameType],
  ['Subject', nameType],
  ['NotBefore', timeType],
  ['NotAfter', timeType],
  ['KeyUsage', keyUsageType],
  ['Extensions', extensionsType],
  ['ExtraExtensions', extensionsType],
  ['UnhandledCriticalExtensions', objectIdentifiersType],
  ['ExtKeyUsage', extendedKeyUsagesType],
  ['UnknownExtKeyUsage', objectIdentifiersType],
  ['BasicConstraintsValid', boolType],
  ['IsCA', boolType],
  ['MaxPathLen', intType],
  ['MaxPathLenZero', boolType],
  ['SubjectKeyId', bytesType],
  ['AuthorityKeyId', bytesType],
  ['OCSPServer', stringsType],
  ['IssuingCertificateURL', stringsType],
  ['DNSNames', stringsType],
  ['EmailAddresses', stringsType],
  ['IPAddresses', ipsType],
  ['URIs', urlsType],
  ['PermittedDNSDomainsCritical', boolType],
  ['PermittedDNSDomains', stringsType],
  ['ExcludedDNSDomains', stringsType],
  ['PermittedIPRanges', networksType],
  ['ExcludedIPRanges', networksType],
  ['PermittedEmailAddresses', stringsType],
  ['ExcludedEmailAddresses', stringsType],
  ['PermittedURIDomains', stringsType],
  ['ExcludedURIDomains', stringsType],
  ['CRLDistributionPoints', stringsType],
  ['PolicyIdentifiers', objectIdentifiersType],
  ['Policies', oidsType],
  ['InhibitAnyPolicy', intType],
  ['InhibitAnyPolicyZero', boolType],
  ['InhibitPolicyMapping', intType],
  ['InhibitPolicyMappingZero', boolType],
  ['RequireExplicitPolicy', intType],
  ['RequireExplicitPolicyZero', boolType],
  ['PolicyMappings', policyMappingsType],
]

const methods = new Map<string, GoMethod>()

export const certificateType: StructType = {
  kind: 'struct',
  name: 'manifest.Certificate',
  methods,
  fields: fieldTypes.map(([name, type]) => ({ name, type })),
}

/**
 * A certificate whose fields are decoded when the first one but `.Raw` is reached. Without one, all fields are zero.
 *
 * Reaching a field throws a Fault where the DER cannot be decoded.
 */
export function certificateValue(der: Uint8Array | undefined): StructValue {
  let decoded: CertificateFields | undefined
  return {
    kind: 'struct',
    type: certificateType,
    field: (index) => {
      if (index === 0) return bytesValue(der)
      decoded ??= der === undefined ? new Map() : decode(der)
      const [name, type] = fieldTypes[index] ?? ['', anyType]
      return decoded.get(name) ?? zeroValue(type)
    },
  }
}

/** The DER of a certificate value; undefined where there is none. */
export function rawOf(certificate: StructValue): Uint8Array | undefined {
  const raw = certificate.field(0)
  return raw.kind === 'bytes' ? raw.data : undefined
}

methods.set(
  'MarshalJSON',
  getter((value) => {
    const raw = value.kind === 'struct' ? rawOf(value) : undefined
    const text = raw === undefined ? 'null' : `"${Buffer.from(raw).toString('base64')}"`
    return bytesValue(Buffer.from(text))
  }),
)

/** Certificate and TBSCertificate (RFC 5280, 4.1). */
function decode(der: Uint8Array): CertificateFields {
  const certificate = new DerReader(der).inside(tag.sequence)
  const signed = certificate.expect(tag.sequence)
  const algorithm = certificate.expect(tag.sequence)
  const fields: CertificateFields = new Map<string, GoValue>([
    ['RawTBSCertificate', bytesValue(signed.whole)],
    ['SignatureAlgorithm', decodeSignatureAlgorithm(algorithm)],
    ['Signature', bytesValue(bitStringBytes(certificate.expect(tag.bitString).content))],
  ])

  const body = new DerReader(signed.content)
  const version = body.optional(tag.constructedContext(0))
  const number =
    version === undefined ? 0n : smallIntegerOf(new DerReader(version.content).expect(tag.integer).content)
  fields.set('Version', intValue(number + 1n))
  fields.set('SerialNumber', bigIntValue(integerOf(body.expect(tag.integer).content)))
  body.expect(tag.sequence)
  setName(fields, 'Issuer', body.expect(tag.sequence))
  const validity = body.inside(tag.sequence)
  fields.set('NotBefore', timeValue(decodeTime(validity.next())))
  fields.set('NotAfter', timeValue(decodeTime(validity.next())))
  setName(fields, 'Subject', body.expect(tag.sequence))
  setKey(fields, body.expect(tag.sequence).whole)

  for (const element of body.rest())
    if (element.tag === tag.constructedContext(3))
      decodeExtensions(new DerReader(element.content).expect(tag.sequence).content, fields)
  return fields
}

function setName(fields: CertificateFields, name: string, element: Element): void {
  fields.set(name, nameValue(element.content))
  fields.set(`Raw${name}`, bytesValue(element.whole))
}

function setKey(fields: CertificateFields, info: Uint8Array): void {
  const key = decodeKey(info)
  fields.set('RawSubjectPublicKeyInfo', bytesValue(info))
  fields.set('PublicKeyAlgorithm', intValue(key.algorithm, keyAlgorithmType))
  fields.set('PublicKey', key.value)
}

function decodeSignatureAlgorithm(algorithm: Element): GoValue {
  const reader = new DerReader(algorithm.content)
  return signatureAlgorithm(dotted(reader.expect(tag.objectIdentifier).content), hexOf(algorithm.content))
}

/** UTCTime has two digits for the year, from 1950 to 2049 (RFC 5280, 4.1.2.5.1). */
function decodeTime(element: Element): Moment {
  const text = Buffer.from(element.content).toString('latin1')
  const match = /^(\d{2,4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  const [year, ...others] = (match ?? []).slice(1).map(Number)
  const [month = 1, day = 1, hour = 0, minute = 0, second = 0] = others
  if (year === undefined) throw new Fault('the certificate has a time that cannot be decoded')
  const isShort = element.tag === tag.utcTime
  return momentOf(isShort ? year + (year >= 50 ? 1900 : 2000) : year, month, day, hour, minute, second)
}
