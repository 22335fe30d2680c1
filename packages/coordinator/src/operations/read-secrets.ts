import { missingPermissions, type User } from '../access/index.ts'
import type { SecretDefinition } from '../manifest/model.ts'
import { Refusal } from '../refusal.ts'
import type { SecretValue } from '../secrets/value.ts'
import { requireUser, userFields } from './callers.ts'
import type { Ports } from './ports.ts'

export interface ReadableSecret {
  readonly definition: SecretDefinition
  /** Undefined: a user-defined secret that nobody has uploaded. */
  readonly value: SecretValue | undefined
}

/**
 * Hands secrets to a user who may read each of them.
 *
 * @param names at least one; repeated ones count once
 * @throws {@link Refusal} `caller_unknown`, `request_malformed`, `secret_invalid`, `permission_denied`
 */
export function readSecrets(
  { ledger, log }: Pick<Ports, 'ledger' | 'log'>,
  certificate: Uint8Array | undefined,
  names: readonly string[],
): ReadonlyMap<string, ReadableSecret> {
  const { state } = ledger
  const user = requireUser(state, certificate)
  if (names.length === 0 || names.includes('')) {
    throw new Refusal(
      'request_malformed',
      'reading secrets: name at least one, none of them empty (?s=NAME&s=NAME)',
    )
  }
  checkPermission(user, names)
  const secrets = new Map<string, ReadableSecret>()
  for (const name of names) {
    const definition = user.manifest.secrets.get(name)
    if (definition === undefined) {
      throw new Refusal('secret_invalid', `reading secrets: the manifest has no secret "${name}"`)
    }
    secrets.set(name, { definition, value: state.secrets.get(name) })
  }
  log.info({ secrets: [...secrets.keys()], ...userFields(user) }, 'secrets read')
  return secrets
}

function checkPermission(user: User, names: readonly string[]): void {
  const missing = missingPermissions(user, 'ReadSecret', names)
  if (missing.length === 0) return
  throw new Refusal(
    'permission_denied',
    `reading secrets: user "${user.name}" lacks ReadSecret on ${missing.map((name) => `"${name}"`).join(', ')}; ` +
      'a role of the user must grant it',
  )
}
