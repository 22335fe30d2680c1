import type { PlannedMarble, PlannedSecret, RestartReason, UpdatePlan } from '@taw/protocol'
import { fieldDifferences } from '../manifest/compare/differences.ts'
import { packageFields, parameterFields, tlsFields } from '../manifest/compare/fields.ts'
import type { Manifest, MarbleDefinition, SecretDefinition } from '../manifest/model.ts'
import { withVersions } from '../manifest/package-update.ts'
import { deriveSymmetricKey } from '../secrets/generate.ts'
import type { SecretBytes } from '../secrets/secret-bytes.ts'
import type { SecretValue } from '../secrets/value.ts'
import type { ActivationHistory } from './activation-history.ts'
import type { StateWithManifest } from './overtaken.ts'

/**
 * What an update does, told by comparing the state before it with the state after it. Nothing here decides anything:
 * the state after it is what the update itself would commit.
 */
export interface Transition {
  readonly before: StateWithManifest
  readonly after: StateWithManifest
}

/** The manifest in force with the versions that package updates raised. */
export const effectiveManifest = ({ manifest, packageVersions }: StateWithManifest): Manifest =>
  withVersions(manifest.manifest, packageVersions)

export function authorityEffects({ before, after }: Transition): UpdatePlan['authority'] {
  const fate = (a: Uint8Array, b: Uint8Array) => (Buffer.compare(a, b) === 0 ? 'kept' : 'remade')
  const [former, next] = [before.authority, after.authority]
  return {
    root: fate(former.rootCertificate, next.rootCertificate),
    intermediate: fate(former.intermediateCertificate, next.intermediateCertificate),
    marbleRoot: fate(former.marbleRootCertificate, next.marbleRootCertificate),
    rootSecret: fate(before.rootSecret.reveal(), after.rootSecret.reveal()),
  }
}

export function secretEffects(transition: Transition): readonly PlannedSecret[] {
  const former = transition.before.manifest.manifest.secrets
  const next = transition.after.manifest.manifest.secrets
  return [...new Set([...former.keys(), ...next.keys()])].sort().flatMap((name) => {
    const definition = next.get(name) ?? former.get(name)
    if (definition === undefined) return []
    const { type, shared, userDefined } = definition
    const scope = userDefined ? 'user-defined' : shared ? 'shared' : 'private'
    const earlier = former.get(name)
    // A private one has no value in the state, unless it had another scope before: then that value counts.
    const effects =
      isPrivate(definition) && (earlier === undefined || isPrivate(earlier))
        ? privateEffects(name, transition)
        : storedEffects(name, transition)
    return [{ name, type, scope, ...effects }]
  })
}

export const isPrivate = ({ shared, userDefined }: SecretDefinition): boolean => !shared && !userDefined

type Effects = Pick<PlannedSecret, 'value' | 'formerValue' | 'olderValue'>

/** Of a secret whose value the state holds: one that is shared, or that users upload. */
function storedEffects(name: string, { before, after }: Transition): Effects {
  const [value, nextValue] = [before.secrets.get(name), after.secrets.get(name)]
  const [older, nextOlder] = [before.previousSecrets.get(name), after.previousSecrets.get(name)]
  const survives = (one: SecretValue): boolean => sameValue(one, nextValue) || sameValue(one, nextOlder)
  const isKept = value !== undefined && sameValue(value, nextValue)
  return {
    value: storedFate(value, nextValue, after.manifest.manifest.secrets.get(name)),
    ...(value !== undefined && !isKept && { formerValue: survives(value) ? 'previous' : 'lost' }),
    ...(older !== undefined && { olderValue: survives(older) ? 'kept' : 'lost' }),
  }
}

function storedFate(
  value: SecretValue | undefined,
  next: SecretValue | undefined,
  definition: SecretDefinition | undefined,
): PlannedSecret['value'] {
  if (definition === undefined) return 'deleted'
  if (isPrivate(definition)) return definition.type === 'symmetric-key' ? 'made' : 'per-activation'
  if (next === undefined) return value === undefined ? 'unset' : 'deleted'
  if (value === undefined) return 'made'
  return sameValue(value, next) ? 'kept' : 'remade'
}

/** A UUID to derive keys for, when only whether they stay the same matters. */
const anyUuid = '00000000-0000-4000-8000-000000000000'

/** Of a private secret: keys are derived from the root secret, certificates are new at every activation. */
function privateEffects(name: string, { before, after }: Transition): Effects {
  const definition = after.manifest.manifest.secrets.get(name)
  const former = before.manifest.manifest.secrets.get(name)
  if (definition === undefined) return { value: 'deleted' }
  if (definition.type !== 'symmetric-key') return { value: 'per-activation' }
  if (former?.type !== 'symmetric-key') return { value: 'made' }
  const derive = (rootSecret: SecretBytes | undefined, { size }: SecretDefinition): string | undefined =>
    rootSecret && derived(rootSecret, name, size, 'any')
  const value = derive(before.rootSecret, former)
  const older = derive(before.previousRootSecret, former)
  const next = [derive(after.rootSecret, definition), derive(after.previousRootSecret, definition)]
  const isKept = value === next[0]
  return {
    value: isKept ? 'kept' : 'remade',
    ...(!isKept && { formerValue: next.includes(value) ? 'previous' : 'lost' }),
    ...(older !== undefined && { olderValue: next.includes(older) ? 'kept' : 'lost' }),
  }
}

