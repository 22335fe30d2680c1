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

export function secretEffects({ before, after }: Transition): readonly PlannedSecret[] {
  const former = before.manifest.manifest.secrets
  const next = after.manifest.manifest.secrets
  return [...new Set([...former.keys(), ...next.keys()])].sort().flatMap((name) => {
    const definition = next.get(name) ?? former.get(name)
    if (definition === undefined) return []
    const { type, shared, userDefined } = definition
    const scope = userDefined ? 'user-defined' : shared ? 'shared' : 'private'
    const values = { now: valueOf(name, before), older: previousOf(name, before) }
    const later = { now: valueOf(name, after), older: previousOf(name, after) }
    const survives = (value: string): boolean => value === later.now || value === later.older
    const { now, older } = values
    return [
      {
        name,
        type,
        scope,
        value: fateOf(now, later.now, next.get(name)),
        ...(now !== undefined && now !== later.now && { formerValue: survives(now) ? 'previous' : 'lost' }),
        ...(older !== undefined && { olderValue: survives(older) ? 'kept' : 'lost' }),
      },
    ]
  })
}

export const isPrivate = ({ shared, userDefined }: SecretDefinition): boolean => !shared && !userDefined

function fateOf(
  value: string | undefined,
  next: string | undefined,
  definition: SecretDefinition | undefined,
): PlannedSecret['value'] {
  if (definition === undefined) return 'deleted'
  if (isPrivate(definition) && definition.type !== 'symmetric-key') return 'per-activation'
  if (next === undefined) return value === undefined ? 'unset' : 'deleted'
  if (value === undefined) return 'made'
  return value === next ? 'kept' : 'remade'
}

/**
 * Something that differs when the value of a secret does. Undefined: there is none, or none that lasts, as of a
 * private certificate, which is new at every activation.
 *
 * @param marbleType what a private key is bound to; where only the fate of the root secret matters, any
 */
function valueOf(name: string, state: StateWithManifest, marbleType = 'any'): string | undefined {
  return told(name, state, state.rootSecret, state.secrets.get(name), marbleType)
}

/** The same of what stands under `.Previous`, without what stands in for it while there is nothing. */
function previousOf(name: string, state: StateWithManifest): string | undefined {
  return told(name, state, state.previousRootSecret, state.previousSecrets.get(name), 'any')
}

/** A UUID to derive keys for, when only whether they stay the same matters. */
const anyUuid = '00000000-0000-4000-8000-000000000000'

function told(
  name: string,
  { manifest }: StateWithManifest,
  rootSecret: SecretBytes | undefined,
  stored: SecretValue | undefined,
  marbleType: string,
): string | undefined {
  const definition = manifest.manifest.secrets.get(name)
  if (definition === undefined) return undefined
  if (isPrivate(definition)) {
    if (definition.type !== 'symmetric-key' || rootSecret === undefined) return undefined
    const bits = definition.size
    return textOf(deriveSymmetricKey({ rootSecret, uuid: anyUuid, name, marbleType, bits }))
  }
  return stored && textOf(stored)
}

function textOf({ private: key, public: publicKey, certificate = Buffer.of() }: SecretValue): string {
  const parts = [key.reveal(), publicKey.reveal(), certificate]
  return parts.map((part) => Buffer.from(part).toString('base64')).join()
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
    former.disableSecretBinding !== next.disableSecretBinding ||
    JSON.stringify(former.allowedNames) !== JSON.stringify(next.allowedNames)
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

/** What a marble of this type gets of a secret. */
function handedOut(name: string, type: string, state: StateWithManifest): string | undefined {
  const marble = state.manifest.manifest.marbles.get(type)
  if (marble === undefined) return undefined
  const definition = state.manifest.manifest.secrets.get(name)
  return definition !== undefined && isPrivate(definition) && definition.type !== 'symmetric-key'
    ? `per activation: ${definition.type} ${definition.size}`
    : valueOf(name, state, marble.disableSecretBinding ? '' : type)
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
