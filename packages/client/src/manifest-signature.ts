import { verify } from 'node:crypto'
import type { X509Certificate } from 'node:crypto'
import type { ManifestAnswer } from './answers.ts'
import { ClientError } from './errors.ts'

/**
 * That the key of this root certificate signed the manifest.
 * @throws ClientError `manifest_inauthentic`
 */
export function checkManifestSignature(root: X509Certificate, answer: ManifestAnswer): void {
  const key = { key: root.publicKey, dsaEncoding: 'der' } as const
  if (!verify('sha256', answer.manifest, key, answer.signature)) {
    throw new ClientError(
      'manifest_inauthentic',
      `The manifest with fingerprint ${answer.fingerprint} is not signed by the Coordinator's root key`,
    )
  }
}
