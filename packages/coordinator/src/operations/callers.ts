import { createHash } from 'node:crypto'
import { findUser, type User } from '../access/index.ts'
import { Refusal } from '../refusal.ts'
import type { UserActor } from '../state/audit.ts'
import type { State } from '../state/state.ts'

/** @throws {@link Refusal} `caller_unknown` */
export function requireUser(state: State, certificate: Uint8Array | undefined): User {
  if (certificate === undefined) {
    throw new Refusal('caller_unknown', 'the request needs a user: send the client certificate of one')
  }
  const { manifest } = state
  const user = manifest === undefined ? undefined : findUser(manifest.manifest, certificate)
  if (user !== undefined) return user
  const fingerprint = fingerprintOf(certificate)
  throw new Refusal(
    'caller_unknown',
    manifest === undefined
      ? 'no manifest is set, so there are no users yet'
      : `no user of the manifest has the client certificate with SHA-256 fingerprint ${fingerprint}; ` +
          'certificates are compared byte for byte',
  )
}

export const userActor = ({ name, definition }: User): UserActor => ({
  kind: 'user',
  name,
  certificate: fingerprintOf(definition.certificate),
})

/** The same as fields of a log line. */
export function userFields(user: User): { readonly user: string; readonly certificate: string } {
  const { name, certificate } = userActor(user)
  return { user: name, certificate }
}

/** SHA-256 over the DER, lower-case hex. */
export const fingerprintOf = (certificate: Uint8Array): string =>
  createHash('sha256').update(certificate).digest('hex')
