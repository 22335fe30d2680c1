import { parseIpAddress, shortestIpAddress } from '../pki/ip-address.ts'
import { encodeObjectIdentifier, parseDottedIdentifier } from '../pki/object-identifier.ts'
import { foldName } from '@taw/attestation'
import type { JsonObject, JsonValue } from './json.ts'
import type { CertificateTime } from './model.ts'
import { pathOf, type Place } from './path.ts'
import {
  anything,
  bytes,
  flag,
  list,
  record,
  reportWrongKind,
  signed64,
  text,
  type DecodeContext,
  type RecordOf,
  type Shape,
} from './shape.ts'
import { decodeBase64 } from './text-encodings.ts'
import { parseTime } from './time.ts'
import { uriText } from './uri.ts'

/** The JSON forms of Go's `x509.Certificate` and of the types in it (spec/secrets.md, "Certificate template"). */

function fromText<T>(expects: string, empty: () => T, parse: (text: string) => T | undefined): Shape<T> {
  return {
    expects,
    empty,
    read(value, place, former, context) {
      const parsed = value.kind === 'string' ? parse(value.value) : undefined
      if (parsed !== undefined) return parsed
      if (value.kind === 'string') {
        context.report.undecodable(
          pathOf(place),
          `must be ${expects}, but is ${shown(value.value)}`,
          value.start,
        )
      } else reportWrongKind(this, value, place, context)
      return former ?? empty()
    },
  }
}

const shown = (value: string): string =>
  value.length <= 100 ? JSON.stringify(value) : `a text of ${value.length} characters`

/** Go takes the empty text for an address without octets, and refuses it only when it is used. */
const ipAddress = fromText(
  'an IP address without zone and leading zeros',
  () => new Uint8Array(),
  (address) => {
    const octets = address === '' ? new Uint8Array() : parseIpAddress(address)
    return octets === undefined ? undefined : shortestIpAddress(octets)
  },
)

const dottedOid = fromText(
  'an object identifier in dotted form, as "1.3.6.1.4.1"',
  () => '',
  (dotted) => {
    const arcs = parseDottedIdentifier(dotted)
    // Leading zeros of arcs are dropped, as Go does.
    return arcs === undefined || encodeObjectIdentifier(arcs) === undefined ? undefined : arcs.join('.')
  },
)

/** Go's decoder looks at the JSON source of a time, in which escape sequences stay unread. */
const time: Shape<CertificateTime | undefined> = {
  expects: 'a time in RFC 3339 form with a zone, as "2030-12-31T23:59:59Z"',
  empty: () => undefined,
  read(value, place, former, context) {
    if (value.kind !== 'string') {
      reportWrongKind(this, value, place, context)
      return former
    }
    const source = Buffer.from(context.raw.subarray(value.start + 1, value.end - 1)).toString('latin1')
    const parsed = parseTime(source)
    if (parsed === undefined) {
      context.report.undecodable(
        pathOf(place),
        `must be ${this.expects}, but is ${shown(value.value)}`,
        value.start,
      )
    }
    return parsed
  },
}

/** An integer of any size. The original ignores its value, but refuses what is none. */
const bigInteger: Shape<undefined> = {
  expects: 'a whole number in plain digits',
  empty: () => undefined,
  read(value, place, _former, context) {
    if (value.kind !== 'number' || !/^-?\d+$/.test(value.text)) reportWrongKind(this, value, place, context)
    return undefined
  },
}

/** A list in which null has no meaning: the original crashes on it (spec/quirks.md). */
function withoutNull<T>(items: Shape<readonly T[]>): Shape<readonly T[]> {
  return {
    ...items,
    read(value, place, former, context) {
      for (const [index, element] of (value.kind === 'array' ? value.items : []).entries()) {
        if (element.kind === 'null') {
          context.report.undecodable(
            pathOf({ parent: place, key: index }),
            'must not be null: leave the entry out',
            element.start,
          )
        }
      }
      return items.read(value, place, former, context)
    },
  }
}

const texts = list(text)
const integers = list(signed64)
const oid = list(signed64)

const uriRecord = record({
  Scheme: text,
  Opaque: text,
  User: record({}),
  Host: text,
  Path: text,
  RawPath: text,
  OmitHost: flag,
  ForceQuery: flag,
  RawQuery: text,
  Fragment: text,
  RawFragment: text,
})

const uri: Shape<string> = {
  expects:
    'an object with the parts of a URI, as {"Scheme": "spiffe", "Host": "example.org", "Path": "/service"}',
  empty: () => '',
  read(value, place, _former, context) {
    if (value.kind !== 'object') {
      reportWrongKind(this, value, place, context)
      return ''
    }
    const parts = uriRecord.read(value, place, undefined, context)
    return uriText({
      scheme: parts.Scheme ?? '',
      opaque: parts.Opaque ?? '',
      hasUser: parts.User !== undefined,
      host: parts.Host ?? '',
      path: parts.Path ?? '',
      rawPath: parts.RawPath ?? '',
      omitHost: parts.OmitHost ?? false,
      forceQuery: parts.ForceQuery ?? false,
      rawQuery: parts.RawQuery ?? '',
      fragment: parts.Fragment ?? '',
      rawFragment: parts.RawFragment ?? '',
    })
  },
}

