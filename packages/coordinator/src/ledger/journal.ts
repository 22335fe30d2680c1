import type { PreparedManifest } from '../manifest/index.ts'
import { Refusal } from '../refusal.ts'
import { SealingError } from '../sealing/provider.ts'
import { applyStored, encodeChanges } from '../state/codec.ts'
import type { State } from '../state/state.ts'
import { BackendConflict, StorageDamaged, StorageUnavailable, type StoredEntry } from './backend.ts'
import { type ChainPoint, sealEntry } from './entry.ts'
import type { EpochStarter } from './epochs.ts'
import { makeHead, verifyHead } from './head.ts'
import { readChain, readRecords } from './history.ts'
import type { ChainStretch, Decision, Ledger, LedgerEntry } from './ledger.ts'
import { type FoundWork, Maintenance, type MaintenanceDelays, type MaintenancePort } from './maintenance.ts'
import { openEntry, replacesSecrets } from './replay.ts'
import type { Notices, Position } from './store.ts'
import { startTransaction, type WaitingTransaction } from './transaction.ts'

/** Transactions that are written at once. */
const maxBatch = 512

/** Entries read at once after a conflict. */
const pageSize = 1000

const noChanges = new Uint8Array()

export interface JournalOptions {
  readonly starter: EpochStarter
  readonly prepareManifest: (raw: Uint8Array) => PreparedManifest
  readonly now: () => Date
  readonly notices: Notices
  readonly delays: MaintenanceDelays
  /** Called when the ledger has closed. */
  readonly release: () => void
}

/** A ledger as it was opened, or came back. */
export interface OpenedPosition {
  readonly position: Position
  readonly state: State
  readonly work: FoundWork
}

/**
 * The one writer of a ledger.
 *
 * Each transaction decides at once, on a state that includes what is on its way to the storage. All that were decided
 * by the time the storage is free are written together. When writing fails, the state falls back to the durable one,
 * and everyone who waits is refused, since each may have built on the one before.
 */
export class Journal implements Ledger {
  readonly #options: JournalOptions
  readonly #maintenance: Maintenance
  readonly #listeners: ((state: State, former: State) => void)[] = []
  #position: Position | undefined
  #state: State
  /** The durable state with the changes of all that wait. */
  #speculative: State
  #waiting: WaitingTransaction[] = []
  #isScheduled = false
  #isClosed = false
  #recoveryReason: string | undefined
  /** Settles when nothing is being written. */
  #writing: Promise<unknown> = Promise.resolve()

