import { createHash } from 'node:crypto'
import type { IpRange } from '../manifest/model.ts'
import {
  booleanTrue,
  constructedContextTag,
  contextTag,
  element,
  octetString,
  sequence,
  smallInteger,
  tag,
  utf8,
} from './der.ts'
import type { AlternativeNames, NameConstraints } from './extension-values.ts'
import { shortestIpAddress } from './ip-address.ts'
import { accessMethod, extendedKeyUsages, extension, type KnownIdentifier } from './object-identifier.ts'
import { parsePublicKey } from './public-key.ts'

/** DER of one Extension (RFC 5280, 4.1). `critical` is written only when true, as DER wants. */
export const encodeExtension = (
  identifier: Uint8Array,
  isCritical: boolean,
  value: Uint8Array,
): Uint8Array =>
  isCritical
    ? sequence(identifier, booleanTrue, octetString(value))
    : sequence(identifier, octetString(value))

const critical = ({ encoding }: KnownIdentifier, value: Uint8Array): Uint8Array =>
  encodeExtension(encoding, true, value)

const plain = ({ encoding }: KnownIdentifier, value: Uint8Array): Uint8Array =>
  encodeExtension(encoding, false, value)

/** Bits of key usages in Go's bit set (spec/secrets.md). */
export const keyUsageBit = { digitalSignature: 1, keyAgreement: 16, certSign: 32 } as const

/** `bits`: Go's bit set of 16 bits, of which the lowest is the first of the BIT STRING; unnamed bits are written. */
export function keyUsage(bits: number): Uint8Array {
  const octets = [reverseBits(bits & 0xff), reverseBits((bits >> 8) & 0xff)]
  if (octets[1] === 0) octets.pop()
  // X.690, 11.2.2: trailing 0 bits are not counted. No bit at all leaves an octet that doesn't count either, as in Go.
  const last = octets.at(-1) ?? 0
  const unusedBits = last === 0 ? 0 : 31 - Math.clz32(last & -last)
  return critical(extension.keyUsage, element(tag.bitString, Uint8Array.of(unusedBits, ...octets)))
}

function reverseBits(octet: number): number {
  let reversed = 0
  for (let bit = 0; bit < 8; bit++) reversed |= ((octet >> bit) & 1) << (7 - bit)
  return reversed
}

/** @param purposes whole elements, at least one. */
export const extKeyUsage = (purposes: readonly Uint8Array[]): Uint8Array =>
  plain(extension.extKeyUsage, sequence(purposes))

/** Element of a purpose in Go's numbering, undefined when there is no such number. */
export const purposeByNumber = (number: number): Uint8Array | undefined => extendedKeyUsages[number]?.encoding

/** What all certificates of the PKI have, and generated ones unless their template says otherwise. */
export const serverAndClientAuth: Uint8Array = extKeyUsage(
  [1, 2].flatMap((number) => purposeByNumber(number) ?? []),
)

/** @param pathLength undefined: no limit. */
export function basicConstraints(isCa: boolean, pathLength?: number): Uint8Array {
  const fields = isCa ? [booleanTrue] : []
  if (pathLength !== undefined) fields.push(smallInteger(pathLength))
  return critical(extension.basicConstraints, sequence(fields))
}

export const subjectKeyIdentifier = (identifier: Uint8Array): Uint8Array =>
  plain(extension.subjectKeyIdentifier, octetString(identifier))

/** First 20 octets of SHA-256 over the bits of the key (RFC 7093, section 2, method 1). */
export function keyIdentifier(publicKey: Uint8Array): Uint8Array {
  return createHash('sha256').update(parsePublicKey(publicKey).bits).digest().subarray(0, 20)
}

export const authorityKeyIdentifier = (identifier: Uint8Array): Uint8Array =>
  plain(extension.authorityKeyIdentifier, sequence(element(contextTag(0), identifier)))

