import { createPrivateKey, sign } from 'node:crypto'
import type { PreparedManifest } from '../manifest/index.ts'
import type { SecretBytes } from '../secrets/secret-bytes.ts'
import type { Ports } from './ports.ts'

export interface SignedManifest {
  /** ASN.1 ECDSA signature by the root key over SHA-256 of `raw`. */
  readonly signature: Uint8Array
  /** Hex SHA-256 of `raw`. */
  readonly fingerprint: string
  /** The bytes as they were uploaded. */
  readonly raw: Uint8Array
}

const signatures = new WeakMap<PreparedManifest, { rootKey: SecretBytes; signature: Uint8Array }>()

/** The manifest with the Coordinator's signature; undefined before one is set. */
export function readManifest({ ledger }: Pick<Ports, 'ledger'>): SignedManifest | undefined {
  const { manifest, authority } = ledger.state
  if (manifest === undefined) return undefined
  return {
    signature: signatureOf(manifest, authority.rootKey),
    fingerprint: manifest.fingerprint,
    raw: manifest.raw,
  }
}

/** ECDSA signatures are random; one per manifest is kept so that equal requests get equal answers. */
function signatureOf(manifest: PreparedManifest, rootKey: SecretBytes): Uint8Array {
  const known = signatures.get(manifest)
  if (known?.rootKey === rootKey) return known.signature
  const key = createPrivateKey({ key: Buffer.from(rootKey.reveal()), format: 'der', type: 'pkcs8' })
  const signature = sign('sha256', manifest.raw, key)
  signatures.set(manifest, { rootKey, signature })
  return signature
}
