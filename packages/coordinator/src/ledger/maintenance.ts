import type { State } from '../state/state.ts'
import type { SettledLog, StoredSnapshot } from './backend.ts'
import { makeHead } from './head.ts'
import type { Tail } from './replay.ts'
import { sealSnapshot } from './snapshot.ts'
import type { HeadPoint, Position } from './store.ts'

/** Entries after a snapshot that make the next one due: a start replays no more than about these. */
const entriesPerSnapshot = 2048

/** Bytes of sealed parts that make the next snapshot due, unless the snapshot itself is larger. */
const bytesPerSnapshot = 4 * 1024 * 1024

/** Sealed parts that are dropped in one transaction, so that no commit waits long. */
const partsPerDrop = 512

/** Batches after which it is moved into the file in any case; each takes some 12 KiB there. */
const batchesPerSettle = 256

/** Milliseconds. */
export interface MaintenanceDelays {
  /** From a commit until the sealed key is bound to it durably. */
  readonly bind: number
  /** Without a commit, after which the write-ahead log is emptied. */
  readonly idle: number
  /** That a replaced secret may stay in a sealed part, or that a failed attempt waits for the next. */
  readonly compaction: number
}

export const usualDelays: MaintenanceDelays = { bind: 20, idle: 500, compaction: 5000 }

/** What a ledger that was opened left to do. */
export interface FoundWork {
  readonly tail: Tail
  /** The entry that the newest snapshot covers. */
  readonly covered: number
  /** Sealed parts may be there that the snapshot covers. */
  readonly lingers: boolean
  /** The write-ahead log is not empty. */
  readonly isUnsettled: boolean
}

/** What {@link Maintenance} needs of the journal. */
export interface MaintenancePort {
  /** Runs `action` while nothing else is written. */
  exclusive(action: () => Promise<void>): Promise<void>
  current(): { readonly position: Position; readonly state: State } | undefined
  /** The stored head is now this one, of the same entry. */
  moved(head: HeadPoint): void
  isIdle(): boolean
  /** Tries again to advance the rollback anchor, when that failed after something was written. */
  confirm(): Promise<void>
  warn(message: string): void
}

/**
 * What no caller waits for: making anchors durable (see `anchor.ts`), snapshots, and dropping what they cover. Whatever
 * of it a crash cuts short is done after the next start.
 */
export class Maintenance {
  readonly #port: MaintenancePort
  readonly #delays: MaintenanceDelays
  #tail: Tail = { entries: 0, bytes: 0, replaces: false }
  #isFinished = false
  /** Settles when no run is under way. */
  #running: Promise<void> = Promise.resolve()
  /** Batches that were written since the write-ahead log was moved into the file. */
  #unsettled = 0
  /** The write-ahead log is not empty. */
  #hasLog = false
  /** When the newest of them was. */
  #idleSince = 0
  /** When replaced secrets must be gone; undefined: there are none. */
  #compactBy: number | undefined
  /** Sealed parts up to {@link Maintenance.#covered} may still be there. */
  #lingers = false
  /** The entry after which the newest snapshot was made. */
  #covered = 0
  #snapshotBytes = 0
  #timer: { readonly handle: NodeJS.Timeout; readonly due: number } | undefined

  constructor(port: MaintenancePort, delays: MaintenanceDelays) {
    this.#port = port
    this.#delays = delays
  }

