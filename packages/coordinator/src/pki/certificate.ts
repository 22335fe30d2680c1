import { randomBytes, sign, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { curveDigest, ecdsaWith, type Curve, type Digest } from './curve.ts'
import { bitString, constructedContextTag, element, sequence, smallInteger, unsignedInteger } from './der.ts'
import { encodeValidity, type Validity } from './time.ts'

/** Whoever signs a certificate. */
export interface Signer {
  /** DER of the Name that stands as issuer. */
  readonly name: Uint8Array
  readonly curve: Curve
  readonly key: KeyObject
}

export interface CertificateContents {
  /** DER of a Name. */
  readonly subject: Uint8Array
  readonly validity: Validity
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array
  /** DER of each extension, in order; at least one. */
  readonly extensions: readonly Uint8Array[]
}

/** [0] version 3, which is written as 2 (RFC 5280, 4.1.2.1). */
const version3 = element(constructedContextTag(0), smallInteger(2))

/**
 * Signs a certificate with a new random serial number.
 *
 * @param digest another hash than the one that belongs to the signer's curve.
 * @returns DER
 */
export async function issueCertificate(
  signer: Signer,
  contents: CertificateContents,
  digest: Digest = curveDigest[signer.curve],
): Promise<Uint8Array> {
  // 128 random bits (spec/secrets.md), so up to 17 octets.
  const toBeSigned = encodeContents(signer.name, randomBytes(16), contents, digest)
  return withSignature(toBeSigned, digest, await signEcdsa(signer, digest, toBeSigned))
}

/** A certificate that nobody signed, for trying out templates: of the right form and size. */
export function encodeUnsigned(issuerName: Uint8Array, contents: CertificateContents): Uint8Array {
  const number = unsignedInteger(new Uint8Array(32).fill(0xff))
  const toBeSigned = encodeContents(issuerName, new Uint8Array(16).fill(0x7f), contents, 'sha256')
  return withSignature(toBeSigned, 'sha256', sequence(number, number))
}

function encodeContents(
  issuerName: Uint8Array,
  serialNumber: Uint8Array,
  { subject, validity, publicKey, extensions }: CertificateContents,
  digest: Digest,
): Uint8Array {
  return sequence(
    version3,
    unsignedInteger(serialNumber),
    sequence(ecdsaWith[digest].encoding),
    issuerName,
    encodeValidity(validity),
    subject,
    publicKey,
    element(constructedContextTag(3), sequence(extensions)),
  )
}

const withSignature = (toBeSigned: Uint8Array, digest: Digest, signature: Uint8Array): Uint8Array =>
  sequence(toBeSigned, sequence(ecdsaWith[digest].encoding), bitString(signature))

const signOnThread = promisify<Digest, Uint8Array, KeyObject, Buffer>(sign)

/** A P-256 signature takes 40 µs, a quarter of the way to libuv's threads and back; a P-384 one takes 700 µs. */
async function signEcdsa({ curve, key }: Signer, digest: Digest, data: Uint8Array): Promise<Uint8Array> {
  return curve === 'P-256' ? sign(digest, data, key) : await signOnThread(digest, data, key)
}
