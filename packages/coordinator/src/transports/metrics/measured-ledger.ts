import type { ChainStretch, Decision, Ledger, LedgerEntry } from '../../ledger/ledger.ts'
import type { State } from '../../state/state.ts'

/** A ledger whose commits are timed. */
export class MeasuredLedger implements Ledger {
  readonly #ledger: Ledger
  readonly #committed: (seconds: number) => void

  /** @param committed gets the time from a transaction's decision until it was durable; not called for refused ones */
  constructor(ledger: Ledger, committed: (seconds: number) => void) {
    this.#ledger = ledger
    this.#committed = committed
  }

  get state(): State {
    return this.#ledger.state
  }

  get recoveryReason(): string | undefined {
    return this.#ledger.recoveryReason
  }

  async transact<T>(decide: (state: State) => Decision<T>): Promise<T> {
    const start = performance.now()
    const result = await this.#ledger.transact(decide)
    this.#committed((performance.now() - start) / 1000)
    return result
  }

  onCommit(listener: (state: State, former: State) => void): void {
    this.#ledger.onCommit(listener)
  }

  entries(after: number, limit: number): readonly LedgerEntry[] {
    return this.#ledger.entries(after, limit)
  }

  chain(after: number, limit: number): ChainStretch | undefined {
    return this.#ledger.chain(after, limit)
  }

  close(): Promise<void> {
    return this.#ledger.close()
  }
}
