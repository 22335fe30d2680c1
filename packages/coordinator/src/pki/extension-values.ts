/**
 * Reads the values of extensions back, as Go's `crypto/x509` does: the original reads back every certificate that it
 * makes, and refuses the template where that fails. Octets behind the outermost element of a value are passed over,
 * as there.
 */
import type { CertificateTemplate, IpRange } from '../manifest/model.ts'
import { constructedContextTag, contextTag, tag } from './der.ts'
import { DerError, DerReader } from './der-reader.ts'
import { parseIpAddress } from './ip-address.ts'
import { isMailboxConstraint } from './mailbox.ts'
import { dottedIdentifier, extension } from './object-identifier.ts'
import { asciiText } from './strings.ts'
import { domainProblem, uriProblem } from './uri.ts'

export interface AlternativeNames {
  readonly dnsNames: readonly string[]
  readonly emailAddresses: readonly string[]
  /** 4 or 16 octets each. */
  readonly ipAddresses: readonly Uint8Array[]
  readonly uris: readonly string[]
}

/** Numbers of the kinds of GeneralName that are read (RFC 5280, 4.2.1.6); other kinds are passed over. */
const generalName = { email: contextTag(1), dns: contextTag(2), uri: contextTag(6), ip: contextTag(7) }

/** @throws DerError */
export function parseSubjectAltName(value: Uint8Array): AlternativeNames {
  const dnsNames: string[] = []
  const emailAddresses: string[] = []
  const ipAddresses: Uint8Array[] = []
  const uris: string[] = []
  const names = new DerReader(value).enterSequence('subjectAltName')
  while (!names.isAtEnd) {
    const { identifier, contents } = names.readAny('a name in subjectAltName')
    if (identifier === generalName.dns) dnsNames.push(asciiText(contents, 'a dNSName'))
    else if (identifier === generalName.email) emailAddresses.push(asciiText(contents, 'an rfc822Name'))
    else if (identifier === generalName.ip) ipAddresses.push(ipAddress(contents))
    else if (identifier === generalName.uri) uris.push(readableUri(contents))
  }
  return { dnsNames, emailAddresses, ipAddresses, uris }
}

function ipAddress(octets: Uint8Array): Uint8Array {
  if (octets.length !== 4 && octets.length !== 16) {
    throw new DerError(`an iPAddress has ${octets.length} octets instead of 4 or 16`)
  }
  return octets
}

function readableUri(octets: Uint8Array): string {
  const uri = asciiText(octets, 'a uniformResourceIdentifier')
  const problem = uriProblem(uri)
  if (problem !== undefined)
    throw new DerError(`the uniformResourceIdentifier "${uri}" can't be read: ${problem}`)
  return uri
}

/** Go's bit set: bit 0 of the value is the first bit of the BIT STRING. Bits from the tenth on are passed over. */
export function parseKeyUsage(value: Uint8Array): number {
  const { octets } = new DerReader(value).readBitString('keyUsage')
  const bit = (index: number): number => ((octets[index >> 3] ?? 0) >> (7 - (index % 8))) & 1
  return Array.from({ length: 9 }, (_, index) => bit(index) << index).reduce((sum, flag) => sum | flag, 0)
}

/** `maxPathLen` is -1 when the extension gives none. */
export function parseBasicConstraints(value: Uint8Array): {
  readonly isCa: boolean
  readonly maxPathLen: number
} {
  const fields = new DerReader(value).enterSequence('basicConstraints')
  const isCa = fields.nextIdentifier === tag.boolean && fields.readBoolean('cA of basicConstraints')
  const hasLength = fields.nextIdentifier === tag.integer
  return {
    isCa,
    maxPathLen: hasLength ? fields.readSmallInteger('pathLenConstraint of basicConstraints') : -1,
  }
}

export const parseSubjectKeyIdentifier = (value: Uint8Array): Uint8Array =>
  new DerReader(value).read(tag.octetString, 'subjectKeyIdentifier').contents

/** The key identifier, undefined when the extension names the authority in another way. */
export function parseAuthorityKeyIdentifier(value: Uint8Array): Uint8Array | undefined {
  const fields = new DerReader(value).enterSequence('authorityKeyIdentifier')
  return fields.readOptional(contextTag(0), 'keyIdentifier of authorityKeyIdentifier')?.contents
}

