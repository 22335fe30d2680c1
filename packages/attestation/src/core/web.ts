import type { CryptoPort, SignatureScheme } from './crypto.ts'

/** The parts of WebCrypto's dictionaries that are used here; their names belong to the browsers' type library. */
type ImportParameters = { name: 'ECDSA'; namedCurve: string } | { name: string; hash: string }
type VerifyParameters =
  { name: 'ECDSA'; hash: string } | { name: 'RSA-PSS'; saltLength: number } | { name: string }

interface SchemeParameters {
  readonly import: ImportParameters
  readonly verify: VerifyParameters
}

const ecdsa = (namedCurve: string, hash: string): SchemeParameters => ({
  import: { name: 'ECDSA', namedCurve },
  verify: { name: 'ECDSA', hash },
})
const pss = (hash: string, saltLength: number): SchemeParameters => ({
  import: { name: 'RSA-PSS', hash },
  verify: { name: 'RSA-PSS', saltLength },
})
const pkcs1 = (hash: string): SchemeParameters => ({
  import: { name: 'RSASSA-PKCS1-v1_5', hash },
  verify: { name: 'RSASSA-PKCS1-v1_5' },
})

const SCHEMES: Record<SignatureScheme, SchemeParameters> = {
  'ecdsa-p256-sha256': ecdsa('P-256', 'SHA-256'),
  'ecdsa-p384-sha384': ecdsa('P-384', 'SHA-384'),
  'rsa-pss-sha256': pss('SHA-256', 32),
  'rsa-pss-sha384': pss('SHA-384', 48),
  'rsa-pkcs1-sha256': pkcs1('SHA-256'),
  'rsa-pkcs1-sha384': pkcs1('SHA-384'),
}

/** NIST SP 800-131A: RSA keys below 2048 bits are not for signatures any more. */
const MIN_RSA_BITS = 2048

/** WebCrypto wants bytes that are not in shared memory. */
const owned = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes)

const digest = async (hash: string, data: Uint8Array): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest(hash, owned(data)))

/** WebCrypto of the surrounding global object: browsers (in secure contexts), Deno, Bun, and Node as well. */
export const webCrypto: CryptoPort = {
  sha256: (data) => digest('SHA-256', data),
  sha384: (data) => digest('SHA-384', data),
  sha512: (data) => digest('SHA-512', data),

  importKey: async (scheme, spki) => {
    try {
      const handle = await crypto.subtle.importKey('spki', owned(spki), SCHEMES[scheme].import, false, [
        'verify',
      ])
      const { algorithm } = handle
      if ('modulusLength' in algorithm && Number(algorithm.modulusLength) < MIN_RSA_BITS) return undefined
      return { scheme, handle }
    } catch {
      return undefined
    }
  },

  verify: async (key, data, signature) => {
    if (!(key.handle instanceof CryptoKey)) throw new TypeError('the key was imported by another crypto port')
    return crypto.subtle.verify(SCHEMES[key.scheme].verify, key.handle, owned(signature), owned(data))
  },
}
