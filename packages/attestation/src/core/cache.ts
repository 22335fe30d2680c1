/**
 * Answers that cost signatures, kept by a hash of all that they depend on. Bounded: the entry that was not used for
 * longest goes first. Failures are not kept: whoever sends garbage can't push out good entries with it.
 */
export class BoundedCache<Value> {
  readonly #limit: number
  readonly #entries = new Map<string, Value>()
  readonly #underWay = new Map<string, Promise<Value>>()

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

  /** The kept value, or the one that `make` gives now; who asks while it is being made gets that one, or its error. */
  async getOrMake(key: string, make: () => Value | Promise<Value>): Promise<Value> {
    const kept = this.get(key)
    if (kept !== undefined) return kept
    const underWay = this.#underWay.get(key)
    if (underWay) return underWay
    const made = this.#make(key, make)
    this.#underWay.set(key, made)
    try {
      return await made
    } finally {
      this.#underWay.delete(key)
    }
  }

  async #make(key: string, make: () => Value | Promise<Value>): Promise<Value> {
    const value = await make()
    this.set(key, value)
    return value
  }
}
