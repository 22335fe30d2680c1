import { constants } from 'node:crypto'
import { element, nullValue, sequence, smallInteger, constructedContextTag } from './der.ts'
import { DerReader } from './der-reader.ts'
import { dottedIdentifier, known } from './object-identifier.ts'

/** How a signature is checked with `node:crypto`. */
export interface SignatureScheme {
  readonly keyType: 'rsa' | 'ec' | 'ed25519'
  /** Null for Ed25519, which hashes by itself. */
  readonly digest: 'sha1' | 'sha256' | 'sha384' | 'sha512' | null
  /** Undefined: none. */
  readonly options: { readonly padding?: number; readonly saltLength?: number } | undefined
  /** Go's number of the algorithm (spec/secrets.md). */
  readonly number: number
}

const rsa = (number: number, digest: SignatureScheme['digest']): SignatureScheme => ({
  keyType: 'rsa',
  digest,
  options: { padding: constants.RSA_PKCS1_PADDING },
  number,
})

const ecdsa = (number: number, digest: SignatureScheme['digest']): SignatureScheme => ({
  keyType: 'ec',
  digest,
  options: undefined,
  number,
})

/** RFC 3279, 2.2; RFC 4055, 5; RFC 5758, 3.2. `1.3.14.3.2.29` is an older name of the first. MD5 is left out. */
const byIdentifier = new Map<string, SignatureScheme>([
  ['1.2.840.113549.1.1.5', rsa(3, 'sha1')],
  ['1.3.14.3.2.29', rsa(3, 'sha1')],
  ['1.2.840.113549.1.1.11', rsa(4, 'sha256')],
  ['1.2.840.113549.1.1.12', rsa(5, 'sha384')],
  ['1.2.840.113549.1.1.13', rsa(6, 'sha512')],
  ['1.2.840.10045.4.1', ecdsa(9, 'sha1')],
  ['1.2.840.10045.4.3.2', ecdsa(10, 'sha256')],
  ['1.2.840.10045.4.3.3', ecdsa(11, 'sha384')],
  ['1.2.840.10045.4.3.4', ecdsa(12, 'sha512')],
])

/** RFC 8410, section 3: the identifier alone, without parameters. */
const ed25519 = sequence(known('1.3.101.112').encoding)

/** id-RSASSA-PSS with the parameters of RFC 4055, section 3.1: MGF1 with the same hash, a salt as long as it. */
const pss = (
  [
    [13, 'sha256', '2.16.840.1.101.3.4.2.1', 32],
    [14, 'sha384', '2.16.840.1.101.3.4.2.2', 48],
    [15, 'sha512', '2.16.840.1.101.3.4.2.3', 64],
  ] as const
).map(([number, digest, hash, saltLength]) => ({
  encoding: pssAlgorithm(hash, saltLength),
  scheme: {
    keyType: 'rsa',
    digest,
    options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength },
    number,
  } as const,
}))

function pssAlgorithm(hash: string, saltLength: number): Uint8Array {
  const hashAlgorithm = sequence(known(hash).encoding, nullValue)
  const maskGeneration = sequence(known('1.2.840.113549.1.1.8').encoding, hashAlgorithm)
  const parameters = sequence(
    element(constructedContextTag(0), hashAlgorithm),
    element(constructedContextTag(1), maskGeneration),
    element(constructedContextTag(2), smallInteger(saltLength)),
  )
  return sequence(known('1.2.840.113549.1.1.10').encoding, parameters)
}

/**
 * The scheme of an AlgorithmIdentifier, or undefined when it is unknown or too weak to be looked at (MD5 and older).
 *
 * @param algorithm DER of the AlgorithmIdentifier.
 * @throws DerError
 */
export function signatureScheme(algorithm: Uint8Array): SignatureScheme | undefined {
  if (Buffer.compare(algorithm, ed25519) === 0) {
    return { keyType: 'ed25519', digest: null, options: undefined, number: 16 }
  }
  const withParameters = pss.find(({ encoding }) => Buffer.compare(encoding, algorithm) === 0)
  if (withParameters !== undefined) return withParameters.scheme
  const identifier = new DerReader(algorithm)
    .enterSequence('signatureAlgorithm')
    .readObjectIdentifier('signatureAlgorithm')
  return byIdentifier.get(dottedIdentifier(identifier))
}
