import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import {
  type Extension,
  type Issuer,
  type Name,
  type SignatureKind,
  buildCertificate as build,
  buildRevocationList,
  certificateAuthority,
  keyUsage,
} from '../../packages/tee-kit/src/encoding/x509.ts'

// Certificates and lists of the kit in short: names have a common name alone, serial numbers are small.

export interface CertificateFields {
  readonly serial?: number
  readonly issuer: string
  readonly subject: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
  readonly extensions: readonly Extension[]
}

export interface CrlFields {
  readonly issuer: string
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly revokedSerials: readonly number[]
}

const named = (commonName: string): Name => [['CN', commonName]]

const hex = (serial: number): string => {
  const digits = serial.toString(16)
  return digits.length % 2 === 0 ? digits : `0${digits}`
}

const issuerOf = (name: string, privateKey: KeyObject, signature: SignatureKind): Issuer => ({
  name: named(name),
  key: { privateKey, publicKey: createPublicKey(privateKey.export({ format: 'pem', type: 'pkcs8' })) },
  signature,
})

/** A certificate, DER. */
export const buildCertificate = (
  { serial = 1, issuer, subject, ...fields }: CertificateFields,
  key: KeyObject,
  signature: SignatureKind,
): Buffer =>
  build({ ...fields, serial: hex(serial), subject: named(subject) }, issuerOf(issuer, key, signature))

/** A revocation list, DER. */
export const buildCrl = (
  { issuer, revokedSerials, ...dates }: CrlFields,
  key: KeyObject,
  signature: SignatureKind,
): Buffer =>
  buildRevocationList({ ...dates, revokedSerials: revokedSerials.map(hex) }, issuerOf(issuer, key, signature))

/** What authorities need (RFC 5280, 4.2.1.3 and 4.2.1.9): they sign certificates and lists. */
export const authorityExtensions = (pathLength?: number): readonly [Extension, Extension] => [
  certificateAuthority(pathLength),
  keyUsage(0x06),
]
