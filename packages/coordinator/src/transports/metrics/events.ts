import { metricsLimits } from './limits.ts'

interface ActivationEvent {
  readonly time: Date
  readonly marbleType: string
  readonly uuid: string
  readonly quote: Uint8Array
}

/** The newest activations since the start: as many as the limits allow. */
export class Events {
  /** Oldest first. */
  readonly #events: ActivationEvent[] = []
  #quoteBytes = 0

  /** @param event its quote is copied */
  add({ quote, ...event }: ActivationEvent): void {
    this.#events.push({ ...event, quote: Uint8Array.from(quote) })
    this.#quoteBytes += quote.length
    while (this.#events.length > metricsLimits.events || this.#quoteBytes > metricsLimits.eventQuoteBytes) {
      this.#quoteBytes -= this.#events.shift()?.quote.length ?? 0
    }
  }

  /** The body of `/events`, in the recorded shape: null while there are none, and for an empty quote. */
  toJson(): string {
    if (this.#events.length === 0) return 'null\n'
    const shown = this.#events.map(({ time, marbleType, uuid, quote }) => ({
      time: time.toISOString(),
      activation: {
        marbleType,
        uuid,
        quote: quote.length === 0 ? null : Buffer.from(quote).toString('base64'),
      },
    }))
    return `${JSON.stringify(shown)}\n`
  }
}
