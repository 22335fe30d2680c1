import { cborBytes, cborInteger, cborMap, decodeCbor } from '../core/cbor.ts'
import { concatBytes } from '../core/bytes.ts'
import type { SignatureScheme } from '../core/crypto.ts'
import { fromBase64, fromHex } from '../core/encoding.ts'
import { decoding, malformed } from '../core/errors.ts'
import { parseJson } from '../core/json.ts'
import { ecSpki } from '../core/spki.ts'

/** A public key with the one scheme that its curve is used with. */
export interface CcaKey {
  readonly scheme: SignatureScheme
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
}

/** A platform's attestation key (CPAK), as its maker or an endorsement service gives it. */
export interface CcaPlatformKey extends CcaKey {
  /** Lower-case hex; when it is there, the key is only tried for this instance. */
  readonly instanceId?: string
}

const SCHEME: Record<'P-256' | 'P-384', SignatureScheme> = {
  'P-256': 'ecdsa-p256-sha256',
  'P-384': 'ecdsa-p384-sha384',
}

/** COSE_Key (RFC 9052, 7; RFC 9053, 7.1): labels, the key type EC2, and the curves. */
const COSE_KEY = { keyType: 1, curve: -1, x: -2, y: -3 } as const
const KEY_TYPE_EC2 = 2
const CURVE_OF_COSE: ReadonlyMap<number, 'P-256' | 'P-384'> = new Map([
  [1, 'P-256'],
  [2, 'P-384'],
])

/** An uncompressed point of P-384 (SEC 1, 2.3.3); bytes. */
const RAW_POINT_LENGTH = 97

/** The realm's key as its claim holds it: a COSE_Key, or the bare point of older implementations. */
export function realmKey(publicKey: string): CcaKey {
  return decoding('realm-signature', 'the public key of the realm', () => {
    const bytes = fromHex(publicKey)
    if (bytes.length === RAW_POINT_LENGTH && bytes[0] === 0x04) return ecKey('P-384', bytes.subarray(1))
    const key = cborMap(decodeCbor(bytes), 'the COSE key')
    if (cborInteger(key.get(COSE_KEY.keyType), 'the key type') !== KEY_TYPE_EC2) {
      throw malformed('it has another key type', '2 (EC2)', 'another')
    }
    const curve = CURVE_OF_COSE.get(cborInteger(key.get(COSE_KEY.curve), 'the curve'))
    if (!curve) throw malformed('it is on another curve', '1 (P-256) or 2 (P-384)', 'another')
    return ecKey(curve, concatBytes(cborBytes(key.get(COSE_KEY.x), 'x'), cborBytes(key.get(COSE_KEY.y), 'y')))
  })
}

/** A few keys: each may cost a signature check. */
const MAX_KEYS = 32

/**
 * Platform keys from a JSON Web Key (RFC 7517: EC on P-256 or P-384), or a set of them (`keys`). Private parts, if they are
 * there, are not looked at.
 *
 * @throws EvidenceInvalid `platform-key`
 */
export function platformKeysFromJwk(json: string): CcaPlatformKey[] {
  return decoding('platform-key', 'a platform key', () => {
    const value = parseJson(json)
    const keys: unknown = isRecord(value) && 'keys' in value ? value['keys'] : [value]
    if (!Array.isArray(keys) || keys.length > MAX_KEYS) {
      throw malformed('it is no key set', `at most ${MAX_KEYS} keys`, typeof keys)
    }
    return keys.map(jwkKey)
  })
}

function jwkKey(jwk: unknown): CcaPlatformKey {
  if (!isRecord(jwk)) throw malformed('it is malformed', 'an object', typeof jwk)
  const { kty, crv, x, y } = jwk
  const isEc =
    kty === 'EC' && (crv === 'P-256' || crv === 'P-384') && typeof x === 'string' && typeof y === 'string'
  if (!isEc)
    throw malformed('it is of another kind', 'EC on P-256 or P-384', `kty ${String(kty)}, crv ${String(crv)}`)
  return ecKey(crv, concatBytes(fromBase64(x), fromBase64(y)))
}

const ecKey = (curve: 'P-256' | 'P-384', xy: Uint8Array): CcaKey => ({
  scheme: SCHEME[curve],
  spki: ecSpki(curve, xy),
})

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
