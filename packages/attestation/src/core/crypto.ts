export type MaybePromise<T> = T | Promise<T>

/** Signature schemes that attestation uses. ECDSA signatures are r‖s, each padded to the length of the curve. */
export type SignatureScheme =
  | 'ecdsa-p256-sha256'
  | 'ecdsa-p384-sha384'
  | 'rsa-pss-sha256'
  | 'rsa-pss-sha384'
  | 'rsa-pkcs1-sha256'
  | 'rsa-pkcs1-sha384'

/** An imported public key for one scheme; the handle means something only to the port that made it. */
export interface PublicKey {
  readonly scheme: SignatureScheme
  readonly handle: unknown
}

/**
 * The primitives that verification rests on. `node.ts` gives Node's OpenSSL (synchronous, fast), `web.ts` WebCrypto,
 * for browsers. RSA-PSS salts are as long as the hash; RSA keys have at least 2048 bits.
 */
export interface CryptoPort {
  readonly sha256: (data: Uint8Array) => MaybePromise<Uint8Array>
  readonly sha384: (data: Uint8Array) => MaybePromise<Uint8Array>
  readonly sha512: (data: Uint8Array) => MaybePromise<Uint8Array>
  /**
   * @param spki SubjectPublicKeyInfo, DER.
   * @returns undefined when the bytes are not a key of the scheme (another algorithm, a point off the curve).
   */
  readonly importKey: (scheme: SignatureScheme, spki: Uint8Array) => MaybePromise<PublicKey | undefined>
  /** False for a signature of a wrong length or form too. */
  readonly verify: (key: PublicKey, data: Uint8Array, signature: Uint8Array) => MaybePromise<boolean>
}
