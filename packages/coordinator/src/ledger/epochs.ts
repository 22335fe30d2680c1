import { randomBytes } from 'node:crypto'
import type { SealingProvider } from '../sealing/provider.ts'
import type { State } from '../state/state.ts'
import { encodeAnchor } from './anchor.ts'
import { BaseDigest } from './base-digest.ts'
import type { RollbackProtection } from './adoption.ts'
import { type Batch, type LedgerBackend, StorageUnavailable, type StoredEntry } from './backend.ts'
import { MemoryBackend } from './backends/memory.ts'
import type { SealDirectory } from './directory.ts'
import { type ChainPoint, chainStart, sealEntry } from './entry.ts'
import { Epoch, ledgerIdLength, newMacKey } from './epoch.ts'
import type { LedgerFiles } from './files.ts'
import { type HeadStatus, makeHead } from './head.ts'
import { sealKeyFile } from './key-file.ts'
import type { Rekey } from './ledger.ts'
import { type AnchoredWrite, RollbackGuard, type Unconfirmed, writeGuarded } from './rollback-anchor.ts'
import { sealSnapshot } from './snapshot.ts'
import { DirectoryStore, type LedgerStore, type Notices, type Position, temporaryStore } from './store.ts'
import type { WaitingTransaction } from './transaction.ts'

/** Opens a backend on a file of the seal directory; `create`: the file is empty. */
type OpenBackend = (file: string, mode: 'create' | 'write') => LedgerBackend

export interface EpochStarterOptions {
  readonly directory: SealDirectory
  readonly files: LedgerFiles
  readonly sealing: SealingProvider
  readonly openBackend: OpenBackend
  /** Undefined: older copies of the seal directory open. */
  readonly rollback: RollbackProtection | undefined
  readonly now: () => Date
  readonly notices: Notices
}

/** What was made durable. */
export interface Written {
  readonly position: Position
  /** Undefined: it may be answered. */
  readonly unconfirmed: Unconfirmed | undefined
}

/** Entries copied at once when a ledger changes its place. */
const pageSize = 1000

/**
 * Starts epochs: the whole state is sealed anew in a snapshot, under the keys and in the place that the decision
 * names. Whatever a crash or an error cuts short, the former epoch or the new one is whole.
 */
export class EpochStarter {
  readonly #options: EpochStarterOptions

  constructor(options: EpochStarterOptions) {
    this.#options = options
  }

  /**
   * @param current undefined: nothing was set yet, or what was can't be opened and is moved aside
   * @throws {@link StorageUnavailable}, {@link import('../sealing/provider.ts').SealingError}: nothing has changed
   */
  async start(
    current: Position | undefined,
    transaction: WaitingTransaction,
    rekey: Rekey,
  ): Promise<Written> {
    const epoch = nextEpoch(current?.epoch, rekey)
    const point = current?.head ?? chainStart(epoch.ledgerId)
    const { decision, time, next } = transaction
    // The snapshot has the whole state, so the entry needs no sealed part.
    const audited = { time, audit: decision.audit, changes: new Uint8Array() }
    const entry = sealEntry(epoch, point, audited)
    const staysInPlace = current?.store.isTemporary === (epoch.sealMode === 'Disabled')
    // A sealed key that is made together with the ledger knows the entry; one that is there already, only later.
    const confirmed = staysInPlace ? point.sequence : entry.sequence
    const guard = current?.store.guard ?? (await this.#beginGuard(epoch))
    const { written: position, unconfirmed } = await writeGuarded(guard, {
      rewrite: rewriterOf(current),
      write: async (anchored) => {
        const batch = epochBatch(epoch, entry, next, { confirmed, anchored })
        const store = await this.#place(current, epoch, point, batch, guard)
        return { store, epoch, head: batch.head }
      },
      isRare: true,
    })
    if (current !== undefined && current.store !== position.store) {
      await this.#leave(current.store, position.store)
    }
    // Node's own copy, imported for encryption, goes with the garbage collector.
    if (rekey.dek !== undefined) current?.epoch.keys.dek.reveal().fill(0)
    return { position, unconfirmed }
  }

  /** Also what goes without files moves the anchor on where files were, so that they don't open again. */
  async #beginGuard({ sealMode }: Epoch): Promise<RollbackGuard | undefined> {
    const { rollback, directory } = this.#options
    if (rollback === undefined || (sealMode === 'Disabled' && !directory.hasLedger())) return undefined
    return await RollbackGuard.begin(rollback.anchor)
  }

