import { encodeChanges } from '../state/codec.ts'
import type { StoredEntry } from './backend.ts'
import { type ChainPoint, sealEntry } from './entry.ts'
import { rewriterOf, type Written } from './epochs.ts'
import { makeHead } from './head.ts'
import { replacesSecrets, type Tail } from './replay.ts'
import { writeGuarded } from './rollback-anchor.ts'
import type { Position } from './store.ts'
import type { WaitingTransaction } from './transaction.ts'

/** Transactions that are written at once. */
const maxBatch = 512

const noChanges = new Uint8Array()

/** Takes those that are written next off the queue. A transaction that starts an epoch is written alone. */
export function takeBatch(waiting: WaitingTransaction[]): readonly WaitingTransaction[] {
  const startsEpoch = waiting.slice(0, maxBatch).findIndex(({ decision }) => decision.rekey !== undefined)
  const length = startsEpoch === -1 ? maxBatch : Math.max(1, startsEpoch)
  return waiting.splice(0, length)
}

/** Makes a batch durable, of which no transaction starts an epoch. */
export async function appendBatch(
  position: Position,
  batch: readonly WaitingTransaction[],
): Promise<{ readonly written: Written; readonly growth: Tail }> {
  const { store, epoch } = position
  const { entries, point, growth } = sealBatch(position, batch)
  const { written: head, unconfirmed } = await writeGuarded(store.guard, {
    rewrite: rewriterOf(position),
    write: async (anchored) => {
      const end = makeHead(epoch, point, { confirmed: store.confirmed, anchored })
      await store.backend.append(position.head.sequence, { entries, head: end })
      store.anchor(epoch, end)
      return end
    },
    isRare: false,
  })
  return { written: { position: { store, epoch, head }, unconfirmed }, growth }
}

function sealBatch({ epoch, head }: Position, batch: readonly WaitingTransaction[]) {
  const entries: StoredEntry[] = []
  let point: ChainPoint = head
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
  return { entries, point, growth: { entries: entries.length, bytes, replaces } satisfies Tail }
}

/** Writes the end of the ledger once more, so that no batch that failed half-way comes back after a crash. */
export async function overwriteFailed({ store, epoch, head }: Position): Promise<void> {
  const { confirmed } = head
  const again = makeHead(epoch, head, { confirmed, anchored: store.anchored })
  await store.backend.append(head.sequence, { entries: [], head: again })
}
