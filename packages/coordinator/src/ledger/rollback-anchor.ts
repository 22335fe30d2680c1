import { StorageDamaged, StorageUnavailable } from './backend.ts'

/**
 * A number that can only grow, kept where the host can't put back an older one: a TPM's counter, running peers, an
 * etcd that others operate. It belongs to one ledger alone.
 */
export interface RollbackAnchor {
  /** What it is, for messages: `TPM counter 0x1807461`. */
  readonly name: string
  /**
   * @returns undefined when there is none, or none that was ever advanced
   * @throws {@link RollbackAnchorUnavailable}
   */
  read(): Promise<bigint | undefined>
  /** Makes one where none is. @returns what it stands at @throws {@link RollbackAnchorUnavailable} */
  begin(): Promise<bigint>
  /**
   * Durable when it resolves; when it throws, the anchor may have advanced.
   *
   * @param value what the anchor stands at, or one more
   * @throws {@link RollbackAnchorUnavailable} also when it stands elsewhere: somebody else has advanced it
   */
  advanceTo(value: bigint): Promise<void>
}

/** The anchor can't be read or advanced now. */
export class RollbackAnchorUnavailable extends StorageUnavailable {}

/** Writes to the ledger; durable when it resolves. The head that it writes bears `value` under its MAC. */
export type AnchoredWrite = (value: bigint) => Promise<void>

/**
 * Keeps a ledger and its anchor in step, so that no older copy of what was answered opens again.
 *
 * A commit is written with a value one above the anchor's; then the anchor advances; then callers are answered. So at
 * any time the newest ledger bears the anchor's value, or after a crash one more, and anything below is old.
 *
 * "One more" alone would leave a gap: a host could kill us between write and advance, keep that copy, have us go on
 * from the one before, and later put the kept copy back, whose value the anchor has reached by then. So after a start
 * or a failure the value that such a copy bears is used up, by a head without entries, before anything is answered.
 */
export class RollbackGuard {
  readonly #anchor: RollbackAnchor
  #value: bigint
  /** No copy but ours bears {@link RollbackGuard.value} or more, and the anchor has reached it. */
  #isSettled = false

  private constructor(anchor: RollbackAnchor, value: bigint) {
    this.#anchor = anchor
    this.#value = value
  }

  /** For a new ledger, or one that was recovered, or is anchored for the first time. */
  static async begin(anchor: RollbackAnchor): Promise<RollbackGuard> {
    return new RollbackGuard(anchor, (await anchor.begin()) + 1n)
  }

  /**
   * For a ledger that was found.
   *
   * @param stored the value in its head, whose MAC was verified; undefined: it was never anchored
   * @throws {@link StorageDamaged} when it is not the newest; {@link RollbackAnchorUnavailable}
   */
  static async open(anchor: RollbackAnchor, stored: bigint | undefined): Promise<RollbackGuard> {
    const current = await anchor.read()
    if (stored === undefined) {
      throw new StorageDamaged(
        `the ledger bears no value of ${anchor.name}, but is configured to: it is from before the anchor was ` +
          'switched on, so it may be an older one that was put back',
      )
    }
    if (current === undefined) {
      throw new StorageDamaged(
        `the ledger bears ${stored} of ${anchor.name}, which is not there: it was removed`,
      )
    }
    if (stored < current) {
      throw new StorageDamaged(
        `the ledger bears ${stored}, but ${anchor.name} stands at ${current}: an older ledger was put back`,
      )
    }
    if (stored > current + 1n) {
      throw new StorageDamaged(
        `the ledger bears ${stored}, but ${anchor.name} stands at ${current}: it is not the one of this ledger`,
      )
    }
    return new RollbackGuard(anchor, current + 1n)
  }

  /** What every head must bear that is written outside {@link RollbackGuard.commit}. */
  get value(): bigint {
    return this.#value
  }

  /**
   * @param rewrite writes the head again, without entries; needed after a start or a failure
   * @param write writes the commit
   * @throws what they throw, {@link RollbackAnchorUnavailable}. When `write` had resolved, the commit stays, and may
   * be answered after {@link RollbackGuard.confirm} or another commit
   */
  async commit(rewrite: AnchoredWrite, write: AnchoredWrite): Promise<void> {
    await this.#settle(rewrite)
    this.#isSettled = false
    this.#value += 1n
    await write(this.#value)
    await this.#anchor.advanceTo(this.#value)
    this.#isSettled = true
  }

  /**
   * As {@link RollbackGuard.commit}, for what should not be left unanswered once it is written, since its answer can't
   * be had again: shows first that the anchor can be advanced, which costs one value more.
   */
  async commitRare(rewrite: AnchoredWrite, write: AnchoredWrite): Promise<void> {
    if (this.#isSettled) {
      this.#isSettled = false
      this.#value += 1n
    }
    await this.commit(rewrite, write)
  }

  /** Tries again what {@link RollbackGuard.commit} could not finish after its `write` had resolved. */
  async confirm(): Promise<void> {
    await this.#anchor.advanceTo(this.#value)
    this.#isSettled = true
  }

  async #settle(rewrite: AnchoredWrite): Promise<void> {
    if (this.#isSettled) return
    await rewrite(this.#value)
    await this.#anchor.advanceTo(this.#value)
    this.#isSettled = true
  }
}

/** What is written, but must not be relied on before {@link RollbackGuard.confirm} succeeds. */
export interface Unconfirmed {
  readonly guard: RollbackGuard
  readonly error: RollbackAnchorUnavailable
}

export interface GuardedWrite<T> {
  /** See {@link RollbackGuard.commit}. */
  readonly rewrite: AnchoredWrite
  /** @param value undefined: there is no anchor */
  readonly write: (value: bigint | undefined) => Promise<T>
  /** See {@link RollbackGuard.commitRare}. */
  readonly isRare: boolean
}

/** What was written; it may be answered unless it is unconfirmed. */
export interface Guarded<T> {
  readonly written: T
  readonly unconfirmed: Unconfirmed | undefined
}

/**
 * Writes, and has the anchor know of it.
 *
 * @param guard undefined: there is no anchor
 * @throws what `write` throws, {@link RollbackAnchorUnavailable}: nothing was written then
 */
export async function writeGuarded<T>(
  guard: RollbackGuard | undefined,
  { rewrite, write, isRare }: GuardedWrite<T>,
): Promise<Guarded<T>> {
  if (guard === undefined) return { written: await write(undefined), unconfirmed: undefined }
  const results: T[] = []
  const watched: AnchoredWrite = async (value) => {
    results.push(await write(value))
  }
  const commit = isRare ? guard.commitRare(rewrite, watched) : guard.commit(rewrite, watched)
  const failure = await commit.then(
    () => undefined,
    (error: unknown) => ({ error }),
  )
  const [written] = results
  if (written !== undefined && failure === undefined) return { written, unconfirmed: undefined }
  if (written === undefined || !(failure?.error instanceof RollbackAnchorUnavailable)) throw failure?.error
  return { written, unconfirmed: { guard, error: failure.error } }
}
