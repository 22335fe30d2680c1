import type { PlannedAcknowledgements, UpdatePlan } from '@taw/protocol'
import type { User } from '../access/index.ts'
import { manifestDifferences } from '../manifest/compare/differences.ts'
import { manifestWarning } from '../manifest/compare/offline.ts'
import { decodeManifest, isPackageUpdate, parseManifest, type Problem } from '../manifest/index.ts'
import { ineffectiveMembers } from '../manifest/package-update.ts'
import { applyChanges, type StateChange } from '../state/state.ts'
import { readActivationHistory } from './activation-history.ts'
import { type PreparedUpdate, prepareManifestUpdate, sharesNeeded } from './apply-update.ts'
import { hasManifest, type StateWithManifest } from './overtaken.ts'
import type { Ports } from './ports.ts'
import { requireCurve } from './set-manifest.ts'
import {
  authorityEffects,
  effectiveManifest,
  marbleEffects,
  secretEffects,
  type Transition,
} from './update-effects.ts'
import { fingerprintOf, knownUser, requireUpdateRight, stillMissing } from './update-manifest.ts'
import { preparePackageUpdate } from './update-packages.ts'
import { irreversibleEffects, updateWarnings } from './update-warnings.ts'

/** What {@link describe} needs besides the state: the update, worked out as if it were to be committed. */
interface Rehearsal {
  readonly kind: UpdatePlan['kind']
  readonly raw: Uint8Array
  readonly changes: readonly StateChange[]
  readonly recoverySecrets: PreparedUpdate['recoverySecrets']
  readonly acknowledgements: PlannedAcknowledgements | undefined
  readonly manifestWarnings: readonly Problem[]
}

/**
 * Says what `proposeUpdate` (or, for the very manifest that is pending, `acknowledgeUpdate`) would do, once enough
 * users agree. It is worked out by the functions that the update itself uses, keys and all, and told by comparing the
 * states; then it is forgotten. Nothing is changed or recorded.
 *
 * @param raw as for an update
 * @throws {@link Refusal} `caller_unknown`, `permission_denied`, `manifest_invalid`, `update_invalid`,
 * `limit_exceeded`: what the update would be refused for, also where it would be taken now and fail when the last
 * user agrees. Not `update_pending`: the plan tells
 */
export async function planUpdate(
  certificate: Uint8Array | undefined,
  raw: Uint8Array,
  ports: Ports,
): Promise<UpdatePlan> {
  const { state, user } = knownUser(certificate, ports)
  const decoded = decodeManifest(raw)
  if (isPackageUpdate(decoded.source)) {
    const { changes } = await preparePackageUpdate(state, user, decoded.source, ports)
    const unneeded = { recoverySecrets: undefined, acknowledgements: undefined }
    const rehearsal = { raw, changes, manifestWarnings: ineffectiveMembers(decoded), ...unneeded }
    return await describe(state, user, { kind: 'packages', ...rehearsal }, ports)
  }
  requireUpdateRight(user)
  const next = parseManifest(raw, ports)
  requireCurve(next, ports)
  const { changes, rekey, recoverySecrets } = await prepareManifestUpdate(state, next, ports)
  rekey?.dek?.reveal().fill(0)
  const acknowledgements = acknowledgementsOf(state, user, raw)
  return await describe(
    state,
    user,
    { kind: 'manifest', raw, changes, recoverySecrets, acknowledgements, manifestWarnings: next.warnings },
    ports,
  )
}

async function describe(
  before: StateWithManifest,
  user: User,
  { kind, raw, changes, recoverySecrets, acknowledgements, manifestWarnings }: Rehearsal,
  ports: Ports,
): Promise<UpdatePlan> {
  const history = await readActivationHistory(ports)
  const after = applyChanges(before, changes)
  if (!hasManifest(after)) throw new Error('an update took the manifest away')
  const transition = { before, after }
  const secrets = secretEffects(transition)
  const marbles = marbleEffects(transition, history)
  const recovery = recoveryEffects(transition, recoverySecrets)
  const pending = pendingUpdate(before, raw)
  const plan = {
    kind,
    manifestFingerprint: fingerprintOf(raw),
    currentManifestFingerprint: before.manifest.fingerprint,
    differences: manifestDifferences(effectiveManifest(before), effectiveManifest(after)),
    secrets,
    authority: authorityEffects(transition),
    marbles,
    ...(acknowledgements !== undefined && { acknowledgements }),
    recovery,
    sealMode: {
      before: before.manifest.manifest.config.sealMode,
      after: after.manifest.manifest.config.sealMode,
    },
    ...(pending !== undefined && { pending }),
    irreversible: irreversibleEffects(transition, { secrets, marbles, recovery }),
    warnings: updateWarnings(transition, { secrets, marbles, recovery }, user, pending),
    manifestWarnings: manifestWarnings.map(manifestWarning),
  }
  wipe(changes, before)
  return plan
}

function acknowledgementsOf(state: StateWithManifest, user: User, raw: Uint8Array): PlannedAcknowledgements {
  const { pendingUpdate: waiting } = state
  const others = waiting !== undefined && Buffer.compare(waiting.raw, raw) === 0 ? waiting.acknowledgedBy : []
  const acknowledgedBy = new Set([...others, user.name])
  const { missingAcknowledgments: missing, missingUsers } = stillMissing(state, { acknowledgedBy })
  return {
    threshold: state.manifest.manifest.config.updateThreshold,
    needed: missing + acknowledgedBy.size,
    acknowledgedBy: [...acknowledgedBy],
    missing,
    missingUsers,
  }
}

function recoveryEffects(
  { before, after }: Transition,
  secrets: PreparedUpdate['recoverySecrets'],
): UpdatePlan['recovery'] {
  const next = after.manifest.manifest
  const isNone = next.recoveryKeys.size === 0
  const unchanged = isNone && before.manifest.manifest.recoveryKeys.size === 0 ? 'none' : 'kept'
  return {
    secrets: secrets === undefined ? unchanged : secrets.size === 0 ? 'removed' : 'renewed',
    parties: [...(secrets ?? next.recoveryKeys).keys()],
    needed: sharesNeeded(next),
  }
}

function pendingUpdate(
  { pendingUpdate: waiting }: StateWithManifest,
  raw: Uint8Array,
): UpdatePlan['pending'] {
  if (waiting === undefined) return undefined
  return {
    manifestFingerprint: fingerprintOf(waiting.raw),
    isThisManifest: Buffer.compare(waiting.raw, raw) === 0,
    acknowledgedBy: [...waiting.acknowledgedBy],
  }
}

/** Overwrites the keys that were made for nothing. Copies that OpenSSL and the garbage collector hold stay. */
function wipe(changes: readonly StateChange[], before: StateWithManifest): void {
  for (const change of changes) {
    if (change.kind === 'authority') change.authority.intermediateKey.reveal().fill(0)
    if (change.kind === 'root-secret') change.current.reveal().fill(0)
    if (change.kind !== 'secret' || change.generation !== 'current' || change.value === undefined) continue
    if (change.value !== before.secrets.get(change.name)) change.value.private.reveal().fill(0)
  }
}
