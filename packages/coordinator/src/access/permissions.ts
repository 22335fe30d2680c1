import type { Action, Manifest, ResourceType, UserDefinition } from '../manifest/model.ts'
import type { User } from './users.ts'

/** Actions on resources that roles name; `UpdateManifest` is on the manifest as a whole. */
export type NamedAction = Exclude<Action, 'UpdateManifest'>

type Grants = Pick<Manifest, 'users' | 'roles'>
type Roles = Manifest['roles']

const resourceTypeOf: Readonly<Record<Action, ResourceType>> = {
  UpdateSecurityVersion: 'Packages',
  ReadSecret: 'Secrets',
  WriteSecret: 'Secrets',
  UpdateManifest: 'Manifest',
}

/** What a user may do an action on. */
interface Allowed {
  readonly names: ReadonlySet<string>
  readonly wholeManifest: boolean
}

const cache = new WeakMap<Roles, WeakMap<UserDefinition, Map<Action, Allowed>>>()

/** Whether one of the user's roles allows the action on this resource. */
export function permits(user: User, action: NamedAction, name: string): boolean {
  return allowedTo(user.manifest.roles, user.definition, action).names.has(name)
}

/** The names on which the user may not do the action, in the order given. Empty: all is allowed. */
export function missingPermissions(
  user: User,
  action: NamedAction,
  names: Iterable<string>,
): readonly string[] {
  const allowed = allowedTo(user.manifest.roles, user.definition, action)
  return [...names].filter((name) => !allowed.names.has(name))
}

/** Whether one of the user's roles allows updates of the whole manifest. */
export function mayUpdateManifest(user: User): boolean {
  return allowedTo(user.manifest.roles, user.definition, 'UpdateManifest').wholeManifest
}

/** Names of all users who may update the whole manifest. */
export function manifestUpdaters({ users, roles }: Grants): readonly string[] {
  return [...users].flatMap(([name, user]) =>
    allowedTo(roles, user, 'UpdateManifest').wholeManifest ? [name] : [],
  )
}

function allowedTo(roles: Roles, user: UserDefinition, action: Action): Allowed {
  let byUser = cache.get(roles)
  if (byUser === undefined) cache.set(roles, (byUser = new WeakMap<UserDefinition, Map<Action, Allowed>>()))
  let byAction = byUser.get(user)
  if (byAction === undefined) byUser.set(user, (byAction = new Map<Action, Allowed>()))
  let allowed = byAction.get(action)
  if (allowed === undefined) byAction.set(action, (allowed = gather(roles, user, action)))
  return allowed
}

/** Roles add up, each action for itself: who may read one secret and write another may not read the other. */
function gather(roles: Roles, user: UserDefinition, action: Action): Allowed {
  const names = new Set<string>()
  let wholeManifest = false
  for (const roleName of user.roles) {
    const role = roles.get(roleName)
    if (role?.resourceType !== resourceTypeOf[action] || !role.actions.includes(action)) continue
    if (role.resourceType === 'Manifest') wholeManifest = true
    else for (const name of role.resourceNames) names.add(name)
  }
  return { names, wholeManifest }
}
