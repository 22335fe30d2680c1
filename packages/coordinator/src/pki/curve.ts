import { known, type KnownIdentifier } from './object-identifier.ts'

/**
 * The curve of the Coordinator's own PKI, with the hash of its signatures: SHA-256 on P-256, SHA-384 on P-384.
 * What users and marbles bring, and generated secrets, may be on other curves (`public-key.ts`).
 */
export type Curve = 'P-256' | 'P-384'

export const curves: readonly Curve[] = ['P-256', 'P-384']

/** Hash functions of ECDSA signatures, by Go's number of the signature algorithm (spec/secrets.md). */
export type Digest = 'sha1' | 'sha256' | 'sha384' | 'sha512'

export const curveDigest: Readonly<Record<Curve, Digest>> = { 'P-256': 'sha256', 'P-384': 'sha384' }

/** RFC 5758, 3.2, and for SHA-1 RFC 3279, 2.2.3. Parameters are absent. */
export const ecdsaWith: Readonly<Record<Digest, KnownIdentifier>> = {
  sha1: known('1.2.840.10045.4.1'),
  sha256: known('1.2.840.10045.4.3.2'),
  sha384: known('1.2.840.10045.4.3.3'),
  sha512: known('1.2.840.10045.4.3.4'),
}