const derived = (rootSecret: SecretBytes, name: string, bits: number, marbleType: string): string =>
  Buffer.from(
    deriveSymmetricKey({ rootSecret, uuid: anyUuid, name, marbleType, bits }).private.reveal(),
  ).toString('base64')

export function sameValue(a: SecretValue | undefined, b: SecretValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return (
    Buffer.compare(a.private.reveal(), b.private.reveal()) === 0 &&
    Buffer.compare(a.public.reveal(), b.public.reveal()) === 0 &&
    Buffer.compare(a.certificate ?? Buffer.of(), b.certificate ?? Buffer.of()) === 0
  )
}

export function marbleEffects(
  transition: Transition,
  history: ReadonlyMap<string, ActivationHistory>,
): readonly PlannedMarble[] {
  const former = transition.before.manifest.manifest.marbles
  const next = transition.after.manifest.manifest.marbles
  return [...new Set([...former.keys(), ...next.keys()])].sort().map((type) => {
    const definition = next.get(type)
    const limit = definition?.maxActivations ?? 0
    const spent = transition.after.activations.get(type) ?? 0
    const restart = restartReasons(type, transition)
    return {
      type,
      change: changeOf(former.get(type), definition, restart),
      activations: history.get(type) ?? { total: 0, sinceLastUpdate: 0, marblesSinceLastUpdate: 0 },
      ...(limit > 0 && { activationsLeft: Math.max(0, limit - spent) }),
      restart,
    }
  })
}

function changeOf(
  former: MarbleDefinition | undefined,
  next: MarbleDefinition | undefined,
  restart: readonly RestartReason[],
): PlannedMarble['change'] {
  if (next === undefined) return 'removed'
  if (former === undefined) return 'added'
  const isChanged =
    restart.some(({ reason }) => reason !== 'certificates') ||
    former.maxActivations !== next.maxActivations ||
    former.disableSecretBinding !== next.disableSecretBinding
  return isChanged ? 'changed' : 'unchanged'
}

function restartReasons(type: string, { before, after }: Transition): readonly RestartReason[] {
  const former = before.manifest.manifest.marbles.get(type)
  if (former === undefined) return []
  const next = after.manifest.manifest.marbles.get(type)
  if (next === undefined) return [{ reason: 'removed', names: [] }]
  const reasons: RestartReason[] = []
  const add = (
    reason: RestartReason['reason'],
    names: readonly string[],
    applies = names.length > 0,
  ): void => {
    if (applies) reasons.push({ reason, names })
  }
  const { authority } = after
  add('certificates', [], authority.marbleRootCertificate !== before.authority.marbleRootCertificate)
  add('secrets', changedSecrets(type, { before, after }))
  const parameters = fieldDifferences(parameterFields(former), parameterFields(next))
  add(
    'parameters',
    parameters.map(({ field }) => field.replace(/^Parameters\./, '')),
  )
  add('tls', changedTags(former, next, { before, after }))
  add('package', [next.package], changesPackage(former, next, { before, after }))
  return reasons
}

/** Secrets that templates and TLS tags of a marble type can reach. */
export function namedSecrets(type: string, { manifest }: StateWithManifest): readonly string[] {
  const prepared = manifest.marbles.get(type)
  if (prepared === undefined) return []
  const { references, tlsSecrets } = prepared
  return references.allSecrets
    ? [...manifest.manifest.secrets.keys()]
    : [...references.secrets, ...tlsSecrets]
}

/** Secrets of which a marble of this type would get another value now than it gets today. */
function changedSecrets(type: string, { before, after }: Transition): readonly string[] {
  const names = new Set([...namedSecrets(type, before), ...namedSecrets(type, after)])
  return [...names].filter((name) => handedOut(name, type, before) !== handedOut(name, type, after)).sort()
}

/** Something that differs when the value does; undefined: none, or a private certificate, which is always new. */
function handedOut(name: string, type: string, state: StateWithManifest): string | undefined {
  const definition = state.manifest.manifest.secrets.get(name)
  const marble = state.manifest.manifest.marbles.get(type)
  if (definition === undefined || marble === undefined) return undefined
  if (definition.shared || definition.userDefined) {
    const value = state.secrets.get(name)
    const parts = [value?.private.reveal(), value?.public.reveal(), value?.certificate]
    return value && parts.map((part) => Buffer.from(part ?? []).toString('base64')).join()
  }
  if (definition.type !== 'symmetric-key') return `per activation: ${definition.type} ${definition.size}`
  return derived(state.rootSecret, name, definition.size, marble.disableSecretBinding ? '' : type)
}

function changedTags(
  former: MarbleDefinition,
  next: MarbleDefinition,
  { before, after }: Transition,
): readonly string[] {
  const shown = (tag: string, marble: MarbleDefinition, { manifest }: StateWithManifest): string => {
    const definition = manifest.manifest.tls.get(tag)
    return marble.tls.includes(tag) && definition !== undefined ? JSON.stringify(tlsFields(definition)) : ''
  }
  const tags = new Set([...former.tls, ...next.tls])
  return [...tags].filter((tag) => shown(tag, former, before) !== shown(tag, next, after)).sort()
}

function changesPackage(
  former: MarbleDefinition,
  next: MarbleDefinition,
  { before, after }: Transition,
): boolean {
  const policy = (marble: MarbleDefinition, state: StateWithManifest): string => {
    const found = effectiveManifest(state).packages.get(marble.package)
    return found === undefined ? '' : JSON.stringify(packageFields(found))
  }
  return policy(former, before) !== policy(next, after)
}
