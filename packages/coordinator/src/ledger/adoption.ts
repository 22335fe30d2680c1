import { StorageDamaged, type StoredHead } from './backend.ts'
import { sameBytes } from './framing.ts'
import { type RollbackAnchor, RollbackGuard } from './rollback-anchor.ts'

/** What keeps older copies of a seal directory from opening. */
export interface RollbackProtection {
  readonly anchor: RollbackAnchor
  /**
   * Hash of the newest entry of a ledger that was never anchored: this very one is anchored from now on. Undefined: a
   * ledger without a value of the anchor is refused.
   */
  readonly adopt: Uint8Array | undefined
}

/** How an opened ledger goes on. */
export type FoundGuard =
  | { readonly kind: 'none' }
  | { readonly kind: 'anchored'; readonly guard: RollbackGuard }
  /** To be anchored for the first time, with {@link adopt}. */
  | { readonly kind: 'to-adopt'; readonly anchor: RollbackAnchor }

/**
 * Holds a ledger against its anchor. Writes nothing.
 *
 * @param head verified
 * @throws {@link StorageDamaged} when it is not the newest; {@link import('./rollback-anchor.ts').RollbackAnchorUnavailable}
 */
export async function findGuard(
  rollback: RollbackProtection | undefined,
  { anchored, hash }: StoredHead,
): Promise<FoundGuard> {
  if (rollback === undefined) {
    if (anchored === undefined) return { kind: 'none' }
    throw new StorageDamaged(
      `the ledger bears ${anchored} of a rollback anchor, but none is configured: it may be an older one that was put back`,
    )
  }
  const { anchor, adopt } = rollback
  if (anchored === undefined && adopt !== undefined && sameBytes(adopt, hash)) {
    await requireUnused(anchor)
    return { kind: 'to-adopt', anchor }
  }
  return { kind: 'anchored', guard: await RollbackGuard.open(anchor, anchored) }
}

/** Else the ledger could be an older copy, of before it was anchored for the first time. */
async function requireUnused(anchor: RollbackAnchor): Promise<void> {
  const value = await anchor.read()
  if (value === undefined) return
  throw new StorageDamaged(
    `the ledger is to be anchored for the first time, but ${anchor.name} stands at ${value} already: it belongs to ` +
      'a ledger, maybe to a newer copy of this one. If not, remove it, or configure another one',
  )
}
