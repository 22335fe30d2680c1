import { createPublicKey, hash, KeyObject, verify, constants } from 'node:crypto'
import type { SigningOptions } from 'node:crypto'
import type { CryptoPort, SignatureScheme } from './crypto.ts'

interface SchemeParameters {
  readonly digest: 'sha256' | 'sha384'
  readonly keyType: 'ec' | 'rsa'
  /** OpenSSL's name of the curve. */
  readonly curve?: string
  readonly options: SigningOptions
}

const PSS: SigningOptions = {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
}
const PKCS1: SigningOptions = { padding: constants.RSA_PKCS1_PADDING }
const RAW: SigningOptions = { dsaEncoding: 'ieee-p1363' }

const SCHEMES: Record<SignatureScheme, SchemeParameters> = {
  'ecdsa-p256-sha256': { digest: 'sha256', keyType: 'ec', curve: 'prime256v1', options: RAW },
  'ecdsa-p384-sha384': { digest: 'sha384', keyType: 'ec', curve: 'secp384r1', options: RAW },
  'rsa-pss-sha256': { digest: 'sha256', keyType: 'rsa', options: PSS },
  'rsa-pss-sha384': { digest: 'sha384', keyType: 'rsa', options: PSS },
  'rsa-pkcs1-sha256': { digest: 'sha256', keyType: 'rsa', options: PKCS1 },
  'rsa-pkcs1-sha384': { digest: 'sha384', keyType: 'rsa', options: PKCS1 },
}

/** NIST SP 800-131A: RSA keys below 2048 bits are not for signatures any more. */
const MIN_RSA_BITS = 2048

function readKey(spki: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

/** Node's own cryptography (OpenSSL). Every function answers at once, never with a promise. */
export const nodeCrypto: CryptoPort = {
  sha256: (data) => hash('sha256', data, 'buffer'),
  sha384: (data) => hash('sha384', data, 'buffer'),
  sha512: (data) => hash('sha512', data, 'buffer'),

  importKey: (scheme, spki) => {
    const handle = readKey(spki)
    const { keyType, curve } = SCHEMES[scheme]
    if (handle?.asymmetricKeyType !== keyType) return undefined
    const details = handle.asymmetricKeyDetails
    if (curve !== undefined && details?.namedCurve !== curve) return undefined
    if (keyType === 'rsa' && (details?.modulusLength ?? 0) < MIN_RSA_BITS) return undefined
    return { scheme, handle }
  },

  verify: (key, data, signature) => {
    if (!(key.handle instanceof KeyObject)) throw new TypeError('the key was imported by another crypto port')
    const { digest, options } = SCHEMES[key.scheme]
    return verify(digest, data, { key: key.handle, ...options }, signature)
  },
}
