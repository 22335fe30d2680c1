import { constants, createHash, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import {
  bitString,
  boolean,
  element,
  enumerated,
  explicit,
  implicit,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
  set,
  time,
  utf8String,
} from './der.ts'

// Makes X.509 certificates and revocation lists (RFC 5280) from their fields, the wrong ones too.

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

/** How an issuer signs. */
export type SignatureKind = 'ecdsa-sha256' | 'ecdsa-sha384' | 'rsa-pss-sha384'

/** Attributes of a name in their order: X.520's short names, and values. */
export type Name = readonly (readonly ['CN' | 'O' | 'OU' | 'L' | 'ST' | 'C', string])[]

export interface Extension {
  readonly oid: string
  readonly critical?: boolean
  /** The extension's own DER (or what stands in its place). */
  readonly value: Uint8Array
}

/** Whoever signs certificates and lists: name and key. */
export interface Issuer {
  readonly name: Name
  readonly key: KeyPair
  readonly signature: SignatureKind
}

export interface CertificateFields {
  /** Hex, positive. */
  readonly serial: string
  readonly subject: Name
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
  readonly extensions: readonly Extension[]
}

export interface RevocationListFields {
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  /** Hex, as in the certificates. */
  readonly revokedSerials: readonly string[]
  /** CRLNumber; default 1. */
  readonly number?: number
}

/** X.520. */
const ATTRIBUTE_OID = {
  CN: '2.5.4.3',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
} as const

/** RFC 5280, 4.2.1, 5.2 and 5.3. */
const EXTENSION_OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  cRLNumber: '2.5.29.20',
  subjectAltName: '2.5.29.17',
  reasonCode: '2.5.29.21',
  cRLDistributionPoints: '2.5.29.31',
  authorityKeyIdentifier: '2.5.29.35',
} as const

/** A certificate, DER. */
export function buildCertificate(fields: CertificateFields, issuer: Issuer): Buffer {
  const tbs = sequence(
    explicit(0, integer(2)),
    integer(fields.serial),
    ALGORITHM[issuer.signature],
    nameDer(issuer.name),
    sequence(time(fields.notBefore), time(fields.notAfter)),
    nameDer(fields.subject),
    fields.publicKey.export({ format: 'der', type: 'spki' }),
    ...(fields.extensions.length > 0 ? [explicit(3, sequence(...fields.extensions.map(extensionDer)))] : []),
  )
  return signed(tbs, issuer)
}

/** A revocation list, DER. */
export function buildRevocationList(fields: RevocationListFields, issuer: Issuer): Buffer {
  const revoked = fields.revokedSerials.map((serial) =>
    sequence(
      integer(serial),
      time(fields.thisUpdate),
      // keyCompromise, as on Intel's lists.
      sequence(extensionDer({ oid: EXTENSION_OID.reasonCode, value: enumerated(1) })),
    ),
  )
  const tbs = sequence(
    integer(1),
    ALGORITHM[issuer.signature],
    nameDer(issuer.name),
    time(fields.thisUpdate),
    time(fields.nextUpdate),
    ...(revoked.length > 0 ? [sequence(...revoked)] : []),
    explicit(
      0,
      sequence(
        extensionDer({ oid: EXTENSION_OID.cRLNumber, value: integer(fields.number ?? 1) }),
        extensionDer(authorityKeyIdentifier(issuer.key.publicKey)),
      ),
    ),
  )
  return signed(tbs, issuer)
}

/** Bits of KeyUsage, from the first octet's most significant one (RFC 5280, 4.2.1.3). */
export const KEY_USAGE = {
  digitalSignature: 0x80,
  nonRepudiation: 0x40,
  keyCertSign: 0x04,
  cRLSign: 0x02,
} as const

/** @param bits of {@link KEY_USAGE}, added up */
export function keyUsage(bits: number): Extension {
  // DER: no trailing zero bits.
  const unused = bits === 0 ? 0 : 31 - Math.clz32(bits & -bits)
  return { oid: EXTENSION_OID.keyUsage, critical: true, value: bitString(Buffer.of(bits), unused) }
}