const attribute = record({ Type: oid, Value: anything })

const name = record({
  Country: texts,
  Organization: texts,
  OrganizationalUnit: texts,
  Locality: texts,
  Province: texts,
  StreetAddress: texts,
  PostalCode: texts,
  SerialNumber: text,
  CommonName: text,
  Names: list(attribute),
  ExtraNames: list(attribute),
})

const extension = record({ Id: oid, Critical: flag, Value: bytes })
const ipRanges = withoutNull(list(record({ IP: ipAddress, Mask: bytes })))

const effectiveFields = {
  Subject: name,
  RawSubject: bytes,
  NotAfter: time,
  KeyUsage: signed64,
  ExtKeyUsage: integers,
  UnknownExtKeyUsage: list(oid),
  IsCA: flag,
  MaxPathLen: signed64,
  MaxPathLenZero: flag,
  SubjectKeyId: bytes,
  AuthorityKeyId: bytes,
  DNSNames: texts,
  EmailAddresses: texts,
  IPAddresses: list(ipAddress),
  URIs: withoutNull(list(uri)),
  PermittedDNSDomainsCritical: flag,
  PermittedDNSDomains: texts,
  ExcludedDNSDomains: texts,
  PermittedIPRanges: ipRanges,
  ExcludedIPRanges: ipRanges,
  PermittedEmailAddresses: texts,
  ExcludedEmailAddresses: texts,
  PermittedURIDomains: texts,
  ExcludedURIDomains: texts,
  OCSPServer: texts,
  IssuingCertificateURL: texts,
  CRLDistributionPoints: texts,
  Policies: withoutNull(list(dottedOid)),
  ExtraExtensions: list(extension),
  SignatureAlgorithm: signed64,
}

/** Members that have no effect (golden/certificates/README.md), but must be of the right kind. */
const idleFields = {
  Raw: bytes,
  RawTBSCertificate: bytes,
  RawSubjectPublicKeyInfo: bytes,
  RawIssuer: bytes,
  Signature: bytes,
  PublicKeyAlgorithm: signed64,
  PublicKey: anything,
  Version: signed64,
  SerialNumber: bigInteger,
  Issuer: name,
  NotBefore: time,
  Extensions: list(extension),
  UnhandledCriticalExtensions: list(oid),
  BasicConstraintsValid: flag,
  PolicyIdentifiers: list(oid),
  PolicyMappings: list(record({ IssuerDomainPolicy: dottedOid, SubjectDomainPolicy: dottedOid })),
  RequireExplicitPolicy: signed64,
  RequireExplicitPolicyZero: flag,
  InhibitPolicyMapping: signed64,
  InhibitPolicyMappingZero: flag,
  InhibitAnyPolicy: signed64,
  InhibitAnyPolicyZero: flag,
}

/** What to write instead of a member that has no effect. */
const advice: Readonly<Record<string, string>> = {
  PolicyIdentifiers: ': give the policies in dotted form as "Policies"',
  Extensions: ': give them as "ExtraExtensions"',
  NotBefore: ': certificates are valid from when they are made',
  SerialNumber: ': serial numbers are random',
}
const idleNames = new Map(Object.keys(idleFields).map((field) => [foldName(field), field]))

const certificateFields = { ...effectiveFields, ...idleFields }
const certificateObject = record(certificateFields)

/** `Secrets.<name>.Cert` as an object. */
export type CertificateRecord = RecordOf<typeof certificateFields>
export type NameRecord = RecordOf<(typeof name)['fields']>

/** `Secrets.<name>.Cert`: the members of a template, or the DER of a certificate that serves as one. */
export type CertificateSource = CertificateRecord | Uint8Array

/** A string is base64 DER; unlike the original, which passes over what is no base64 (spec/quirks.md), we refuse it. */
export const certificateSource: Shape<CertificateSource> & { readonly fields: typeof certificateFields } = {
  fields: certificateFields,
  expects:
    'an object with the members of a certificate template, or a string with a certificate in base64 DER',
  empty: () => certificateObject.empty(),
  read(value, place, former, context) {
    if (value.kind === 'string') return readDer(value.value, value, place, context)
    if (value.kind !== 'object') {
      reportWrongKind(this, value, place, context)
      return certificateObject.empty()
    }
    warnOfNoEffect(value, place, context)
    return certificateObject.read(value, place, former instanceof Uint8Array ? undefined : former, context)
  },
}

function readDer(
  text: string,
  value: JsonValue,
  place: Place | undefined,
  context: DecodeContext,
): Uint8Array {
  const der = decodeBase64(text)
  if (der !== undefined) return der
  context.report.undecodable(
    pathOf(place),
    'a string here must be a certificate as base64 of its DER, with padding and without PEM lines, but is no base64',
    value.start,
  )
  return new Uint8Array()
}

function warnOfNoEffect(value: JsonObject, place: Place | undefined, { report }: DecodeContext): void {
  for (const member of value.members) {
    const field = idleNames.get(foldName(member.name))
    if (field === undefined || member.value.kind === 'null') continue
    const message = `has no effect on generated certificates${advice[field] ?? ''}`
    report.warn(pathOf({ parent: place, key: field }), message, member.start)
  }
}
