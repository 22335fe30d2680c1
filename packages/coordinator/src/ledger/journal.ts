import type { PreparedManifest } from '../manifest/index.ts'
import { Refusal } from '../refusal.ts'
import type { State } from '../state/state.ts'
import { BackendConflict, StorageDamaged } from './backend.ts'
import { appendBatch, overwriteFailed, takeBatch } from './batch.ts'
import { catchUp } from './catch-up.ts'
import type { EpochStarter, Written } from './epochs.ts'
import { readChain, readRecords } from './history.ts'
import type { ChainStretch, Decision, Ledger, LedgerEntry } from './ledger.ts'
import { type FoundWork, Maintenance, type MaintenanceDelays, type MaintenancePort } from './maintenance.ts'
import { notConfirmed, notMade, stillUnconfirmed } from './refusals.ts'
import type { RollbackGuard, Unconfirmed } from './rollback-anchor.ts'
import type { Notices, Position } from './store.ts'
import { startTransaction, type WaitingTransaction } from './transaction.ts'

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

/** What is written, but shown to nobody before the rollback anchor knows of it. */
interface HeldBack {
  readonly guard: RollbackGuard
  readonly state: State
  /** Entries up to here may be shown. */
  readonly end: number
}

/**
 * The one writer of a ledger.
 *
 * Each transaction decides at once, on a state that includes what is on its way to the storage. All that were decided
 * by the time the storage is free are written together. When writing fails, the state falls back to the durable one,
 * and everyone who waits is refused, since each may have built on the one before.
 *
 * With a rollback anchor, writing may succeed and the anchor fail. Then what was written is held back: its callers are
 * refused, nobody sees it, and nothing else is written until the anchor knows of it.
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
  #heldBack: HeldBack | undefined
  /** Settles when nothing is being written. */
  #writing: Promise<unknown> = Promise.resolve()
  /** Settles when the attempt that is under way is over; undefined: there is none. */
  #confirming: Promise<void> | undefined

  /** @param state what nothing set leads to; {@link Journal.open} replaces it by that of an opened ledger */
  constructor(state: State, recoveryReason: string | undefined, options: JournalOptions) {
    this.#options = options
    this.#state = state
    this.#speculative = state
    this.#recoveryReason = recoveryReason
    const port: MaintenancePort = {
      exclusive: (action) => this.exclusive(action),
      current: () =>
        this.#heldBack === undefined && this.#position !== undefined
          ? { position: this.#position, state: this.#state }
          : undefined,
      moved: (head) => {
        if (this.#position !== undefined) this.#position = { ...this.#position, head }
      },
      isIdle: () => this.#waiting.length === 0,
      confirm: () => (this.#heldBack === undefined ? Promise.resolve() : this.confirm()),
      warn: (message) => {
        options.notices.warn(message)
      },
    }
    this.#maintenance = new Maintenance(port, options.delays)
  }

  get state(): State {
    return this.#state
  }

  /** Something was written that waits for the rollback anchor. */
  get isHeldBack(): boolean {
    return this.#heldBack !== undefined
  }

  get recoveryReason(): string | undefined {
    return this.#recoveryReason
  }

  /**
   * Goes on from a ledger that was there.
   *
   * @throws {@link Refusal} when it is held back, since the anchor doesn't know of it
   */
  open({ position, state, work }: OpenedPosition, unconfirmed?: Unconfirmed): void {
    this.#maintenance.opened(work)
    if (unconfirmed === undefined) this.#moveTo(position, state)
    else throw this.#holdBack(position, state, unconfirmed)
  }

  onCommit(listener: (state: State, former: State) => void): void {
    this.#listeners.push(listener)
  }

  async transact<T>(decide: (state: State) => Decision<T>): Promise<T> {
    if (this.#heldBack !== undefined) await this.confirm()
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
    return readRecords(store.backend, epoch, after, limit, this.#heldBack?.end ?? head.sequence)
  }

  /**
   * Has the rollback anchor know of what is held back, if anything is.
   *
   * @throws {@link Refusal} `storage_unavailable` when that still fails
   */
  confirm(): Promise<void> {
    this.#confirming ??= this.exclusive(() => this.#confirm()).finally(() => {
      this.#confirming = undefined
    })
    return this.#confirming
  }

  async #confirm(): Promise<void> {
    if (this.#heldBack === undefined || this.#position === undefined) return
    const { guard, state } = this.#heldBack
    try {
      await guard.confirm()
    } catch (error) {
      throw stillUnconfirmed(error)
    }
    this.#heldBack = undefined
    this.#moveTo(this.#position, state)
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
    const batch = takeBatch(this.#waiting)
    try {
      await this.#write(batch)
    } catch (error) {
      await this.#recoverFrom(error, batch)
    }
    if (this.#waiting.length > 0) this.#schedule()
  }

  async #write(batch: readonly WaitingTransaction[]): Promise<void> {
    const last = batch.at(-1)
    if (last === undefined) return
    const { rekey } = last.decision
    let outcome: Written
    if (rekey !== undefined) {
      outcome = await this.#options.starter.start(this.#position, last, rekey)
      this.#maintenance.restarted(outcome.position.head.sequence)
    } else {
      const position = this.#position
      if (position === undefined) throw new Error('the transaction that would start the first epoch failed')
      const { written, growth } = await appendBatch(position, batch)
      this.#maintenance.grown(growth)
      outcome = written
    }
    const { position, unconfirmed } = outcome
    if (unconfirmed === undefined) {
      this.#moveTo(position, last.next)
      for (const waiting of batch) waiting.commit()
    } else {
      const refusal = this.#holdBack(position, last.next, unconfirmed)
      for (const waiting of batch) waiting.refuse(refusal)
      this.#refuseWaiting(unconfirmed.error)
    }
  }

  /** @returns what to tell those who wait for it */
  #holdBack(position: Position, state: State, { guard, error }: Unconfirmed): Refusal {
    this.#heldBack = { guard, state, end: this.#position?.head.sequence ?? 0 }
    this.#position = position
    this.#speculative = state
    this.#options.notices.warn(`the last change waits for the rollback anchor: ${error.message}`)
    this.#maintenance.unconfirmed()
    return notConfirmed(error)
  }

  #refuseWaiting(reason: unknown): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const transaction of waiting) transaction.refuse(notMade(reason))
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
    const refusal = notMade(reason)
    for (const transaction of waiting) transaction.refuse(refusal)
  }

  /** So that no commit that failed half-way comes back after a crash. When this fails too, one may. */
  async #overwriteFailed(): Promise<void> {
    if (this.#position === undefined) return
    try {
      await overwriteFailed(this.#position)
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
    if (this.#position === undefined) {
      throw new StorageDamaged('the ledger was changed from outside: one was made where none was')
    }
    const { position, state } = catchUp(this.#position, this.#state, this.#options.prepareManifest)
    this.#moveTo(position, state)
  }
}
