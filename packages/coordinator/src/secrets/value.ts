import type { SecretBytes } from './secret-bytes.ts'

/** The value of a secret: made by the Coordinator, or uploaded by a user. Its definition stands in the manifest. */
export interface SecretValue {
  /** DER of the certificate; undefined for keys and plain secrets. */
  readonly certificate: Uint8Array | undefined
  /** PKCS #8 DER, the symmetric key, or the plain bytes. Empty when a user uploaded a certificate without its key. */
  readonly private: SecretBytes
  /** SubjectPublicKeyInfo DER; for symmetric keys and plain secrets the same bytes as `private`. */
  readonly public: SecretBytes
}