  async #place(
    current: Position | undefined,
    epoch: Epoch,
    point: ChainPoint,
    batch: Batch,
    guard: RollbackGuard | undefined,
  ): Promise<LedgerStore> {
    const isTemporary = epoch.sealMode === 'Disabled'
    if (current?.store.isTemporary === isTemporary) {
      await current.store.appendEpoch(current.epoch, epoch, point, batch)
      return current.store
    }
    const entries = current === undefined ? [] : copyOf(current.store.backend, point.sequence)
    const whole = { ...batch, entries: [...entries, ...batch.entries] }
    if (!isTemporary) return await this.#createDirectory(epoch, whole, guard)
    await current?.store.settle(current.epoch, current.head, 'empty')
    if (this.#options.directory.hasLedger()) await this.#replaceAll(undefined)
    const backend = new MemoryBackend()
    await backend.append(0, whole)
    return temporaryStore(backend)
  }

  async #createDirectory(epoch: Epoch, batch: Batch, guard: RollbackGuard | undefined): Promise<LedgerStore> {
    const { directory, files, sealing, openBackend, notices } = this.#options
    const { sequence, hash, confirmed } = batch.head
    await this.#replaceAll(async ({ ledgerFile, keyFile }) => {
      files.writeNew(ledgerFile, new Uint8Array())
      const backend = openBackend(ledgerFile, 'create')
      try {
        await backend.append(0, batch)
      } finally {
        await backend.close()
      }
      const anchor = { counter: 1, point: { sequence, hash }, confirmed, base: digestOf(ledgerFile) }
      files.writeNew(keyFile, await sealKeyFile(sealing, [epoch], encodeAnchor(epoch, anchor)))
    })
    const open = (): LedgerBackend => openBackend(directory.ledgerFile, 'write')
    return new DirectoryStore({ open, directory, files, sealing, epoch, confirmed, guard, notices })
  }

  /** From here on no other Coordinator may use the directory. */
  async #replaceAll(build: Parameters<SealDirectory['replaceAll']>[0]): Promise<void> {
    const { directory, now } = this.#options
    if (!directory.isLocked) {
      directory.lock()
      if (directory.hasLedger()) {
        directory.unlock()
        throw new StorageUnavailable(
          `another Coordinator has set a manifest in "${directory.path}" since this one started; restart this one`,
        )
      }
    }
    // An attempt that failed before may have left off in the middle.
    directory.completeSwitch()
    await directory.replaceAll(build, now())
  }

  /** Closes what the ledger has moved away from; its files stand aside already. */
  async #leave(former: LedgerStore, next: LedgerStore): Promise<void> {
    try {
      await former.close()
    } catch (error) {
      if (!(error instanceof Error)) throw error
      this.#options.notices.warn(
        `closing the ledger that ${next.isTemporary ? 'ends' : 'moves'}: ${error.message}`,
      )
    }
  }
}

/** Writes the head of a ledger again, with another value of the anchor. */
export function rewriterOf(position: Position | undefined): AnchoredWrite {
  return async (anchored) => {
    if (position === undefined) return
    const { store, epoch, head } = position
    const again = makeHead(epoch, head, { confirmed: head.confirmed, anchored })
    await store.backend.append(head.sequence, { entries: [], head: again })
  }
}

/** @see BaseDigest */
export function digestOf(ledgerFile: string): Buffer {
  const file = new BaseDigest(ledgerFile)
  try {
    return file.digest()
  } finally {
    file.close()
  }
}

/**
 * What starts an epoch: its first entry, and a snapshot.
 *
 * @param status its `confirmed` is the newest entry that the sealed key knows when this is written
 */
export function epochBatch(epoch: Epoch, entry: StoredEntry, state: State, status: HeadStatus): Batch {
  const head = makeHead(epoch, entry, status)
  return { entries: [entry], head, snapshot: sealSnapshot(epoch, entry, state) }
}

function nextEpoch(current: Epoch | undefined, { sealMode, dek, recovery }: Rekey): Epoch {
  if (current !== undefined) {
    const keys = dek === undefined ? current.keys : { dek, macKey: current.keys.macKey }
    return current.next({ sealMode, keys, recovery: recovery ?? current.recovery })
  }
  if (dek === undefined || recovery === undefined)
    throw new Error('the first epoch needs a key and a recovery')
  const ledgerId = new Uint8Array(randomBytes(ledgerIdLength))
  return new Epoch({ number: 1, ledgerId, sealMode, recovery, keys: { dek, macKey: newMacKey() } })
}

/** All entries up to `end`, without sealed parts. */
function copyOf(backend: LedgerBackend, end: number): StoredEntry[] {
  const entries: StoredEntry[] = []
  while (entries.length < end) {
    const page = backend.entries(entries.length, Math.min(pageSize, end - entries.length))
    if (page.length === 0)
      throw new StorageUnavailable(`entry ${entries.length + 1} is missing in the ledger`)
    for (const entry of page) entries.push({ ...entry, sealedPart: undefined })
  }
  return entries
}
