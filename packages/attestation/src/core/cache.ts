/**
 * Answers that cost signatures, kept by a hash of all that they depend on. Bounded: the entry that was not used for
 * longest goes first. Failures are not kept: whoever sends garbage can't push out good entries with it.
 */
export class BoundedCache<Value> {
  readonly #limit: number
  readonly #entries = new Map<string, Value>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get(key: string): Value | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) {
      this.#entries.delete(key)
      this.#entries.set(key, value)
    }
    return value
  }

  set(key: string, value: Value): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= this.#limit) return
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }

  /** The kept value, or the one that `make` gives now. */
  async getOrMake(key: string, make: () => Value | Promise<Value>): Promise<Value> {
    const kept = this.get(key)
    if (kept !== undefined) return kept
    const value = await make()
    this.set(key, value)
    return value
  }
}