/** @param ocspServers listed before `issuingUrls`; all in any characters. */
export function authorityInfoAccess(
  ocspServers: readonly string[],
  issuingUrls: readonly string[],
): Uint8Array {
  const describe =
    ({ encoding }: KnownIdentifier) =>
    (url: string): Uint8Array =>
      sequence(encoding, uriName(url))
  return plain(
    extension.authorityInfoAccess,
    sequence(ocspServers.map(describe(accessMethod.ocsp)), issuingUrls.map(describe(accessMethod.caIssuers))),
  )
}

const uriName = (uri: string): Uint8Array => element(contextTag(6), utf8(uri))

/**
 * Names in the order of their kinds: DNS names, e-mail addresses, IP addresses (IPv4 as 4 octets, mapped ones too),
 * URIs. Critical when the subject is empty (RFC 5280, 4.2.1.6).
 */
export function subjectAltName(names: AlternativeNames, isSubjectEmpty: boolean): Uint8Array {
  const value = sequence(
    names.dnsNames.map((name) => element(contextTag(2), utf8(name))),
    names.emailAddresses.map((address) => element(contextTag(1), utf8(address))),
    names.ipAddresses.map((address) => element(contextTag(7), shortestIpAddress(address))),
    names.uris.map(uriName),
  )
  return encodeExtension(extension.subjectAltName.encoding, isSubjectEmpty, value)
}

export const hasNames = (names: AlternativeNames): boolean =>
  names.dnsNames.length + names.emailAddresses.length + names.ipAddresses.length + names.uris.length > 0

/** @param policies content octets of object identifiers. */
export const certificatePolicies = (policies: readonly Uint8Array[]): Uint8Array =>
  plain(
    extension.certificatePolicies,
    sequence(policies.map((policy) => sequence(element(tag.objectIdentifier, policy)))),
  )

/** @param constraints with IP ranges whose address and mask are equally long. */
export function nameConstraints(constraints: NameConstraints, isCritical: boolean): Uint8Array {
  const permitted = subtrees(
    constraints.permittedDnsDomains,
    constraints.permittedIpRanges,
    constraints.permittedEmailAddresses,
    constraints.permittedUriDomains,
  )
  const excluded = subtrees(
    constraints.excludedDnsDomains,
    constraints.excludedIpRanges,
    constraints.excludedEmailAddresses,
    constraints.excludedUriDomains,
  )
  const fields = [permitted, excluded].flatMap((parts, number) =>
    parts.length > 0 ? [element(constructedContextTag(number), parts)] : [],
  )
  return encodeExtension(extension.nameConstraints.encoding, isCritical, sequence(fields))
}

function subtrees(
  dnsDomains: readonly string[],
  ipRanges: readonly IpRange[],
  emailAddresses: readonly string[],
  uriDomains: readonly string[],
): readonly Uint8Array[] {
  const named = (number: number) => (name: string) => sequence(element(contextTag(number), utf8(name)))
  return [
    ...dnsDomains.map(named(2)),
    ...ipRanges.map(({ ip, mask }) => sequence(element(contextTag(7), maskedAddress(ip, mask), mask))),
    ...emailAddresses.map(named(1)),
    ...uriDomains.map(named(6)),
  ]
}

const maskedAddress = (ip: Uint8Array, mask: Uint8Array): Uint8Array =>
  ip.map((octet, index) => octet & (mask[index] ?? 0))

/** One distribution point for each URI, which may have any characters. */
export const crlDistributionPoints = (uris: readonly string[]): Uint8Array =>
  plain(
    extension.crlDistributionPoints,
    sequence(
      uris.map((uri) =>
        sequence(element(constructedContextTag(0), element(constructedContextTag(0), uriName(uri)))),
      ),
    ),
  )

/** The raw octets of the type's name, without an inner DER string (spec/secrets.md). */
export const marbleType = (name: string): Uint8Array => plain(extension.marbleType, utf8(name))
