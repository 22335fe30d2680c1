/** One request body that is arriving. */
export interface ArrivingBody {
  /** Counts bytes that came, and are kept. May refuse this body or older ones. */
  readonly add: (bytes: number) => void
  /** The body is whole, or nobody waits for it any more. */
  readonly end: () => void
}

/**
 * The memory that unfinished request bodies take on one listener. Anyone may send them, so it is bounded; when it is
 * full, the oldest is refused: an honest client's body is whole within a moment, one that is meant to fill the memory
 * stays.
 */
export class ArrivingBodies {
  readonly #maxBytes: number
  /** Oldest first. */
  readonly #bodies = new Set<{ bytes: number; readonly refuse: () => void }>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** @param refuse lets go of what came so far, and tells the client */
  begin(refuse: () => void): ArrivingBody {
    const body = { bytes: 0, refuse }
    const end = (): void => {
      if (this.#bodies.delete(body)) this.#bytes -= body.bytes
    }
    this.#bodies.add(body)
    return {
      add: (bytes) => {
        if (!this.#bodies.has(body)) return
        body.bytes += bytes
        this.#bytes += bytes
        this.#makeRoom()
      },
      end,
    }
  }

  #makeRoom(): void {
    for (const oldest of this.#bodies) {
      if (this.#bytes <= this.#maxBytes) return
      // One that has sent nothing yet frees nothing.
      if (oldest.bytes === 0) continue
      this.#bodies.delete(oldest)
      this.#bytes -= oldest.bytes
      oldest.refuse()
    }
  }
}