/** Dotted purposes. */
export function parseExtKeyUsage(value: Uint8Array): readonly string[] {
  return readAll(new DerReader(value).enterSequence('extKeyUsage'), (purposes) =>
    dottedIdentifier(purposes.readObjectIdentifier('a purpose of extKeyUsage')),
  )
}

/** Dotted policies. Their arcs may be of any size. */
export function parseCertificatePolicies(value: Uint8Array): readonly string[] {
  const policies = readAll(new DerReader(value).enterSequence('certificatePolicies'), (policy) => {
    const fields = policy.enterSequence('a policy of certificatePolicies')
    return dottedIdentifier(fields.readLongObjectIdentifier('policyIdentifier'))
  })
  if (new Set(policies).size < policies.length) throw new DerError('certificatePolicies names a policy twice')
  return policies
}

/** URIs of the distribution points that are given by full names. */
export function parseCrlDistributionPoints(value: Uint8Array): readonly string[] {
  const points = new DerReader(value).enterSequence('cRLDistributionPoints')
  return readAll(points, (reader) => {
    const point = reader.enterSequence('a point of cRLDistributionPoints')
    const name = point.readOptional(constructedContextTag(0), 'distributionPoint')
    if (name === undefined) return []
    const fullName = new DerReader(name.contents).read(
      constructedContextTag(0),
      'fullName of a distributionPoint',
    )
    const uris = new DerReader(fullName.contents)
    const found: string[] = []
    while (uris.nextIdentifier === generalName.uri)
      found.push(octetText(uris.readAny('a URI of a fullName').contents))
    return found
  }).flat()
}

/** URIs of the access descriptions, with their dotted methods. */
export function parseAuthorityInfoAccess(value: Uint8Array): readonly { method: string; uri: string }[] {
  const descriptions = new DerReader(value).enterSequence('authorityInfoAccess')
  return readAll(descriptions, (reader) => {
    const description = reader.enterSequence('a description of authorityInfoAccess')
    const method = dottedIdentifier(description.readObjectIdentifier('accessMethod'))
    const location = description.readOptional(generalName.uri, 'accessLocation')
    return location === undefined ? [] : [{ method, uri: octetText(location.contents) }]
  }).flat()
}

export type NameConstraints = Pick<
  CertificateTemplate,
  | 'permittedDnsDomains'
  | 'excludedDnsDomains'
  | 'permittedIpRanges'
  | 'excludedIpRanges'
  | 'permittedEmailAddresses'
  | 'excludedEmailAddresses'
  | 'permittedUriDomains'
  | 'excludedUriDomains'
>

export function parseNameConstraints(value: Uint8Array): NameConstraints {
  const outer = new DerReader(value)
  const fields = outer.enterSequence('nameConstraints')
  outer.end('nameConstraints')
  const permitted =
    fields.readOptional(constructedContextTag(0), 'permittedSubtrees')?.contents ?? new Uint8Array()
  const excluded =
    fields.readOptional(constructedContextTag(1), 'excludedSubtrees')?.contents ?? new Uint8Array()
  fields.end('excludedSubtrees')
  if (permitted.length + excluded.length === 0) throw new DerError('nameConstraints has no subtree')
  const allowed = parseSubtrees(permitted)
  const denied = parseSubtrees(excluded)
  return {
    permittedDnsDomains: allowed.dns,
    excludedDnsDomains: denied.dns,
    permittedIpRanges: allowed.ip,
    excludedIpRanges: denied.ip,
    permittedEmailAddresses: allowed.email,
    excludedEmailAddresses: denied.email,
    permittedUriDomains: allowed.uri,
    excludedUriDomains: denied.uri,
  }
}

interface Subtrees {
  readonly dns: string[]
  readonly ip: IpRange[]
  readonly email: string[]
  readonly uri: string[]
}

function parseSubtrees(octets: Uint8Array): Subtrees {
  const found: Subtrees = { dns: [], ip: [], email: [], uri: [] }
  const subtrees = new DerReader(octets)
  while (!subtrees.isAtEnd) {
    const { identifier, contents } = subtrees.enterSequence('a subtree').readAny('the base of a subtree')
    if (identifier === generalName.ip) {
      found.ip.push(ipRange(contents))
      continue
    }
    const kind = identifier === generalName.dns ? 'dns' : identifier === generalName.email ? 'email' : 'uri'
    if (kind === 'uri' && identifier !== generalName.uri) continue
    const text = asciiText(contents, 'a constraint')
    const problem = constraintProblem(kind, text)
    if (problem !== undefined) throw new DerError(problem)
    found[kind].push(text)
  }
  return found
}

