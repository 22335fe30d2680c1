import type { CollateralUnavailable } from './failure.ts'

interface Refusal {
  readonly error: CollateralUnavailable
  readonly since: Date
  readonly until: number
}

/** Names that are remembered: more than any honest fleet asks for in vain. */
const LIMIT = 1024

/** What could not be got a moment ago, so that a crowd of marbles does not ask a service that is down once each. */
export class Refusals {
  readonly #forMs: number
  readonly #refusals = new Map<string, Refusal>()

  constructor(forMs: number) {
    this.#forMs = forMs
  }

  /** The error that still holds. */
  current(name: string, now: Date): CollateralUnavailable | undefined {
    const refusal = this.#refusals.get(name)
    return refusal && now.getTime() < refusal.until ? refusal.error : undefined
  }

  /** Since when it could not be got. */
  since(name: string): Date | undefined {
    return this.#refusals.get(name)?.since
  }

  add(name: string, error: CollateralUnavailable, now: Date): void {
    this.#refusals.delete(name)
    this.#refusals.set(name, { error, since: error.since, until: now.getTime() + this.#forMs })
    if (this.#refusals.size <= LIMIT) return
    const [oldest] = this.#refusals.keys()
    if (oldest !== undefined) this.#refusals.delete(oldest)
  }

  remove(name: string): void {
    this.#refusals.delete(name)
  }
}