  /** A ledger was opened, or came back. */
  opened({ tail, covered, lingers, isUnsettled }: FoundWork): void {
    this.#covered = covered
    this.#lingers = lingers
    if (lingers) this.#schedule(this.#delays.compaction)
    if (isUnsettled) this.#unsettle()
    this.#grow(tail)
    // So that the next start is quick, even when nothing is written until then.
    if (this.#isSnapshotDue()) this.#schedule(this.#delays.bind)
  }

  /** Entries were committed. */
  grown(growth: Tail): void {
    this.#grow(growth)
    this.#unsettle()
  }

  /** An epoch was started, and with it a snapshot that covers entries up to `covered`. */
  restarted(covered: number): void {
    this.#snapshotWritten(covered)
    // The first entry of all has no sealed part.
    if (covered === 1) this.#lingers = false
    this.#unsettle()
  }

  /** Something waits for {@link MaintenancePort.confirm}. */
  unconfirmed(): void {
    this.#schedule(this.#delays.compaction)
  }

  /** Does all that is due, and nothing afterwards. */
  async finish(): Promise<void> {
    this.#isFinished = true
    this.#cancelTimer()
    await this.#running
    await this.#bindKey()
    if (this.#tail.replaces || this.#lingers) await this.#compact()
    await this.#settle('empty')
  }

  #unsettle(): void {
    this.#unsettled++
    this.#hasLog = true
    this.#idleSince = performance.now()
    this.#schedule(this.#delays.bind)
  }

  #grow({ entries, bytes, replaces }: Tail): void {
    this.#tail = {
      entries: this.#tail.entries + entries,
      bytes: this.#tail.bytes + bytes,
      replaces: this.#tail.replaces || replaces,
    }
    if (!replaces) return
    this.#compactBy ??= performance.now() + this.#delays.compaction
    this.#schedule(this.#delays.compaction)
  }

  #snapshotWritten(covered: number): void {
    this.#tail = { entries: 0, bytes: 0, replaces: false }
    this.#compactBy = undefined
    this.#covered = covered
    this.#lingers = true
  }

  #cancelTimer(): void {
    clearTimeout(this.#timer?.handle)
    this.#timer = undefined
  }

  #schedule(delay: number): void {
    if (this.#isFinished) return
    const due = performance.now() + delay
    if (this.#timer !== undefined) {
      if (this.#timer.due <= due) return
      clearTimeout(this.#timer.handle)
    }
    const handle = setTimeout(() => {
      this.#timer = undefined
      this.#running = this.#running.then(() => this.#run())
    }, delay).unref()
    this.#timer = { handle, due }
  }

  async #run(): Promise<void> {
    if (this.#isFinished) return
    await this.#attempt('advancing the rollback anchor', () => this.#port.confirm())
    await this.#bindKey()
    const isIdle = this.#idleSince + this.#delays.idle <= performance.now()
    if (this.#isSnapshotDue()) await this.#compact()
    else if (this.#lingers) await this.#drop()
    else if (isIdle && this.#hasLog) await this.#settle('empty')
    else if (this.#unsettled >= batchesPerSettle) await this.#settle('keep')
    if (this.#compactBy !== undefined) this.#scheduleAt(this.#compactBy)
    if (this.#hasLog) this.#scheduleAt(this.#idleSince + this.#delays.idle)
  }

  /** What is overdue has failed, and waits longer. */
  #scheduleAt(due: number): void {
    const delay = due - performance.now()
    this.#schedule(delay > 0 ? delay : this.#delays.compaction)
  }

  #isSnapshotDue(): boolean {
    const { entries, bytes } = this.#tail
    const isLong = entries >= entriesPerSnapshot || bytes >= Math.max(bytesPerSnapshot, this.#snapshotBytes)
    return isLong || (this.#compactBy !== undefined && performance.now() >= this.#compactBy)
  }

  /** Flushes the anchor, and once nothing else goes on, has the ledger know it. */
  async #bindKey(): Promise<void> {
    await this.#port.current()?.position.store.flush()
    await this.#attemptAlone('recording that the sealed key is durable', async () => {
      const current = this.#port.current()
      if (current === undefined || !this.#port.isIdle()) return
      const { store, head } = current.position
      if (store.confirmed > head.confirmed) await this.#writeHead(current.position)
    })
  }

  async #compact(): Promise<void> {
    await this.#attemptAlone('writing a snapshot', async () => {
      const current = this.#port.current()
      if (current === undefined) return
      const { epoch, head } = current.position
      const snapshot = sealSnapshot(epoch, head, current.state)
      await this.#writeHead(current.position, snapshot)
      this.#snapshotWritten(head.sequence)
      this.#snapshotBytes = snapshot.sealed.length
    })
    if (this.#lingers) await this.#drop()
  }

  async #writeHead(
    { store, epoch, head: { sequence, hash } }: Position,
    snapshot?: StoredSnapshot,
  ): Promise<void> {
    const head = makeHead(epoch, { sequence, hash }, store)
    await store.backend.append(sequence, { entries: [], head, ...(snapshot !== undefined && { snapshot }) })
    store.anchor(epoch, head)
    this.#port.moved(head)
    this.#unsettled++
    this.#hasLog = true
  }

  /** Drops what the snapshot covers, leaving room for commits in between. */
  async #drop(): Promise<void> {
    for (let goesOn = true; goesOn;) {
      goesOn = false
      await this.#attemptAlone('dropping sealed parts that a snapshot covers', async () => {
        const backend = this.#port.current()?.position.store.backend
        if (backend === undefined) return
        const dropped = await backend.dropSealedParts(this.#covered, partsPerDrop)
        goesOn = dropped === partsPerDrop
        this.#unsettled++
        this.#hasLog = true
        if (!goesOn) this.#lingers = false
      })
      // After a tail that grew long because no snapshot could be written, the log would hold all of it once more.
      if (this.#unsettled >= batchesPerSettle) await this.#settle('keep')
    }
    await this.#settle('empty')
  }

  /** Moves the write-ahead log into the file; once it is empty, no replaced bytes stand in it either. */
  async #settle(log: SettledLog): Promise<void> {
    await this.#attempt('hashing ledger.db', async () => {
      await this.#port.current()?.position.store.prepareSettle()
    })
    await this.#attemptAlone('moving the write-ahead log into the file', async () => {
      const current = this.#port.current()
      if (current === undefined) return
      const { store, epoch, head } = current.position
      await store.settle(epoch, head, log)
      this.#unsettled = 0
      this.#hasLog = log === 'keep'
    })
  }

  /** While nothing else is written. */
  async #attemptAlone(doing: string, action: () => Promise<void>): Promise<void> {
    await this.#attempt(doing, () => this.#port.exclusive(action))
  }

  /** What fails is tried again later. */
  async #attempt(doing: string, action: () => Promise<void>): Promise<void> {
    try {
      await action()
    } catch (error) {
      this.#port.warn(`${doing}: ${error instanceof Error ? error.message : String(error)}`)
      this.#schedule(this.#delays.compaction)
    }
  }
}
