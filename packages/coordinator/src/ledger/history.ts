import { Refusal } from '../refusal.ts'
import { type LedgerBackend, StorageDamaged, StorageUnavailable, type StoredEntry } from './backend.ts'
import { type ChainPoint, chainStart, verifyChain, verifyMac } from './entry.ts'
import type { Epoch } from './epoch.ts'
import type { ChainStretch, LedgerEntry } from './ledger.ts'
import { Pace } from './pace.ts'
import { readPublicPart } from './public-part.ts'
import { entryAt, verifyPage } from './replay.ts'

/**
 * Reads public records and verifies what it read: each entry follows from the one before, and the last one carries a
 * MAC, so all of them are authentic. The host may have changed the file since the start.
 *
 * @param end sequence number of the newest durable entry
 * @throws {@link Refusal} `storage_unavailable`
 */
export const readRecords = (
  backend: LedgerBackend,
  epoch: Epoch,
  after: number,
  limit: number,
  end: number,
): LedgerEntry[] =>
  refusingDamage(() => verifiedEntries(backend, epoch, after, limit, end).entries.map(readPublicPart))

/** The same with all that the chain is made of. @throws {@link Refusal} `storage_unavailable` */
export const readChain = (
  backend: LedgerBackend,
  epoch: Epoch,
  after: number,
  limit: number,
  head: ChainPoint,
): ChainStretch =>
  refusingDamage(() => {
    const { start, entries } = verifiedEntries(backend, epoch, after, limit, head.sequence)
    const { sequence, hash } = head
    // The newest entry is known without reading it, and with no entry after it nothing else would vouch for it.
    const previousHash = after === sequence ? hash : start?.hash
    return { ledgerId: epoch.ledgerId, head: { sequence, hash }, previousHash, entries }
  })

function verifiedEntries(
  backend: LedgerBackend,
  epoch: Epoch,
  after: number,
  limit: number,
  end: number,
): { readonly start: ChainPoint | undefined; readonly entries: readonly StoredEntry[] } {
  if (after > end) return { start: undefined, entries: [] }
  const start: ChainPoint = after === 0 ? chainStart(epoch.ledgerId) : entryAt(backend, after)
  const count = Math.min(limit, end - after)
  if (count <= 0) return { start, entries: [] }
  let point = start
  const entries = backend.entries(after, count)
  for (const entry of entries) point = verifyChain(point, entry)
  const last = entries.at(-1)
  if (last?.sequence !== after + count) throw new StorageDamaged(`entry ${point.sequence + 1} is missing`)
  verifyMac(epoch, last)
  return { start, entries }
}

function refusingDamage<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof StorageDamaged) && !(error instanceof StorageUnavailable)) throw error
    throw new Refusal('storage_unavailable', `reading the audit log: ${error.message}`, { cause: error })
  }
}

/** Verifies a long history piece by piece, between requests, at a {@link Pace} that they hardly feel. */
export class HistoryVerification {
  /** What was found: undefined when all is as it was written, else what is wrong. */
  readonly done: Promise<string | undefined>
  readonly #backend: LedgerBackend
  readonly #end: number
  #cancelled = false

  /** @param end entries up to here are verified */
  constructor(backend: LedgerBackend, epoch: Epoch, end: number, pace: Pace = new Pace()) {
    this.#backend = backend
    this.#end = end
    this.done = this.#run(epoch, pace)
  }

  cancel(): void {
    this.#cancelled = true
  }

  async #run(epoch: Epoch, pace: Pace): Promise<string | undefined> {
    let point = chainStart(epoch.ledgerId)
    try {
      while (point.sequence < this.#end) {
        const length = (await pace.turn()) ? largePiece : smallPiece
        if (this.#cancelled) return undefined
        const pieceEnd = Math.min(this.#end, point.sequence + length)
        point = verifyPage(this.#backend, epoch, point, pieceEnd, true).point
      }
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
}

/** Entries that are verified in one go when nobody is there who could wait for it, which takes some 2 ms. */
const largePiece = 128

/** The same while requests are served: some 0.3 ms, or 1 ms before V8 has compiled what they need. */
const smallPiece = 16