  /** @param state what nothing set leads to; {@link Journal.open} replaces it by that of an opened ledger */
  constructor(state: State, recoveryReason: string | undefined, options: JournalOptions) {
    this.#options = options
    this.#state = state
    this.#speculative = state
    this.#recoveryReason = recoveryReason
    const port: MaintenancePort = {
      exclusive: (action) => this.exclusive(action),
      current: () => this.#position && { position: this.#position, state: this.#state },
      moved: (head) => {
        if (this.#position !== undefined) this.#position = { ...this.#position, head }
      },
      isIdle: () => this.#waiting.length === 0,
      warn: (message) => {
        options.notices.warn(message)
      },
    }
    this.#maintenance = new Maintenance(port, options.delays)
  }

  get state(): State {
    return this.#state
  }

  get recoveryReason(): string | undefined {
    return this.#recoveryReason
  }

  /** Goes on from a ledger that was there. */
  open({ position, state, work }: OpenedPosition): void {
    this.#moveTo(position, state)
    this.#maintenance.opened(work)
  }

  onCommit(listener: (state: State, former: State) => void): void {
    this.#listeners.push(listener)
  }

  async transact<T>(decide: (state: State) => Decision<T>): Promise<T> {
    if (this.#isClosed)
      throw new Refusal('storage_unavailable', 'the Coordinator is ending; send the request again')
    const { waiting, result } = startTransaction(decide, this.#speculative, this.#options.now)
    const isNothingSet = this.#position === undefined && this.#speculative === this.#state
    if (isNothingSet && waiting.decision.rekey === undefined) {
      throw new Error('nothing was set yet, so the first transaction must start an epoch')
    }
    this.#speculative = waiting.next
    this.#waiting.push(waiting)
    this.#schedule()
    return await result
  }

  entries(after: number, limit: number): readonly LedgerEntry[] {
    if (this.#position === undefined) return []
    const { store, epoch, head } = this.#position
    return readRecords(store.backend, epoch, after, limit, head.sequence)
  }

  chain(after: number, limit: number): ChainStretch | undefined {
    if (this.#position === undefined) return undefined
    const { store, epoch, head } = this.#position
    return readChain(store.backend, epoch, after, limit, head)
  }

  /** Runs `action` while nothing else is written. */
  exclusive<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#writing.then(action)
    this.#writing = result.catch(() => undefined)
    return result
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    do await this.exclusive(() => this.#writeBatch())
    while (this.#waiting.length > 0)
    await this.#maintenance.finish()
    await this.exclusive(async () => {
      await this.#position?.store.close()
      this.#options.release()
    })
  }

  /** Waits until the requests that came in together have decided, so that one commit has them all. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      void this.exclusive(() => this.#writeBatch())
    })
  }

  async #writeBatch(): Promise<void> {
    this.#isScheduled = false
    const batch = this.#takeBatch()
    try {
      await this.#write(batch)
    } catch (error) {
      await this.#recoverFrom(error, batch)
    }
    if (this.#waiting.length > 0) this.#schedule()
  }

  /** A transaction that starts an epoch is written alone. */
  #takeBatch(): readonly WaitingTransaction[] {
    const startsEpoch = this.#waiting
      .slice(0, maxBatch)
      .findIndex(({ decision }) => decision.rekey !== undefined)
    const length = startsEpoch === -1 ? maxBatch : Math.max(1, startsEpoch)
    return this.#waiting.splice(0, length)
  }

  async #write(batch: readonly WaitingTransaction[]): Promise<void> {
    const last = batch.at(-1)
    if (last === undefined) return
    const { rekey } = last.decision
    if (rekey !== undefined) {
      const position = await this.#options.starter.start(this.#position, last, rekey)
      this.#maintenance.restarted(position.head.sequence)
      this.#moveTo(position, last.next)
    } else {
      const position = this.#position
      if (position === undefined) throw new Error('the transaction that would start the first epoch failed')
      await this.#append(position, batch, last.next)
    }
    for (const waiting of batch) waiting.commit()
  }

  async #append(position: Position, batch: readonly WaitingTransaction[], next: State): Promise<void> {
    const { store, epoch } = position
    const entries: StoredEntry[] = []
    let point: ChainPoint = position.head
    let bytes = 0
    let replaces = false
    for (const { decision, time } of batch) {
      const changes = decision.changes.length === 0 ? noChanges : encodeChanges(decision.changes)
      const entry = sealEntry(epoch, point, { time, audit: decision.audit, changes })
      replaces ||= replacesSecrets(decision.changes)
      bytes += entry.sealedPart?.length ?? 0
      entries.push(entry)
      point = entry
    }
    const head = makeHead(epoch, point, store.confirmed)
    await store.backend.append(position.head.sequence, { entries, head })
    store.anchor(epoch, head)
    this.#maintenance.grown({ entries: entries.length, bytes, replaces })
    this.#moveTo({ store, epoch, head }, next)
  }

  #moveTo(position: Position, state: State): void {
    const former = this.#state
    this.#position = position
    this.#state = state
    this.#recoveryReason = undefined
    if (this.#waiting.length === 0) this.#speculative = state
    for (const listener of this.#listeners) {
      try {
        listener(state, former)
      } catch (error) {
        this.#options.notices.warn(
          `a listener failed: ${error instanceof Error ? (error.stack ?? '') : String(error)}`,
        )
      }
    }
  }

  async #recoverFrom(error: unknown, batch: readonly WaitingTransaction[]): Promise<void> {
    const waiting = [...batch, ...this.#waiting]
    this.#waiting = []
    let reason = error
    if (error instanceof BackendConflict) {
      try {
        this.#reload()
        this.#decideAgain(waiting)
        return
      } catch (failure) {
        reason = failure
      }
    }
    this.#speculative = this.#state
    await this.#overwriteFailed()
    const refusal = refusalFor(reason)
    for (const transaction of waiting) transaction.refuse(refusal)
  }

  /** So that no commit that failed half-way comes back after a crash. When this fails too, one may. */
  async #overwriteFailed(): Promise<void> {
    if (this.#position === undefined) return
    const { store, epoch, head } = this.#position
    try {
      await store.backend.append(head.sequence, { entries: [], head: makeHead(epoch, head, head.confirmed) })
    } catch (error) {
      this.#options.notices.warn(
        `the storage fails: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }

  #decideAgain(waiting: readonly WaitingTransaction[]): void {
    this.#speculative = this.#state
    for (const transaction of waiting) {
      if (!transaction.decideAgain(this.#speculative)) continue
      this.#speculative = transaction.next
      this.#waiting.push(transaction)
    }
  }

  /** Takes over what another Coordinator appended. @throws {@link StorageDamaged} when that isn't genuine */
  #reload(): void {
    const position = this.#position
    const head = position?.store.backend.head()
    if (position === undefined || head === undefined || head.sequence <= position.head.sequence) {
      throw new StorageDamaged('the ledger was changed from outside: its end is not where it was')
    }
    const { store, epoch } = position
    verifyHead(epoch, head)
    let point: ChainPoint = position.head
    let state = this.#state
    while (point.sequence < head.sequence) {
      const page = store.backend.entries(point.sequence, Math.min(pageSize, head.sequence - point.sequence))
      if (page.length === 0) throw new StorageDamaged(`entry ${point.sequence + 1} is missing`)
      for (const entry of page) {
        const changes = openEntry(epoch, point, entry, true)
        state = applyStored(state, changes, this.#options.prepareManifest)
        point = entry
      }
    }
    this.#moveTo({ store, epoch, head }, state)
  }
}

function refusalFor(error: unknown): unknown {
  const isStorage =
    error instanceof StorageUnavailable || error instanceof StorageDamaged || error instanceof SealingError
  if (!isStorage) return error
  return new Refusal(
    'storage_unavailable',
    `the change could not be made durable, so it was not made: ${error.message}; send the request again later`,
    { cause: error },
  )
}
