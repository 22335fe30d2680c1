import { concatBytes } from './bytes.ts'
import { DER_TAG, derElement } from './der.ts'
import { fromHex } from './encoding.ts'
import { malformed } from './errors.ts'

/** What stands before the 65 or 97 bytes of an uncompressed point in a SubjectPublicKeyInfo (RFC 5480, 2). */
const EC_PREFIX = {
  'P-256': { coordinate: 32, prefix: fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200') },
  'P-384': { coordinate: 48, prefix: fromHex('3076301006072a8648ce3d020106052b81040022036200') },
} as const
/** SEC 1, 2.3.3. */
const UNCOMPRESSED = Uint8Array.of(0x04)

/** SubjectPublicKeyInfo of a point, given as x‖y (big-endian). */
export function ecSpki(curve: 'P-256' | 'P-384', xy: Uint8Array): Uint8Array {
  const { coordinate, prefix } = EC_PREFIX[curve]
  if (xy.length !== 2 * coordinate) {
    throw malformed(`a ${curve} key has a bad length`, `${2 * coordinate} bytes`, `${xy.length} bytes`)
  }
  return concatBytes(prefix, UNCOMPRESSED, xy)
}

/** AlgorithmIdentifier of rsaEncryption with its NULL (RFC 3279, 2.3.1). */
const RSA_ALGORITHM = fromHex('300d06092a864886f70d0101010500')
/** RSA-16384 is beyond what anybody uses, and keeps lengths in two octets. */
const MAX_MODULUS_BYTES = 2048

/** SubjectPublicKeyInfo of an RSA key, given as big-endian modulus and exponent. */
export function rsaSpki(modulus: Uint8Array, exponent: Uint8Array): Uint8Array {
  if (modulus.length > MAX_MODULUS_BYTES || exponent.length > 8 || exponent.length === 0) {
    throw malformed(
      'an RSA key has a bad length',
      `at most ${MAX_MODULUS_BYTES} and 8 bytes`,
      `${modulus.length} and ${exponent.length}`,
    )
  }
  const key = derElement(DER_TAG.sequence, positiveInteger(modulus), positiveInteger(exponent))
  return derElement(DER_TAG.sequence, RSA_ALGORITHM, derElement(DER_TAG.bitString, Uint8Array.of(0), key))
}

function positiveInteger(bigEndian: Uint8Array): Uint8Array {
  const firstSet = bigEndian.findIndex((octet) => octet !== 0)
  const octets = bigEndian.subarray(Math.max(firstSet, 0))
  const needsZero = (octets[0] ?? 0x80) >= 0x80
  return derElement(DER_TAG.integer, needsZero ? Uint8Array.of(0) : new Uint8Array(0), octets)
}
