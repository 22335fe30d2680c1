import { constants, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { DER_TAG, contextTag, derElement } from '../../packages/attestation/src/core/der.ts'
import { OID } from '../../packages/attestation/src/core/oids.ts'
import { toUtf8 } from '../../packages/attestation/src/core/encoding.ts'

// Makes X.509 certificates and CRLs from their fields, so that tests can have any, the wrong ones too.

/** How an issuer signs. */
export type TestSignature = 'rsa-pss-sha384' | 'ecdsa-sha384'

export interface TestExtension {
  readonly oid: string
  readonly critical?: boolean
  /** The extension's own DER (or what stands in its place). */
  readonly value: Uint8Array
}

export interface CertificateFields {
  readonly serial?: number
  readonly issuer: string
  readonly subject: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
  readonly extensions: readonly TestExtension[]
}

export interface CrlFields {
  readonly issuer: string
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly revokedSerials: readonly number[]
}

/** A certificate, DER. Names have a common name alone. */
export function buildCertificate(
  fields: CertificateFields,
  key: KeyObject,
  signature: TestSignature,
): Uint8Array {
  const tbs = derElement(
    DER_TAG.sequence,
    derElement(contextTag(0, true), derInteger(2)),
    derInteger(fields.serial ?? 1),
    ALGORITHM[signature],
    derName(fields.issuer),
    derElement(DER_TAG.sequence, derTime(fields.notBefore), derTime(fields.notAfter)),
    derName(fields.subject),
    fields.publicKey.export({ format: 'der', type: 'spki' }),
    derElement(contextTag(3, true), derElement(DER_TAG.sequence, ...fields.extensions.map(derExtension))),
  )
  return signed(tbs, key, signature)
}

/** A revocation list, DER. */
export function buildCrl(fields: CrlFields, key: KeyObject, signature: TestSignature): Uint8Array {
  const revoked = fields.revokedSerials.map((serial) =>
    derElement(DER_TAG.sequence, derInteger(serial), derTime(fields.thisUpdate)),
  )
  const tbs = derElement(
    DER_TAG.sequence,
    derInteger(1),
    ALGORITHM[signature],
    derName(fields.issuer),
    derTime(fields.thisUpdate),
    derTime(fields.nextUpdate),
    ...(revoked.length > 0 ? [derElement(DER_TAG.sequence, ...revoked)] : []),
  )
  return signed(tbs, key, signature)
}

/** What authorities need (RFC 5280, 4.2.1.3 and 4.2.1.9). */
export const authorityExtensions = (pathLength?: number): readonly TestExtension[] => [
  {
    oid: OID.basicConstraints,
    critical: true,
    value: derElement(
      DER_TAG.sequence,
      derElement(DER_TAG.boolean, Uint8Array.of(0xff)),
      ...(pathLength === undefined ? [] : [derInteger(pathLength)]),
    ),
  },
  keyUsageExtension(0x06),
]

/** @param bits the first octet of KeyUsage: 0x80 digitalSignature, 0x04 keyCertSign, 0x02 cRLSign */
export const keyUsageExtension = (bits: number): TestExtension => ({
  oid: OID.keyUsage,
  critical: true,
  value: derElement(DER_TAG.bitString, Uint8Array.of(0, bits)),
})

export function derInteger(value: number): Uint8Array {
  const hex = value.toString(16)
  const octets = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  const needsZero = (octets[0] ?? 0) >= 0x80
  return derElement(DER_TAG.integer, Uint8Array.from(needsZero ? [0, ...octets] : octets))
}

export const derText = (tag: number, text: string): Uint8Array => derElement(tag, toUtf8(text))

function signed(tbs: Uint8Array, key: KeyObject, signature: TestSignature): Uint8Array {
  const options =
    signature === 'rsa-pss-sha384' ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 } : {}
  const value = sign('sha384', tbs, { key, ...options })
  const bits = derElement(DER_TAG.bitString, Uint8Array.of(0), value)
  return derElement(DER_TAG.sequence, tbs, ALGORITHM[signature], bits)
}

export function derOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...arcs] = dotted.split('.').map(Number)
  const octets = [40 * first + second, ...arcs].flatMap((arc) => {
    const groups = [arc % 128]
    for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128))
      groups.unshift(128 + (rest % 128))
    return groups
  })
  return derElement(DER_TAG.oid, Uint8Array.from(octets))
}

function derName(commonName: string): Uint8Array {
  const attribute = derElement(
    DER_TAG.sequence,
    derOid(OID.commonName),
    derText(DER_TAG.utf8String, commonName),
  )
  return derElement(DER_TAG.sequence, derElement(DER_TAG.set, attribute))
}

/** RFC 5280, 4.1.2.5: UTCTime up to 2049, GeneralizedTime after that. */
function derTime(time: Date): Uint8Array {
  const text = `${time.toISOString().slice(0, 19).replaceAll(/[-T:]/g, '')}Z`
  return time.getUTCFullYear() < 2050
    ? derText(DER_TAG.utcTime, text.slice(2))
    : derText(DER_TAG.generalizedTime, text)
}

function derExtension({ oid, critical, value }: TestExtension): Uint8Array {
  return derElement(
    DER_TAG.sequence,
    derOid(oid),
    ...(critical === true ? [derElement(DER_TAG.boolean, Uint8Array.of(0xff))] : []),
    derElement(DER_TAG.octetString, value),
  )
}

const sha384Algorithm = derElement(DER_TAG.sequence, derOid(OID.sha384), derElement(DER_TAG.null))

/** AlgorithmIdentifier of each signature (RFC 4055, 3.1; RFC 5758, 3.2). */
const ALGORITHM: Record<TestSignature, Uint8Array> = {
  'rsa-pss-sha384': derElement(
    DER_TAG.sequence,
    derOid(OID.rsassaPss),
    derElement(
      DER_TAG.sequence,
      derElement(contextTag(0, true), sha384Algorithm),
      derElement(contextTag(1, true), derElement(DER_TAG.sequence, derOid(OID.mgf1), sha384Algorithm)),
      derElement(contextTag(2, true), derInteger(48)),
    ),
  ),
  'ecdsa-sha384': derElement(DER_TAG.sequence, derOid(OID.ecdsaWithSha384)),
}