/** Undefined when the name can stand in nameConstraints, else what is wrong with it. */
export function constraintProblem(kind: 'dns' | 'email' | 'uri', text: string): string | undefined {
  if (kind === 'uri' && parseIpAddress(text) !== undefined)
    return `"${text}" is an IP address instead of a domain`
  if (kind === 'email' && text.includes('@')) {
    return isMailboxConstraint(text) ? undefined : `"${text}" is no e-mail address`
  }
  // A leading dot stands for the subdomains alone; a dot by itself has none to stand for.
  return domainProblem(text.length > 1 && text.startsWith('.') ? text.slice(1) : text)
}

function ipRange(octets: Uint8Array): IpRange {
  if (octets.length !== 8 && octets.length !== 32) {
    throw new DerError(`an IP range has ${octets.length} octets instead of 8 or 32`)
  }
  const half = octets.length / 2
  const range = { ip: octets.subarray(0, half), mask: octets.subarray(half) }
  if (!isPrefixMask(range.mask)) throw new DerError('the mask of an IP range has a 1 after a 0')
  return range
}

/** True when no bit 1 follows a bit 0. */
export function isPrefixMask(mask: Uint8Array): boolean {
  const bits = Array.from(mask, (octet) => octet.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(bits)
}

/**
 * Fails when an extension can't be read back. Extensions that nobody here knows pass.
 *
 * @throws DerError
 */
export function checkReadable(dotted: string, isCritical: boolean, value: Uint8Array): void {
  if (isCritical && neverCritical.has(dotted))
    throw new DerError(`the extension ${dotted} must not be critical`)
  readers.get(dotted)?.(value)
}

/** RFC 5280, 4.2.1.1, 4.2.1.2 and 4.2.2.1. */
const neverCritical = new Set([
  extension.subjectKeyIdentifier.dotted,
  extension.authorityKeyIdentifier.dotted,
  extension.authorityInfoAccess.dotted,
])

const readers = new Map<string, (value: Uint8Array) => unknown>([
  [extension.subjectKeyIdentifier.dotted, parseSubjectKeyIdentifier],
  [extension.keyUsage.dotted, parseKeyUsage],
  [extension.subjectAltName.dotted, parseSubjectAltName],
  [extension.basicConstraints.dotted, parseBasicConstraints],
  [extension.nameConstraints.dotted, parseNameConstraints],
  [extension.crlDistributionPoints.dotted, parseCrlDistributionPoints],
  [extension.certificatePolicies.dotted, parseCertificatePolicies],
  [extension.policyMappings.dotted, parsePolicyMappings],
  [extension.authorityKeyIdentifier.dotted, parseAuthorityKeyIdentifier],
  [extension.policyConstraints.dotted, parsePolicyConstraints],
  [extension.extKeyUsage.dotted, parseExtKeyUsage],
  [
    extension.inhibitAnyPolicy.dotted,
    (value) => {
      readInteger64(new DerReader(value), 'inhibitAnyPolicy')
    },
  ],
  [extension.authorityInfoAccess.dotted, parseAuthorityInfoAccess],
])

function parsePolicyMappings(value: Uint8Array): void {
  readAll(new DerReader(value).enterSequence('policyMappings'), (reader) => {
    const mapping = reader.enterSequence('a mapping of policyMappings')
    mapping.read(tag.objectIdentifier, 'issuerDomainPolicy')
    mapping.read(tag.objectIdentifier, 'subjectDomainPolicy')
  })
}

function parsePolicyConstraints(value: Uint8Array): void {
  const fields = new DerReader(value).enterSequence('policyConstraints')
  for (const [number, what] of ['requireExplicitPolicy', 'inhibitPolicyMapping'].entries()) {
    if (fields.nextIdentifier === contextTag(number)) readInteger64(fields, what, contextTag(number))
  }
}

/** What Go's `int64` holds, of either sign. */
function readInteger64(reader: DerReader, what: string, identifier?: number): void {
  if (reader.readInteger(what, identifier).length > 8) throw new DerError(`${what} is out of range`)
}

function readAll<T>(reader: DerReader, readOne: (reader: DerReader) => T): T[] {
  const all: T[] = []
  while (!reader.isAtEnd) all.push(readOne(reader))
  return all
}

/** Locations are given in octets that nobody checks; in practice they are UTF-8. */
const octetText = (octets: Uint8Array): string => Buffer.from(octets).toString('utf8')
