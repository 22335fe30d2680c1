import type { CheckedDocument } from './checker.ts'
import { isRepublished } from './documents.ts'
import type { DocumentId } from './documents.ts'
import { CollateralUnavailable } from './failure.ts'
import type { Kept, Shelf } from './shelf.ts'

/** Where time comes from; tests have their own. */
export interface Timers {
  /** Calls once, and keeps no process alive. */
  readonly set: (action: () => void, delayMs: number) => { readonly cancel: () => void }
}

export interface UpkeepPorts {
  readonly shelf: Shelf
  /** Whether there is a service to ask. */
  readonly knows: (id: DocumentId) => boolean
  /** Asks for a document again. */
  readonly fetchAgain: (document: CheckedDocument) => Promise<unknown>
  /** Looks whether the directory has a newer one. */
  readonly readAgain: (document: CheckedDocument) => Promise<unknown>
  readonly now: () => Date
  readonly random: () => number
  readonly timers: Timers
  /** How old a document becomes before it is asked for again, although it is valid; milliseconds. */
  readonly refreshMs: number
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** A document that nobody has used for so long is not refreshed any more. */
const IDLE_MS = 14 * 24 * HOUR

/** Has documents asked for again before they end, while nobody waits for them. */
export class Upkeep {
  readonly #ports: UpkeepPorts
  #timer: ReturnType<Timers['set']> | undefined
  #isClosed = false

  constructor(ports: UpkeepPorts) {
    this.#ports = ports
  }

  /** Long before the end, and not all machines at once. */
  refreshTime({ id, notAfter }: CheckedDocument, fetchedAt: Date): number {
    const { refreshMs, random, knows } = this.#ports
    const now = this.#ports.now().getTime()
    if (!knows(id)) return now + HOUR
    const spread = 1 - 0.2 * random()
    const beforeEnd = now + ((notAfter.getTime() - now) / 2) * spread
    return isRepublished(id) ? Math.min(fetchedAt.getTime() + refreshMs * spread, beforeEnd) : beforeEnd
  }

  schedule(): void {
    const { shelf, now, timers } = this.#ports
    this.#timer?.cancel()
    if (this.#isClosed || shelf.size === 0) return
    const next = shelf.all().reduce((earliest, { refreshAt }) => Math.min(earliest, refreshAt), Infinity)
    // Once an hour at least: the clock may be set.
    const delay = Math.min(HOUR, Math.max(1000, next - now().getTime()))
    this.#timer = timers.set(() => {
      void this.#sweep()
    }, delay)
  }

  /** One after another: nobody waits for it, and services limit rates. */
  async refresh(documents: readonly Kept[]): Promise<readonly CollateralUnavailable[]> {
    const { fetchAgain, now, random } = this.#ports
    const failures: CollateralUnavailable[] = []
    for (const kept of documents) {
      if (this.#isClosed) break
      try {
        await fetchAgain(kept.document)
      } catch (error) {
        if (!(error instanceof CollateralUnavailable)) throw error
        failures.push(error)
        const backoff = Math.min(HOUR, MINUTE * 2 ** Math.min(10, kept.failures))
        kept.failures += 1
        kept.refreshAt = now().getTime() + backoff * (0.5 + random() / 2)
      }
    }
    return failures
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  async #sweep(): Promise<void> {
    const { shelf, knows, readAgain } = this.#ports
    const now = this.#ports.now().getTime()
    const due = shelf.all().filter(({ refreshAt }) => refreshAt <= now)
    const fetched: Kept[] = []
    for (const kept of due) {
      const { document, usedAt } = kept
      if (knows(document.id) && now - usedAt < IDLE_MS) {
        fetched.push(kept)
        continue
      }
      kept.refreshAt = now + HOUR
      if (!knows(document.id)) await readAgain(document)
    }
    await this.refresh(fetched)
    this.schedule()
  }
}
