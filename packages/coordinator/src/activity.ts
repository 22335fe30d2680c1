/** The requests that are under way, so that a shutdown can wait for them and idle time can be used. */
export class Activity {
  readonly #pending = new Set<Promise<unknown>>()

  get isIdle(): boolean {
    return this.#pending.size === 0
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