export const certificateAuthority = (pathLength?: number): Extension => ({
  oid: EXTENSION_OID.basicConstraints,
  critical: true,
  value: sequence(boolean(true), ...(pathLength === undefined ? [] : [integer(pathLength)])),
})

/** BasicConstraints without CA: DER leaves the default out. */
export const noCertificateAuthority = (): Extension => ({
  oid: EXTENSION_OID.basicConstraints,
  critical: true,
  value: sequence(),
})

export const subjectKeyIdentifier = (key: KeyObject): Extension => ({
  oid: EXTENSION_OID.subjectKeyIdentifier,
  value: octetString(keyIdentifier(key)),
})

export const authorityKeyIdentifier = (key: KeyObject): Extension => ({
  oid: EXTENSION_OID.authorityKeyIdentifier,
  value: sequence(implicit(0, keyIdentifier(key))),
})

export const revocationListAt = (url: string): Extension => ({
  oid: EXTENSION_OID.cRLDistributionPoints,
  value: sequence(sequence(explicit(0, explicit(0, implicit(6, Buffer.from(url)))))),
})

/** Whom a TLS server may call itself: DNS names, and IPv4 addresses as four bytes. */
export const alternativeNames = (dns: readonly string[], ips: readonly Uint8Array[]): Extension => ({
  oid: EXTENSION_OID.subjectAltName,
  value: sequence(
    ...dns.map((name) => implicit(2, Buffer.from(name))),
    ...ips.map((address) => implicit(7, address)),
  ),
})

/** PEM, the certificates one after the other. */
export const pem = (...certificates: readonly Uint8Array[]): string =>
  certificates.map((der) => pemBlock('CERTIFICATE', der)).join('')

export function pemBlock(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}

/** Any value that differs from key to key will do (RFC 5280, 4.2.1.2). */
const keyIdentifier = (key: KeyObject): Buffer =>
  createHash('sha1')
    .update(key.export({ format: 'der', type: 'spki' }))
    .digest()

function signed(tbs: Uint8Array, { key, signature }: Issuer): Buffer {
  const digest = signature === 'ecdsa-sha256' ? 'sha256' : 'sha384'
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: PSS_SALT_LENGTH }
  const value = sign(digest, tbs, {
    key: key.privateKey,
    ...(signature === 'rsa-pss-sha384' ? pss : {}),
  })
  return sequence(tbs, ALGORITHM[signature], bitString(value))
}

const nameDer = (name: Name): Buffer =>
  sequence(
    ...name.map(([type, value]) => set(sequence(oid(ATTRIBUTE_OID[type]), attributeValue(type, value)))),
  )

/** PrintableString for countries (RFC 5280, appendix A: X520countryName). */
const attributeValue = (type: keyof typeof ATTRIBUTE_OID, value: string): Buffer =>
  type === 'C' ? element(0x13, Buffer.from(value)) : utf8String(value)

const extensionDer = ({ oid: type, critical, value }: Extension): Buffer =>
  sequence(oid(type), ...(critical === true ? [boolean(true)] : []), octetString(value))

/** Bytes; as long as the digest (RFC 4055, 3.1), as in AMD's certificates. */
const PSS_SALT_LENGTH = 48
const SHA384 = sequence(oid('2.16.840.1.101.3.4.2.2'), nothing())
const MGF1_SHA384 = sequence(oid('1.2.840.113549.1.1.8'), SHA384)

/** AlgorithmIdentifier of each signature (RFC 5758, 3.2; RFC 4055, 3.1). */
const ALGORITHM: Record<SignatureKind, Buffer> = {
  'ecdsa-sha256': sequence(oid('1.2.840.10045.4.3.2')),
  'ecdsa-sha384': sequence(oid('1.2.840.10045.4.3.3')),
  'rsa-pss-sha384': sequence(
    oid('1.2.840.113549.1.1.10'),
    sequence(explicit(0, SHA384), explicit(1, MGF1_SHA384), explicit(2, integer(PSS_SALT_LENGTH))),
  ),
}
