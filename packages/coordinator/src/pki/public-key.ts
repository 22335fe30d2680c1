import { DerError, DerReader, readOnly } from './der-reader.ts'
import { tag } from './der.ts'
import { dottedIdentifier, keyType, known } from './object-identifier.ts'

/** Curves for keys (not for the Coordinator's own PKI, see `curve.ts`). */
export type KeyCurve = 'P-224' | 'P-256' | 'P-384' | 'P-521'

interface CurveFacts {
  readonly identifier: ReturnType<typeof known>
  /** Octets of one coordinate, and of the private key. */
  readonly size: number
}

/** RFC 5480, 2.1.1.1; SEC 2. */
export const keyCurves: Readonly<Record<KeyCurve, CurveFacts>> = {
  'P-224': { identifier: known('1.3.132.0.33'), size: 28 },
  'P-256': { identifier: known('1.2.840.10045.3.1.7'), size: 32 },
  'P-384': { identifier: known('1.3.132.0.34'), size: 48 },
  'P-521': { identifier: known('1.3.132.0.35'), size: 66 },
}

/** What kind of key a SubjectPublicKeyInfo holds. */
export type PublicKeyKind =
  | { readonly type: 'ec'; readonly curve: KeyCurve }
  | { readonly type: 'rsa'; readonly modulusBits: number; readonly exponent: number }
  | { readonly type: 'ed25519' }
  | { readonly type: 'unknown'; readonly dotted: string }

export interface PublicKeyInfo {
  readonly kind: PublicKeyKind
  /** Octets of `subjectPublicKey`, of which the subject key identifier is a hash. */
  readonly bits: Uint8Array
}

/**
 * Reads a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7).
 *
 * Strict for the types it knows: named curves and uncompressed points only, NULL parameters for RSA. Keys of other
 * types are told by their identifier, nothing more is looked at. Whether a point lies on its curve is left to the
 * library that uses it.
 *
 * @throws DerError
 */
export function parsePublicKey(der: Uint8Array): PublicKeyInfo {
  const fields = new DerReader(readOnly(der, tag.sequence, 'the public key').contents)
  const algorithm = fields.enterSequence('the algorithm of the public key')
  const dotted = dottedIdentifier(algorithm.readObjectIdentifier('the algorithm of the public key'))
  const bits = fields.readWholeBitString('the public key')
  return { kind: publicKeyKind(dotted, algorithm, bits), bits }
}

function publicKeyKind(dotted: string, parameters: DerReader, bits: Uint8Array): PublicKeyKind {
  switch (dotted) {
    case keyType.ec.dotted:
      return { type: 'ec', curve: pointCurve(parameters, bits) }
    case keyType.rsa.dotted:
      parameters.read(tag.null, 'the parameters of the RSA key')
      return rsaKind(bits)
    case keyType.ed25519.dotted:
      parameters.end('the algorithm of the Ed25519 key')
      if (bits.length !== 32) throw new DerError(`the Ed25519 key has ${bits.length} octets instead of 32`)
      return { type: 'ed25519' }
    default:
      return { type: 'unknown', dotted }
  }
}

function pointCurve(parameters: DerReader, point: Uint8Array): KeyCurve {
  const dotted = dottedIdentifier(parameters.readObjectIdentifier('the curve of the key'))
  for (const curve of curveNames) {
    const { identifier, size } = keyCurves[curve]
    if (identifier.dotted !== dotted) continue
    // 04: an uncompressed point (SEC 1, 2.3.3).
    if (point[0] !== 4 || point.length !== 1 + 2 * size)
      throw new DerError('the point of the key is not uncompressed')
    return curve
  }
  throw new DerError(`the curve ${dotted} of the key is none of ${curveNames.join(', ')}`)
}

const curveNames: readonly KeyCurve[] = ['P-224', 'P-256', 'P-384', 'P-521']

function rsaKind(bits: Uint8Array): PublicKeyKind {
  const fields = new DerReader(readOnly(bits, tag.sequence, 'the RSA key').contents)
  const modulus = fields.readInteger('the modulus of the RSA key')
  const exponent = fields.readSmallInteger('the exponent of the RSA key')
  if ((modulus[0] ?? 0) >= 0x80) throw new DerError('the modulus of the RSA key is negative')
  const digits = modulus[0] === 0 ? modulus.subarray(1) : modulus
  const modulusBits = digits.length * 8 - Math.clz32(digits[0] ?? 0) + 24
  return { type: 'rsa', modulusBits: digits.length === 0 ? 0 : modulusBits, exponent }
}
