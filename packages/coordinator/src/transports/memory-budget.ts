/** What one request, or one answer, takes of a {@link MemoryBudget}. */
export interface MemoryShare {
  /** Counts further bytes. May refuse this share's owner, or older ones. */
  readonly add: (bytes: number) => void
  /** From now on its owner can't be refused; the bytes go on to count. */
  readonly keep: () => void
  /** The bytes are free again. */
  readonly end: () => void
}

interface Counted {
  bytes: number
  isCounted: boolean
  readonly refuse: () => void
}

/**
 * The memory that strangers' requests, or answers that they don't fetch, take on one listener. Anyone may send them, so
 * it is bounded; when it is full, the oldest is refused: what an honest client sends or fetches is whole within a
 * moment, what is meant to fill the memory stays. When nothing is left that can be refused, the newest is.
 */
export class MemoryBudget {
  readonly #maxBytes: number
  /** Oldest first. */
  readonly #refusable = new Set<Counted>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** @param refuse lets go of what the share stands for, and tells the client; never called within this call */
  begin(refuse: () => void): MemoryShare {
    const share = { bytes: 0, isCounted: true, refuse }
    this.#refusable.add(share)
    return {
      add: (bytes) => {
        if (!share.isCounted) return
        share.bytes += bytes
        this.#bytes += bytes
        this.#makeRoom()
      },
      keep: () => {
        this.#refusable.delete(share)
      },
      end: () => {
        this.#free(share)
      },
    }
  }

  #free(share: Counted): void {
    this.#refusable.delete(share)
    this.#bytes -= share.bytes
    share.bytes = 0
    share.isCounted = false
  }

  #makeRoom(): void {
    for (const oldest of this.#refusable) {
      if (this.#bytes <= this.#maxBytes) return
      // One that takes nothing yet frees nothing.
      if (oldest.bytes === 0) continue
      this.#free(oldest)
      oldest.refuse()
    }
  }
}
