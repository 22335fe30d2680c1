import type { DecodedManifest } from './decode.ts'
import type { Manifest } from './model.ts'
import { configOf } from './topics/config.ts'
import { infrastructuresOf } from './topics/infrastructures.ts'
import { marblesOf } from './topics/marbles.ts'
import { packagesOf } from './topics/packages.ts'
import { recoveryKeysOf } from './topics/recovery-keys.ts'
import { rolesOf } from './topics/roles.ts'
import { secretsOf } from './topics/secrets.ts'
import { tlsTagsOf } from './topics/tls.ts'
import type { TopicContext } from './topics/topic.ts'
import { usersOf } from './topics/users.ts'

/**
 * Makes the model of a manifest from what is written, with all checks of spec/manifest.md but those of templates.
 * What is wrong goes to the report; the model is good for something only if that has no errors.
 * @param now undefined: whether secrets can be made now is not looked at
 */
export function checkManifest({ source, report }: DecodedManifest, now: Date | undefined): Manifest {
  const context: TopicContext = { source, report }
  const packages = packagesOf(context)
  const infrastructures = infrastructuresOf(context)
  const secrets = secretsOf(context, now)
  const tls = tlsTagsOf(context, secrets)
  const marbles = marblesOf(context, packages, tls)
  const roles = rolesOf(context, { packages, secrets })
  const users = usersOf(context, roles)
  const recoveryKeys = recoveryKeysOf(context)
  const config = configOf(context, { users, roles, recoveryKeys })
  return { packages, infrastructures, marbles, secrets, users, roles, recoveryKeys, tls, config }
}
