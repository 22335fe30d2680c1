import { createHash } from 'node:crypto'
import { manifestUpdaters, mayUpdateManifest, type User } from '../access/index.ts'
import type { Rekey } from '../ledger/ledger.ts'
import { acknowledgementsNeeded } from '../manifest/compare/cautions.ts'
import { changedNames, type ManifestChanges } from '../manifest/compare/differences.ts'
import {
  decodeManifest,
  isPackageUpdate,
  ManifestInvalid,
  parseManifest,
  type Problem,
} from '../manifest/index.ts'
import { ineffectiveMembers } from '../manifest/package-update.ts'
import { Refusal } from '../refusal.ts'
import type { UpdateOutcome } from '../state/audit.ts'
import type { PendingUpdate, StateChange } from '../state/state.ts'
import { prepareManifestUpdate } from './apply-update.ts'
import { requireUser, userActor, userFields } from './callers.ts'
import { hasManifest, requireSameBasis, type StateWithManifest, untilNotOvertaken } from './overtaken.ts'
import type { Ports } from './ports.ts'
import { requireCurve } from './set-manifest.ts'
import { requireNonePending, updatePackages } from './update-packages.ts'

/** How far an update got. */
export interface UpdateProgress {
  readonly missingAcknowledgments: number
  /** Who could still agree; empty once no more agreement is needed. */
  readonly missingUsers: readonly string[]
  /** Recovery party → its new share, encrypted; undefined unless the update is in force and changed recovery. */
  readonly recoverySecrets: ReadonlyMap<string, Uint8Array> | undefined
  /** What is odd about the update though it is taken: for who sent it, and who completed it. */
  readonly warnings: readonly Problem[]
}

const complete = { missingAcknowledgments: 0, missingUsers: [], recoverySecrets: undefined } as const

/**
 * A user uploads an update: of packages alone, which is in force at once, or a whole new manifest, which is in force
 * when enough users agree.
 *
 * @throws {@link Refusal} `caller_unknown`, `permission_denied`, `manifest_invalid`, `update_invalid`,
 * `update_pending`, `storage_unavailable`
 */
export function proposeUpdate(
  certificate: Uint8Array | undefined,
  raw: Uint8Array,
  ports: Ports,
): Promise<UpdateProgress> {
  return untilNotOvertaken(async () => {
    const { state, user } = knownUser(certificate, ports)
    const decoded = decodeManifest(raw)
    if (isPackageUpdate(decoded.source)) {
      await updatePackages(state, user, decoded.source, ports)
      return logged({ ...complete, warnings: ineffectiveMembers(decoded) }, ports)
    }
    requireNonePending(state)
    requireUpdateRight(user)
    const warnings = checkProposal(raw, ports)
    const update = { raw, acknowledgedBy: new Set([user.name]) }
    const progress = await proceed(state, user, update, 'update-initiated', ports)
    return logged({ ...progress, warnings }, ports)
  })
}

/**
 * A user agrees to the pending update by sending the very same manifest.
 *
 * @throws {@link Refusal} `caller_unknown`, `update_missing`, `permission_denied`, `update_invalid`,
 * `manifest_invalid`, `storage_unavailable`
 */
export function acknowledgeUpdate(
  certificate: Uint8Array | undefined,
  raw: Uint8Array,
  ports: Ports,
): Promise<UpdateProgress> {
  return untilNotOvertaken(async () => {
    const { state, user } = knownUser(certificate, ports)
    const pending = requirePending(state.pendingUpdate)
    requireUpdateRight(user)
    if (Buffer.compare(pending.raw, raw) !== 0) {
      throw new Refusal(
        'update_invalid',
        `acknowledging: the manifest sent has SHA-256 ${fingerprintOf(raw)}, the pending one ` +
          `${fingerprintOf(pending.raw)}; send the very same bytes, after reading them`,
      )
    }
    const update = { raw: pending.raw, acknowledgedBy: new Set([...pending.acknowledgedBy, user.name]) }
    return await proceed(state, user, update, 'update-acknowledged', ports)
  })
}

/** @throws {@link Refusal} `caller_unknown`, `permission_denied`, `update_missing`, `storage_unavailable` */
export async function cancelUpdate(certificate: Uint8Array | undefined, ports: Ports): Promise<void> {
  const { user, fingerprint } = await ports.ledger.transact((state) => {
    const user = requireUser(state, certificate)
    requireUpdateRight(user)
    const { raw } = requirePending(state.pendingUpdate)
    const fingerprint = fingerprintOf(raw)
    return {
      changes: [{ kind: 'pending-update', update: undefined }],
      audit: { action: 'update-cancelled', actor: userActor(user), fingerprint },
      result: { user, fingerprint },
    }
  })
  ports.log.info({ fingerprint, ...userFields(user) }, 'manifest update cancelled')
}

/** The pending update, for all to read. @throws {@link Refusal} `update_missing` */
export function readPendingUpdate({ ledger }: Pick<Ports, 'ledger'>): {
  readonly raw: Uint8Array
  readonly missingUsers: readonly string[]
} {
  const { pendingUpdate, manifest } = ledger.state
  const { raw, acknowledgedBy } = requirePending(pendingUpdate)
  const updaters = manifest === undefined ? [] : manifestUpdaters(manifest.manifest)
  return { raw, missingUsers: updaters.filter((name) => !acknowledgedBy.has(name)) }
}

