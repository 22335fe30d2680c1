import type { PreparedManifest } from '../manifest/index.ts'
import { applyStored } from '../state/codec.ts'
import type { State } from '../state/state.ts'
import { StorageDamaged } from './backend.ts'
import type { ChainPoint } from './entry.ts'
import { verifyHead } from './head.ts'
import { openEntry } from './replay.ts'
import type { Position } from './store.ts'

/** Entries read at once. */
const pageSize = 1000

/**
 * Verifies what another Coordinator appended, and works out the state that it leads to.
 *
 * @param position where the ledger stood
 * @param state what it led to there
 * @throws {@link StorageDamaged} when what is new isn't genuine, or nothing is
 */
export function catchUp(
  { store, epoch, head: former }: Position,
  state: State,
  prepareManifest: (raw: Uint8Array) => PreparedManifest,
): { readonly position: Position; readonly state: State } {
  const head = store.backend.head()
  if (head === undefined || head.sequence <= former.sequence) {
    throw new StorageDamaged('the ledger was changed from outside: its end is not where it was')
  }
  verifyHead(epoch, head, 2, true)
  let point: ChainPoint = former
  while (point.sequence < head.sequence) {
    const page = store.backend.entries(point.sequence, Math.min(pageSize, head.sequence - point.sequence))
    if (page.length === 0) throw new StorageDamaged(`entry ${point.sequence + 1} is missing`)
    for (const entry of page) {
      const changes = openEntry(epoch, point, entry, true)
      state = applyStored(state, changes, prepareManifest)
      point = entry
    }
  }
  return { position: { store, epoch, head }, state }
}
