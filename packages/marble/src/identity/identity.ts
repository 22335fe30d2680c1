import { createHash, generateKeyPair, randomBytes, sign, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

import {
  bitString,
  contextTag,
  element,
  objectIdentifier,
  octetString,
  sequence,
  tag,
  time,
  unsignedInteger,
} from './der.ts'
import type { MarbleNames } from './names.ts'

/** Curve of the marble's own key. Every Coordinator takes both. */
export type Curve = 'P-256' | 'P-384'

/** What a marble shows the Coordinator: made anew for each activation. */
export interface ActivationIdentity {
  readonly privateKey: KeyObject
  /** Self-signed certificate for the connection, DER. The evidence is over its SHA-256. */
  readonly certificate: Uint8Array
  /** PKCS #10 request with the same names and key, DER. */
  readonly certificateRequest: Uint8Array
}

/** SEC 1 curve name in OpenSSL, hash, and ecdsa-with-SHA… (RFC 5758 section 3.2). */
const suites = {
  'P-256': { namedCurve: 'P-256', hash: 'sha256', signatureAlgorithm: '1.2.840.10045.4.3.2' },
  'P-384': { namedCurve: 'P-384', hash: 'sha384', signatureAlgorithm: '1.2.840.10045.4.3.3' },
} as const

/** RFC 5280 section 4.2.1 and appendix A; extensionRequest: RFC 2985 section 5.4.2. */
const oid = {
  commonName: '2.5.4.3',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  extensionRequest: '1.2.840.113549.1.9.14',
} as const

/** "No well-defined expiration date" (RFC 5280 section 4.1.2.5): the certificate lives as long as one connection. */
const noExpiry = new Date('9999-12-31T23:59:59Z')

const generate = promisify(generateKeyPair)

/**
 * Makes a key pair, a self-signed certificate (CN `MarbleRun Marble`) and a certificate request.
 *
 * @param now becomes NotBefore
 */
export async function makeIdentity(names: MarbleNames, curve: Curve, now: Date): Promise<ActivationIdentity> {
  const { privateKey, publicKey } = await generate('ec', { namedCurve: suites[curve].namedCurve })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  return {
    privateKey,
    certificate: signed(toBeSignedCertificate(spki, names, curve, now), privateKey, curve),
    certificateRequest: signed(certificationRequestInfo(spki, names), privateKey, curve),
  }
}

/** `{ contents, algorithm, signature }`, the shape that certificates and requests share. */
function signed(contents: Uint8Array, key: KeyObject, curve: Curve): Uint8Array {
  const { hash, signatureAlgorithm } = suites[curve]
  return sequence(
    contents,
    sequence(objectIdentifier(signatureAlgorithm)),
    bitString(sign(hash, contents, key)),
  )
}

/**
 * CertificationRequestInfo (RFC 2986 section 4.1): version 0, empty subject, key, extensionRequest with the names.
 *
 * @param spki SubjectPublicKeyInfo, DER
 */
export function certificationRequestInfo(spki: Uint8Array, names: MarbleNames): Uint8Array {
  const extensionRequest = sequence(
    objectIdentifier(oid.extensionRequest),
    element(tag.set, sequence(subjectAltName(names))),
  )
  return sequence(
    unsignedInteger(Uint8Array.of(0)),
    sequence(),
    spki,
    element(contextTag(0, true), extensionRequest),
  )
}

/** TBSCertificate (RFC 5280 section 4.1). */
function toBeSignedCertificate(spki: Uint8Array, names: MarbleNames, curve: Curve, now: Date): Uint8Array {
  const name = sequence(
    element(
      tag.set,
      sequence(
        objectIdentifier(oid.commonName),
        element(tag.printableString, Buffer.from('MarbleRun Marble')),
      ),
    ),
  )
  const extensions = sequence(
    // Bit 0, digitalSignature; seven unused bits.
    extension(oid.keyUsage, true, element(tag.bitString, Uint8Array.of(7, 0x80))),
    extension(
      oid.extKeyUsage,
      false,
      sequence(objectIdentifier(oid.serverAuth), objectIdentifier(oid.clientAuth)),
    ),
    extension(oid.basicConstraints, true, sequence()),
    subjectAltName(names),
  )
  return sequence(
    // Version 3 is written as 2.
    element(contextTag(0, true), unsignedInteger(Uint8Array.of(2))),
    unsignedInteger(randomBytes(16)),
    sequence(objectIdentifier(suites[curve].signatureAlgorithm)),
    name,
    sequence(time(now), time(noExpiry)),
    name,
    spki,
    element(contextTag(3, true), extensions),
  )
}

function extension(identifier: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? [element(tag.boolean, Uint8Array.of(0xff))] : []
  return sequence(objectIdentifier(identifier), ...flag, octetString(value))
}

/** GeneralNames: dNSName is [2], iPAddress is [7] (RFC 5280 section 4.2.1.6). */
function subjectAltName(names: MarbleNames): Uint8Array {
  return extension(
    oid.subjectAltName,
    false,
    sequence(
      ...names.dnsNames.map((name) => element(contextTag(2, false), Buffer.from(name, 'ascii'))),
      ...names.ipAddresses.map((address) => element(contextTag(7, false), address)),
    ),
  )
}

/**
 * Report data that binds evidence to a connection: SHA-256 of the certificate's DER, then 32 zero bytes.
 *
 * @returns 64 bytes, the size of the field in SGX, TDX and SEV-SNP reports
 */
export function reportDataFor(certificate: Uint8Array): Uint8Array {
  return Buffer.concat([createHash('sha256').update(certificate).digest(), Buffer.alloc(32)])
}
