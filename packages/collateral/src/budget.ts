/** How often something may be done: so many times at once, and then as often as a minute refills. */
export class Budget {
  readonly #capacity: number
  readonly #perMinute: number
  #left: number
  #at: number

  constructor({ burst, perMinute }: { readonly burst: number; readonly perMinute: number }, now: Date) {
    this.#capacity = burst
    this.#perMinute = perMinute
    this.#left = burst
    this.#at = now.getTime()
  }

  /** Whether it may be done now; if so, that counts. */
  take(now: Date): boolean {
    // A clock that was set back refills nothing.
    const minutes = Math.max(0, now.getTime() - this.#at) / 60_000
    this.#at = now.getTime()
    this.#left = Math.min(this.#capacity, this.#left + minutes * this.#perMinute)
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}
