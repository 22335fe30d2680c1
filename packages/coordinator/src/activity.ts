/** The requests that are under way, so that a shutdown can wait for them and idle time can be used. */
export class Activity {
  readonly #pending = new Set<Promise<unknown>>()

  #waiting = 0

  /** True while nothing is being done for anyone. */
  get isIdle(): boolean {
    return this.#pending.size === this.#waiting
  }

  /**
   * Waits within tracked work for what the client has yet to send: it is under way, but a client who stalls must not
   * take the idle time.
   */
  async awaitClient<T>(arrival: Promise<T>): Promise<T> {
    this.#waiting += 1
    try {
      return await arrival
    } finally {
      this.#waiting -= 1
    }
  }

  /** Counts the work until it settles, and gives it back. */
  track<T>(work: Promise<T>): Promise<T> {
    const forget = (): void => {
      this.#pending.delete(settled)
    }
    const settled: Promise<void> = work.then(forget, forget)
    this.#pending.add(settled)
    return work
  }

  /** Waits until all that is under way now is done, at most so many milliseconds. */
  async finished(withinMs: number): Promise<void> {
    const timeout = Promise.withResolvers<true>()
    const timer = setTimeout(timeout.resolve, withinMs, true)
    await Promise.race([Promise.all(this.#pending), timeout.promise])
    clearTimeout(timer)
  }
}
