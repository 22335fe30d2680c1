import { bytesEqual, concatBytes } from './bytes.ts'
import type { SignatureScheme } from './crypto.ts'
import { DER_TAG, DerReader, contextTag, oidText, readSingle, smallInteger, unsignedInteger } from './der.ts'
import type { DerElement } from './der.ts'
import { malformed } from './errors.ts'
import { OID } from './oids.ts'

/** Which scheme an AlgorithmIdentifier (RFC 5280, 4.1.1.2) names, or undefined when it is none that attestation uses. */
export function signatureScheme(algorithm: DerElement, what: string): SignatureScheme | undefined {
  const reader = new DerReader(algorithm.content)
  const oid = oidText(reader.read(`${what} OID`, DER_TAG.oid).content)
  const parameters = reader.done ? undefined : reader.read(`${what} parameters`)
  reader.end(what)
  // RFC 5758 wants no parameters for ECDSA, RFC 4055 a NULL for RSA; both are seen absent and NULL, and neither says anything.
  const plain =
    parameters === undefined || (parameters.tag === DER_TAG.null && parameters.content.length === 0)
  switch (oid) {
    case OID.ecdsaWithSha256:
      return plain ? 'ecdsa-p256-sha256' : undefined
    case OID.ecdsaWithSha384:
      return plain ? 'ecdsa-p384-sha384' : undefined
    case OID.sha256WithRsa:
      return plain ? 'rsa-pkcs1-sha256' : undefined
    case OID.sha384WithRsa:
      return plain ? 'rsa-pkcs1-sha384' : undefined
    case OID.rsassaPss:
      return parameters && pssScheme(parameters, what)
    default:
      return undefined
  }
}

/** RSASSA-PSS-params (RFC 4055, 3.1): hash, MGF1 with the same hash, and a salt as long as the hash. */
function pssScheme(parameters: DerElement, what: string): SignatureScheme | undefined {
  if (parameters.tag !== DER_TAG.sequence) return undefined
  const reader = new DerReader(parameters.content)
  const hash = explicit(reader, 0, what)
  const maskGeneration = explicit(reader, 1, what)
  const saltLength = explicit(reader, 2, what)
  const trailer = explicit(reader, 3, what)
  reader.end(`${what} PSS parameters`)
  if (!hash || !maskGeneration || !saltLength) return undefined
  if (trailer && smallInteger(trailer, `${what} trailer field`) !== 1) return undefined

  const mask = new DerReader(maskGeneration.content)
  if (oidText(mask.read(`${what} mask generation`, DER_TAG.oid).content) !== OID.mgf1) return undefined
  const maskHash = mask.read(`${what} mask hash`, DER_TAG.sequence)
  if (!bytesEqual(maskHash.content, hash.content)) return undefined

  const hashOid = oidText(new DerReader(hash.content).read(`${what} hash`, DER_TAG.oid).content)
  const salt = smallInteger(saltLength, `${what} salt length`)
  if (hashOid === OID.sha384 && salt === 48) return 'rsa-pss-sha384'
  if (hashOid === OID.sha256 && salt === 32) return 'rsa-pss-sha256'
  return undefined
}

function explicit(reader: DerReader, number: number, what: string): DerElement | undefined {
  const tagged = reader.optional(what, contextTag(number, true))
  return tagged && readSingle(tagged.content, `${what} parameter ${number}`)
}

/** Length of r and of s in bytes. */
const COORDINATE_LENGTH: Partial<Record<SignatureScheme, number>> = {
  'ecdsa-p256-sha256': 32,
  'ecdsa-p384-sha384': 48,
}

/** A signature as X.509 carries it, in the form of the crypto port: for ECDSA r‖s instead of Ecdsa-Sig-Value. */
export function portSignature(scheme: SignatureScheme, signature: Uint8Array, what: string): Uint8Array {
  const length = COORDINATE_LENGTH[scheme]
  if (length === undefined) return signature
  const pair = new DerReader(readSingle(signature, what, DER_TAG.sequence).content)
  const r = leftPad(unsignedInteger(pair.read(`${what} r`, DER_TAG.integer), `${what} r`), length, what)
  const s = leftPad(unsignedInteger(pair.read(`${what} s`, DER_TAG.integer), `${what} s`), length, what)
  pair.end(what)
  return concatBytes(r, s)
}

function leftPad(octets: Uint8Array, length: number, what: string): Uint8Array {
  if (octets.length > length) {
    throw malformed(`${what} has a number that is too long`, `${length} octets`, `${octets.length} octets`)
  }
  const padded = new Uint8Array(length)
  padded.set(octets, length - octets.length)
  return padded
}
