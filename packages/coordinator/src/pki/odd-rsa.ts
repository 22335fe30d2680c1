import { generatePrime } from 'node:crypto'
import { promisify } from 'node:util'
import { bitString, nullValue, octetString, sequence, smallInteger, unsignedInteger } from './der.ts'
import { keyType } from './object-identifier.ts'

const prime = promisify<number, { bigint: true }, bigint>(generatePrime)

/** Fermat's fourth prime, what every library takes. */
const publicExponent = 65537n

/**
 * Makes an RSA key whose modulus has an odd number of bits, which OpenSSL 3 can't above 2048: it halves the size and
 * so loses a bit. Primes come from OpenSSL; only what follows from them is computed here, once, when a secret is made
 * (not in constant time: nobody can time it from outside).
 */
export async function generateOddRsaKey(bits: number): Promise<EncodedRsaKey> {
  // OpenSSL sets the two highest bits of a prime, so the product has exactly as many bits as both together.
  const [p, q] = await Promise.all([usablePrime((bits + 1) / 2), usablePrime((bits - 1) / 2)])
  const d = inverse(publicExponent, leastCommonMultiple(p - 1n, q - 1n))
  return encodeRsaKey(p * q, [d, p, q, d % (p - 1n), d % (q - 1n), inverse(q, p)])
}

/** SubjectPublicKeyInfo and PKCS #8, both DER. */
export interface EncodedRsaKey {
  readonly publicKey: Uint8Array
  readonly privateKey: Uint8Array
}

/** @param secrets d, p, q, d mod p-1, d mod q-1, inverse of q mod p (RFC 8017, appendix A.1.2). */
export function encodeRsaKey(modulus: bigint, secrets: readonly bigint[]): EncodedRsaKey {
  const algorithm = sequence(keyType.rsa.encoding, nullValue)
  const rsaPrivateKey = sequence(smallInteger(0), [modulus, publicExponent, ...secrets].map(integer))
  return {
    publicKey: sequence(algorithm, bitString(sequence(integer(modulus), integer(publicExponent)))),
    privateKey: sequence(smallInteger(0), algorithm, octetString(rsaPrivateKey)),
  }
}

/** A prime of which the public exponent doesn't divide the predecessor. */
async function usablePrime(bits: number): Promise<bigint> {
  for (;;) {
    const candidate = await prime(bits, { bigint: true })
    if ((candidate - 1n) % publicExponent !== 0n) return candidate
  }
}

function integer(value: bigint): Uint8Array {
  const hex = value.toString(16)
  return unsignedInteger(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'))
}

function leastCommonMultiple(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b]
  while (y !== 0n) [x, y] = [y, x % y]
  return (a / x) * b
}

/** The inverse of `value`, which has no factor in common with `modulus`. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [rest, nextRest] = [value % modulus, modulus]
  let [factor, nextFactor] = [1n, 0n]
  while (nextRest !== 0n) {
    const quotient = rest / nextRest
    ;[rest, nextRest] = [nextRest, rest - quotient * nextRest]
    ;[factor, nextFactor] = [nextFactor, factor - quotient * nextFactor]
  }
  return ((factor % modulus) + modulus) % modulus
}
