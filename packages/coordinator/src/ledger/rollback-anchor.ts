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
        `the ledger bears no value of ${anchor.name}, but is configured to: it is from before`,
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
    if (!this.#isSettled) {
      await rewrite(this.#value)
      await this.#anchor.advanceTo(this.#value)
    }
    this.#isSettled = false
    this.#value += 1n
    await write(this.#value)
    await this.#anchor.advanceTo(this.#value)
    this.#isSettled = true
  }

  /** Tries again what {@link RollbackGuard.commit} could not finish after its `write` had resolved. */
  async confirm(): Promise<void> {
    await this.#anchor.advanceTo(this.#value)
    this.#isSettled = true
  }
}
