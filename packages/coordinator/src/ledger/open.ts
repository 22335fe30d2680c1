import type { PreparedManifest } from '../manifest/index.ts'
import type { SealingProvider } from '../sealing/provider.ts'
import type { State } from '../state/state.ts'
import type { RollbackProtection } from './adoption.ts'
import { type LedgerBackend, StorageDamaged, StorageUnavailable } from './backend.ts'
import { SqliteBackend } from './backends/sqlite.ts'
import { checkSealDirectory, SealDirectory, SealDirectoryUnusable } from './directory.ts'
import { EpochStarter } from './epochs.ts'
import { type LedgerFiles, nodeFiles } from './files.ts'
import { HistoryVerification } from './history.ts'
import { Journal } from './journal.ts'
import type { Ledger } from './ledger.ts'
import { type Loaded, loadLedger, type LoadOptions } from './load.ts'
import { type MaintenanceDelays, usualDelays } from './maintenance.ts'
import { SealedLedger } from './recovery.ts'
import type { Notices } from './store.ts'

export { SealDirectoryUnusable }
export type { SealedLedger }

export interface LedgerOptions {
  /** The seal directory. It is made where it isn't there; nothing is in it until an epoch starts. */
  readonly directory: string
  readonly sealing: SealingProvider
  /** The state of a Coordinator that was never given a manifest. Called when no ledger can be opened. */
  readonly freshState: () => Promise<State>
  /** Prepares a manifest that was accepted before. A {@link Refusal} means that this build can't take it. */
  readonly prepareManifest: (raw: Uint8Array) => PreparedManifest
  readonly now: () => Date
  readonly notices: Notices
  /** Undefined: a host can put back older copies of the whole seal directory. */
  readonly rollback?: RollbackProtection | undefined
  /** For tests: when maintenance happens, and files and backends that fail. */
  readonly delays?: MaintenanceDelays
  readonly files?: LedgerFiles
  readonly wrapBackend?: (backend: LedgerBackend) => LedgerBackend
}

export interface OpenedLedger {
  readonly ledger: Ledger
  /** Sealed state that can't be opened, in state 1; undefined otherwise. */
  readonly sealed: SealedLedger | undefined
  /**
   * Settles when all public records are verified, which for long histories goes on after the start. The value says
   * what is wrong, and the notices said it too; undefined: nothing is.
   */
  readonly historyVerified: Promise<string | undefined>
}

/**
 * Opens what is in a seal directory.
 *
 * - Nothing: an empty ledger. The first decision that starts an epoch makes the files, unless its seal mode is
 *   `Disabled`.
 * - A ledger, and the sealed key that belongs to it: its state.
 * - A ledger whose key is missing, doesn't open or doesn't belong to it, or that was altered: an empty ledger with a
 *   {@link Ledger.recoveryReason}. The files stay as they are until recovery, or until a decision starts an epoch;
 *   then they move to a folder `replaced-TIME`.
 *
 * @throws {@link SealDirectoryUnusable} when the directory can't be used, or another Coordinator uses it
 */
export async function openLedger(options: LedgerOptions): Promise<OpenedLedger> {
  const { files = nodeFiles, wrapBackend = unchanged, delays = usualDelays } = options
  const { sealing, prepareManifest, now, notices, rollback } = options
  checkSealDirectory(options.directory)
  const directory = new SealDirectory(options.directory, files)
  const openBackend = (file: string, mode: 'create' | 'write'): LedgerBackend =>
    wrapBackend(new SqliteBackend(file, mode))
  const storage = { directory, files, sealing, openBackend, rollback, now, notices, prepareManifest }
  const found = await findLedger(storage)
  const reason = 'reason' in found ? found.reason : undefined
  const verification = 'loaded' in found ? verificationOf(found.loaded, notices) : undefined
  const state = 'loaded' in found ? found.loaded.opened.state : await options.freshState()
  const release = (): void => {
    verification?.cancel()
    directory.unlock()
  }
  const starter = new EpochStarter(storage)
  const ledger = new Journal(state, reason, { starter, prepareManifest, now, notices, delays, release })
  if ('loaded' in found) ledger.open(found.loaded.opened)
  if (reason !== undefined) notices.error(`the sealed state can't be opened: ${reason}`)
  return {
    ledger,
    sealed: reason === undefined ? undefined : new SealedLedger(ledger, storage),
    historyVerified: verification?.done ?? Promise.resolve(undefined),
  }
}

const unchanged = (backend: LedgerBackend): LedgerBackend => backend

type Storage = LoadOptions
type Found = { readonly loaded: Loaded } | { readonly reason: string } | { readonly nothing: true }

async function findLedger(storage: Storage): Promise<Found> {
  const { directory, notices } = storage
  if (!directory.hasLedger()) {
    if (directory.hasKey())
      notices.warn(`"${directory.keyFile}" is here, but no ledger: the state was removed`)
    return { nothing: true }
  }
  try {
    directory.lock()
    directory.completeSwitch()
    if (directory.hasLedger()) return { loaded: await loadLedger(storage) }
    directory.unlock()
    return { nothing: true }
  } catch (error) {
    if (error instanceof StorageDamaged) return { reason: error.message }
    directory.unlock()
    if (!(error instanceof StorageUnavailable)) throw error
    throw new SealDirectoryUnusable(error.message, { cause: error })
  }
}

function verificationOf({ opened, unverified }: Loaded, notices: Notices): HistoryVerification | undefined {
  if (unverified === 0) return undefined
  const { store, epoch } = opened.position
  const verification = new HistoryVerification(store.backend, epoch, unverified)
  void verification.done.then((problem) => {
    if (problem !== undefined) notices.error(`the audit log was altered: ${problem}`)
  })
  return verification
}
