import { CborTagged, cborArray, cborBytes, cborInteger, cborMap, decodeCbor } from './cbor.ts'
import type { CborMap } from './cbor.ts'
import { concatBytes } from './bytes.ts'
import type { SignatureScheme } from './crypto.ts'
import { malformed } from './errors.ts'

/** CBOR tag of COSE_Sign1 (RFC 9052, 4.2). */
const TAG_SIGN1 = 18

/** Labels of common header parameters (RFC 9052, 3.1). */
const HEADER = { algorithm: 1, critical: 2 } as const

/** Algorithm identifiers (RFC 9053, 2.1), and what they are with the curve that attestation formats pair them with. */
export const COSE_ALGORITHMS: ReadonlyMap<number, { name: string; scheme: SignatureScheme }> = new Map([
  [-7, { name: 'ES256', scheme: 'ecdsa-p256-sha256' }],
  [-35, { name: 'ES384', scheme: 'ecdsa-p384-sha384' }],
])

/** A COSE_Sign1 structure (RFC 9052, 4.2) that was read, not verified. */
export interface CoseSign1 {
  readonly tagged: boolean
  /** The protected header as it stands in the message: what the signature covers. */
  readonly protectedBytes: Uint8Array
  readonly unprotected: CborMap
  /** From the protected header alone: nothing vouches for the unprotected one. */
  readonly algorithm: number
  readonly payload: Uint8Array
  /** r‖s for ECDSA. */
  readonly signature: Uint8Array
}

/** Reads a COSE_Sign1 with or without its tag, from bytes that hold nothing else. */
export function parseCoseSign1(bytes: Uint8Array): CoseSign1 {
  const item = decodeCbor(bytes, { knownTags: [TAG_SIGN1] })
  const tagged = item instanceof CborTagged
  const parts = cborArray(tagged ? item.value : item, 'COSE_Sign1')
  if (parts.length !== 4) {
    throw malformed('COSE_Sign1 has another number of parts', '4', String(parts.length))
  }
  const protectedBytes = cborBytes(parts[0], 'the protected header')
  const header = cborMap(decodeCbor(protectedBytes), 'the protected header')
  if (header.has(HEADER.critical)) {
    throw malformed('the protected header has critical parameters', 'none', 'crit (2)')
  }
  return {
    tagged,
    protectedBytes,
    unprotected: cborMap(parts[1], 'the unprotected header'),
    algorithm: cborInteger(header.get(HEADER.algorithm), 'the algorithm in the protected header'),
    payload: cborBytes(parts[2], 'the payload'),
    signature: cborBytes(parts[3], 'the signature'),
  }
}

/** `["Signature1",` of Sig_structure (RFC 9052, 4.4), as CBOR. */
const CONTEXT = Uint8Array.of(0x84, 0x6a, 0x53, 0x69, 0x67, 0x6e, 0x61, 0x74, 0x75, 0x72, 0x65, 0x31)
/** The empty external_aad. */
const NO_EXTERNAL_DATA = Uint8Array.of(0x40)

/** The bytes that the signature is over, with an empty external_aad. */
export function signedBytes(message: Pick<CoseSign1, 'protectedBytes' | 'payload'>): Uint8Array {
  return concatBytes(
    CONTEXT,
    byteStringHead(message.protectedBytes.length),
    message.protectedBytes,
    NO_EXTERNAL_DATA,
    byteStringHead(message.payload.length),
    message.payload,
  )
}

/** Major type 2 with a length in the shortest form (RFC 8949, 3.1). */
function byteStringHead(length: number): Uint8Array {
  if (length < 24) return Uint8Array.of(0x40 | length)
  if (length < 0x100) return Uint8Array.of(0x58, length)
  if (length < 0x10000) return Uint8Array.of(0x59, length >> 8, length & 0xff)
  return Uint8Array.of(0x5a, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff)
}
