import type { ObjectIdentifier } from '../manifest/model.ts'
import { element, tag } from './der.ts'

/**
 * Content octets of an object identifier (X.690, 8.19), or undefined when there is none for these arcs.
 *
 * As in Go, whose arcs are signed and whose encoder is recorded: an arc below 0 leaves no octet
 * (`unknown-eku-negative` in the recordings), and the first two arcs are checked before.
 */
export function encodeObjectIdentifier(arcs: ObjectIdentifier): Uint8Array | undefined {
  const [first, second, ...others] = arcs
  if (first === undefined || second === undefined || first > 2n || (first < 2n && second >= 40n))
    return undefined
  const octets = [first * 40n + second, ...others].flatMap(encodeArc)
  return octets.length === 0 ? undefined : Uint8Array.from(octets)
}

function encodeArc(arc: bigint): number[] {
  if (arc < 0n) return []
  const octets = [Number(arc & 0x7fn)]
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80)
  return octets
}

/** Arcs of any size are allowed in policies, and time to encode them grows with the square of it; characters. */
const longestDottedIdentifier = 512

/** Arcs of a dotted object identifier, or undefined when the text is none, or longer than 512 characters. */
export function parseDottedIdentifier(text: string): ObjectIdentifier | undefined {
  if (text.length > longestDottedIdentifier || !/^[0-9]+(\.[0-9]+)+$/.test(text)) return undefined
  return text.split('.').map(BigInt)
}

/** Dotted text of content octets that were read as an object identifier. */
export function dottedIdentifier(contents: Uint8Array): string {
  const arcs: bigint[] = []
  let value = 0n
  for (const octet of contents) {
    value = (value << 7n) | BigInt(octet & 0x7f)
    if (octet >= 0x80) continue
    if (arcs.length === 0) {
      const first = value < 80n ? value / 40n : 2n
      arcs.push(first, value - first * 40n)
    } else {
      arcs.push(value)
    }
    value = 0n
  }
  return arcs.join('.')
}

/** A known object identifier: its dotted text, which is also what code compares, and its encoding. */
export interface KnownIdentifier {
  readonly dotted: string
  /** The whole element. */
  readonly encoding: Uint8Array
}

export function known(dotted: string): KnownIdentifier {
  const contents = encodeObjectIdentifier(parseDottedIdentifier(dotted) ?? [])
  if (contents === undefined) throw new TypeError(`"${dotted}" is no object identifier`)
  return { dotted, encoding: element(tag.objectIdentifier, contents) }
}

/** Attributes of a name (RFC 5280, appendix A.1; `street` and `postalCode`: X.520). */
export const attribute = {
  commonName: known('2.5.4.3'),
  serialNumber: known('2.5.4.5'),
  country: known('2.5.4.6'),
  locality: known('2.5.4.7'),
  province: known('2.5.4.8'),
  streetAddress: known('2.5.4.9'),
  organization: known('2.5.4.10'),
  organizationalUnit: known('2.5.4.11'),
  postalCode: known('2.5.4.17'),
}

/** Certificate extensions (RFC 5280, section 4.2), and the one of MarbleRun (spec/secrets.md). */
export const extension = {
  subjectKeyIdentifier: known('2.5.29.14'),
  keyUsage: known('2.5.29.15'),
  subjectAltName: known('2.5.29.17'),
  basicConstraints: known('2.5.29.19'),
  nameConstraints: known('2.5.29.30'),
  crlDistributionPoints: known('2.5.29.31'),
  certificatePolicies: known('2.5.29.32'),
  policyMappings: known('2.5.29.33'),
  authorityKeyIdentifier: known('2.5.29.35'),
  policyConstraints: known('2.5.29.36'),
  extKeyUsage: known('2.5.29.37'),
  inhibitAnyPolicy: known('2.5.29.54'),
  authorityInfoAccess: known('1.3.6.1.5.5.7.1.1'),
  marbleType: known('1.3.9903.2.1'),
}

/** `ExtKeyUsage` of a template is an index into this list: Go's numbering (spec/secrets.md, recordings `eku-*`). */
export const extendedKeyUsages: readonly KnownIdentifier[] = [
  known('2.5.29.37.0'), // any
  known('1.3.6.1.5.5.7.3.1'), // serverAuth
  known('1.3.6.1.5.5.7.3.2'), // clientAuth
  known('1.3.6.1.5.5.7.3.3'), // codeSigning
  known('1.3.6.1.5.5.7.3.4'), // emailProtection
  known('1.3.6.1.5.5.7.3.5'), // ipsecEndSystem
  known('1.3.6.1.5.5.7.3.6'), // ipsecTunnel
  known('1.3.6.1.5.5.7.3.7'), // ipsecUser
  known('1.3.6.1.5.5.7.3.8'), // timeStamping
  known('1.3.6.1.5.5.7.3.9'), // OCSPSigning
  known('1.3.6.1.4.1.311.10.3.3'), // Microsoft server gated crypto
  known('2.16.840.1.113730.4.1'), // Netscape server gated crypto
  known('1.3.6.1.4.1.311.2.1.22'), // Microsoft commercial code signing
  known('1.3.6.1.4.1.311.61.1.1'), // Microsoft kernel code signing
]

/** Access methods of authorityInfoAccess (RFC 5280, 4.2.2.1). */
export const accessMethod = { ocsp: known('1.3.6.1.5.5.7.48.1'), caIssuers: known('1.3.6.1.5.5.7.48.2') }

/** Types of public keys (RFC 5480, RFC 3279, RFC 8410). */
export const keyType = {
  ec: known('1.2.840.10045.2.1'),
  rsa: known('1.2.840.113549.1.1.1'),
  ed25519: known('1.3.101.112'),
}

/** PKCS #9 attribute by which a request asks for extensions (RFC 2985, 5.4.2). */
export const extensionRequest: KnownIdentifier = known('1.2.840.113549.1.9.14')
