import type { PlannedMarble, PlannedSecret, Statement, UpdatePlan } from '@taw/protocol'
import { mayUpdateManifest, type User } from '../access/index.ts'
import { lockedOutUsers, manifestCautions } from '../manifest/compare/cautions.ts'
import { effectiveManifest, isPrivate, namedSecrets, type Transition } from './update-effects.ts'
import { minimumVersion } from './update-packages.ts'

interface Effects {
  readonly secrets: readonly PlannedSecret[]
  readonly marbles: readonly PlannedMarble[]
  readonly recovery: UpdatePlan['recovery']
}

/** What no later update can bring back. */
export function irreversibleEffects(
  { before, after }: Transition,
  { secrets, recovery }: Effects,
): readonly Statement[] {
  const definitions = before.manifest.manifest.secrets
  // What is derived from the root secret can be derived again.
  const isStored = ({ name }: PlannedSecret): boolean => {
    const definition = definitions.get(name)
    return definition !== undefined && !isPrivate(definition)
  }
  const lost = secrets.filter((secret) => secret.formerValue === 'lost' && isStored(secret))
  const isUpload = (name: string): boolean => definitions.get(name)?.userDefined === true
  const named = (entries: readonly { readonly name: string }[]): string[] => entries.map(({ name }) => name)
  const parties = [...before.manifest.manifest.recoveryKeys.keys()]
  return [
    statement(
      'uploads_deleted',
      'values that users uploaded are deleted; only they have them',
      named(lost).filter(isUpload),
    ),
    statement(
      'values_deleted',
      'values that the Coordinator made are deleted, and are not under .Previous: what is encrypted with such a ' +
        'key, or trusts such a certificate, is lost with it',
      named(lost).filter((name) => !isUpload(name)),
    ),
    statement(
      'previous_values_deleted',
      'what stands under .Previous now is deleted',
      named(secrets.filter((secret) => secret.olderValue === 'lost' && isStored(secret))),
    ),
    ...(before.previousRootSecret !== undefined &&
    after.previousRootSecret !== before.previousRootSecret &&
    after.rootSecret !== before.previousRootSecret
      ? [always('previous_root_secret_deleted', 'keys derived before the rotation before this one are lost')]
      : []),
    statement(
      'recovery_secrets_void',
      'the recovery secrets that these parties have open nothing any more',
      recovery.secrets === 'kept' || recovery.secrets === 'none' ? [] : parties,
    ),
    statement(
      'users_locked_out',
      'these users can no longer do anything: the manifest has no user with their certificate',
      lockedOutUsers(before.manifest.manifest, after.manifest.manifest),
    ),
    statement(
      'versions_raised',
      'a package update cannot lower these again; only a full update can',
      raised({ before, after }, 1),
    ),
  ].filter((one) => one !== undefined)
}

/** What the caller would regret not to have read. */
export function updateWarnings(
  transition: Transition,
  { secrets, marbles }: Effects,
  user: User,
  pending: UpdatePlan['pending'],
): readonly Statement[] {
  const { before, after } = transition
  const unset = new Set(secrets.flatMap(({ name, value }) => (isMissing(value) ? [name] : [])))
  const required = new Set(
    [...after.manifest.manifest.marbles.keys()].flatMap((type) => namedSecrets(type, after)),
  )
  return [
    ...manifestCautions(effectiveManifest(before), effectiveManifest(after)),
    ownRight(user, transition),
    pending === undefined || pending.isThisManifest
      ? undefined
      : always(
          'update_pending',
          'another manifest update is pending, so this one is refused until that is completed or cancelled',
        ),
    statement(
      'versions_lowered',
      'these packages go back to a lower SecurityVersion than a package update had raised them to, so older ' +
        'builds are admitted again: write the raised version into the manifest',
      raised(transition, -1),
    ),
    statement(
      'secrets_unset',
      'marbles need these secrets, and somebody must upload them before the marbles can activate',
      [...unset].filter((name) => required.has(name)),
    ),
    statement(
      'restart_impossible',
      'MaxActivations leaves fewer activations than marbles activated since the last update, so not all of them ' +
        'can be restarted',
      marbles.flatMap(({ type, activations, activationsLeft }) =>
        activationsLeft !== undefined && activationsLeft < activations.marblesSinceLastUpdate ? [type] : [],
      ),
    ),
  ].filter((one) => one !== undefined)
}

const isMissing = (value: PlannedSecret['value']): boolean => value === 'unset' || value === 'deleted'

function ownRight(user: User, { after }: Transition): Statement | undefined {
  const certificate = Buffer.from(user.definition.certificate)
  const { manifest } = after.manifest
  const later = [...manifest.users].find(([, { certificate: own }]) => certificate.equals(own))
  if (later === undefined) {
    return statement('own_access_lost', 'YOU LOSE YOUR ACCESS: no user has your certificate', [user.name])
  }
  const [name, definition] = later
  if (!mayUpdateManifest(user) || mayUpdateManifest({ name, definition, manifest })) return undefined
  return statement('own_right_lost', 'YOU LOSE YOUR RIGHT to update the manifest', [name])
}

/** Packages of both manifests whose minimum version rises (1) or sinks (-1). */
function raised({ before, after }: Transition, sign: 1 | -1): readonly string[] {
  const names = [...before.manifest.manifest.packages.keys()]
  return names.filter((name) => {
    if (!after.manifest.manifest.packages.has(name)) return false
    const difference = (minimumVersion(after, name) ?? 0) - (minimumVersion(before, name) ?? 0)
    return sign === 1 ? difference > 0 : difference < 0
  })
}

const always = (code: string, message: string): Statement => ({ code, message, names: [] })

/** Undefined when it is about nothing. */
const statement = (code: string, message: string, names: readonly string[]): Statement | undefined =>
  names.length === 0 ? undefined : { code, message, names }