/**
 * Records the step of this user, and puts the update in force when nobody else is needed. What can't be put in force
 * is dropped, so that it doesn't stand in the way.
 */
async function proceed(
  state: StateWithManifest,
  user: User,
  update: PendingUpdate,
  action: 'update-initiated' | 'update-acknowledged',
  ports: Ports,
): Promise<UpdateProgress> {
  const { missingUsers, missingAcknowledgments } = stillMissing(state, update)
  const fingerprint = fingerprintOf(update.raw)
  const commit = (
    outcome: UpdateOutcome,
    changes: readonly StateChange[],
    rekey?: Rekey,
    changed?: ManifestChanges,
  ): Promise<void> =>
    ports.ledger.transact((newest) => {
      requireSameBasis(newest, state)
      const step = { action, actor: userActor(user), fingerprint, missingUsers, missingAcknowledgments }
      return {
        changes,
        audit: { ...step, outcome, ...(changed !== undefined && { changed }) },
        result: undefined,
        ...(rekey !== undefined && { rekey }),
      }
    })
  if (missingAcknowledgments > 0) {
    await commit('pending', [{ kind: 'pending-update', update }])
    ports.log.info({ fingerprint, missingAcknowledgments, ...userFields(user) }, pendingMessages[action])
    return { missingUsers, missingAcknowledgments, recoverySecrets: undefined, warnings: [] }
  }
  try {
    const next = parseManifest(update.raw, ports)
    const { changes, rekey, recoverySecrets } = await prepareManifestUpdate(state, next, ports)
    await commit('applied', changes, rekey, changedNames(state.manifest.manifest, next.manifest))
    ports.log.info({ fingerprint, ...userFields(user) }, 'manifest updated')
    return { ...complete, recoverySecrets, warnings: next.warnings }
  } catch (error) {
    if (error instanceof Refusal && error.code !== 'storage_unavailable') {
      await commit('failed', [{ kind: 'pending-update', update: undefined }])
      ports.log.warn({ fingerprint, ...userFields(user), error }, 'a manifest update failed, and was dropped')
    }
    throw error
  }
}

function logged(progress: UpdateProgress, { log }: Pick<Ports, 'log'>): UpdateProgress {
  for (const { path, line, column, message } of progress.warnings)
    log.warn({ path, line, column }, `manifest update: ${message}`)
  return progress
}

const pendingMessages = {
  'update-initiated': 'a manifest update was proposed',
  'update-acknowledged': 'a manifest update was acknowledged',
} as const

/** The manifest in force says how many must agree; 0: all who may. */
export function stillMissing(
  { manifest: { manifest } }: StateWithManifest,
  { acknowledgedBy }: Pick<PendingUpdate, 'acknowledgedBy'>,
): Pick<UpdateProgress, 'missingUsers' | 'missingAcknowledgments'> {
  return {
    missingUsers: manifestUpdaters(manifest).filter((name) => !acknowledgedBy.has(name)),
    missingAcknowledgments: Math.max(0, acknowledgementsNeeded(manifest) - acknowledgedBy.size),
  }
}

/** @throws {@link Refusal} `caller_unknown` */
export function knownUser(
  certificate: Uint8Array | undefined,
  ports: Ports,
): { readonly state: StateWithManifest; readonly user: User } {
  const { state } = ports.ledger
  const user = requireUser(state, certificate)
  if (!hasManifest(state)) throw new Error('a user is known without a manifest')
  return { state, user }
}

export const fingerprintOf = (raw: Uint8Array): string => createHash('sha256').update(raw).digest('hex')

/**
 * What the original looks at only when an update is put in force: whether secrets can be made, recovery keys read, and
 * templates rendered. Until then others may agree to it; it fails, and is logged, when the last one does.
 */
const lookedAtLater = /^(?:Secrets\b|RecoveryKeys\b|Marbles\b.*\.Parameters\b)/

/**
 * @returns warnings about the manifest
 * @throws {@link ManifestInvalid}, {@link Refusal} `manifest_invalid`
 */
function checkProposal(raw: Uint8Array, ports: Ports): readonly Problem[] {
  try {
    const proposed = parseManifest(raw, ports)
    requireCurve(proposed, ports)
    return proposed.warnings
  } catch (error) {
    if (!(error instanceof ManifestInvalid)) throw error
    const errors = error.problems.filter(({ severity }) => severity === 'error')
    if (errors.some(({ path }) => !lookedAtLater.test(path))) throw error
    return error.problems.filter(({ severity }) => severity === 'warning')
  }
}

function requirePending(pending: PendingUpdate | undefined): PendingUpdate {
  if (pending !== undefined) return pending
  throw new Refusal('update_missing', 'no manifest update is pending')
}

/** @throws {@link Refusal} `permission_denied` */
export function requireUpdateRight(user: User): void {
  if (mayUpdateManifest(user)) return
  throw new Refusal(
    'permission_denied',
    `updating the manifest: user "${user.name}" lacks UpdateManifest; a role of the user must grant it`,
  )
}
