import { createHash } from 'node:crypto'
import type { Manifest, UserDefinition } from '../manifest/model.ts'

/** A user of the manifest in force, known by the certificate of the connection. */
export interface User {
  readonly name: string
  readonly definition: UserDefinition
  /** The manifest that says what the user may do. */
  readonly manifest: Manifest
}

const indexes = new WeakMap<Manifest, ReadonlyMap<string, User>>()

/**
 * The user whose certificate this is, byte for byte. Issuer, subject and dates don't matter; the caller has seen
 * that the peer holds the certificate's key.
 * @param certificate DER
 */
export function findUser(manifest: Manifest, certificate: Uint8Array): User | undefined {
  let index = indexes.get(manifest)
  if (index === undefined) {
    index = new Map(
      [...manifest.users].map(([name, definition]) => [
        fingerprintOf(definition.certificate),
        { name, definition, manifest },
      ]),
    )
    indexes.set(manifest, index)
  }
  return index.get(fingerprintOf(certificate))
}

const fingerprintOf = (der: Uint8Array): string => createHash('sha256').update(der).digest('hex')
