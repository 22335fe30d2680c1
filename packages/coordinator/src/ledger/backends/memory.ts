import {
  BackendConflict,
  type Batch,
  type LedgerBackend,
  type StoredEntry,
  type StoredHead,
} from '../backend.ts'
import type { StoredSnapshot } from '../backend.ts'

/** Keeps a ledger in memory: for the seal mode `Disabled`, and for tests. Each entry stays for good. */
export class MemoryBackend implements LedgerBackend {
  readonly format = 2
  readonly #entries: StoredEntry[] = []
  #head: StoredHead | undefined
  #snapshot: StoredSnapshot | undefined
  /** Entries before this index have no sealed part any more. */
  #dropped = 0

  head(): StoredHead | undefined {
    return this.#head
  }

  snapshot(): StoredSnapshot | undefined {
    return this.#snapshot
  }

  entries(after: number, limit: number): readonly StoredEntry[] {
    return this.#entries.slice(after, after + limit)
  }

  append(expected: number, batch: Batch): Promise<void> {
    const found = this.#head?.sequence ?? 0
    if (found !== expected) return Promise.reject(new BackendConflict(expected, found))
    let index = 0
    for (const mac of batch.macs ?? []) {
      const entry = this.#entries[index]
      if (entry !== undefined) this.#entries[index] = { ...entry, mac }
      index++
    }
    this.#entries.push(...batch.entries)
    this.#head = batch.head
    this.#snapshot = batch.snapshot ?? this.#snapshot
    return Promise.resolve()
  }

  dropSealedParts(upTo: number, limit: number): Promise<number> {
    const end = Math.min(upTo, this.#entries.length, this.#dropped + limit)
    const count = Math.max(0, end - this.#dropped)
    for (; this.#dropped < end; this.#dropped++) {
      const entry = this.#entries[this.#dropped]
      if (entry !== undefined && entry.sealedPart?.length !== 0) {
        this.#entries[this.#dropped] = { ...entry, sealedPart: undefined }
      }
    }
    return Promise.resolve(count)
  }

  settle(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
