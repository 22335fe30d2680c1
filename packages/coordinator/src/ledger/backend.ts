import type { SealMode } from '../manifest/model.ts'

/**
 * Versions of what a backend stores (docs/format.md, "ledger.db"). In format 1 heads have no tag and no anchored value.
 */
export type LedgerFormat = 1 | 2

/** One entry as it is stored (docs/format.md, "Entries"). */
export interface StoredEntry {
  readonly sequence: number
  readonly epoch: number
  /** UTF-8 JSON: time and audit record, readable for anyone. */
  readonly publicPart: Uint8Array
  /** Empty: the entry changes nothing. Undefined: compaction dropped it. */
  readonly sealedPart: Uint8Array | undefined
  /** SHA-256 over the sealed part; it stays when the sealed part goes. */
  readonly sealedDigest: Uint8Array
  readonly hash: Uint8Array
  readonly mac: Uint8Array
}

/** Where the ledger ends. */
export interface StoredHead {
  readonly ledgerId: Uint8Array
  readonly epoch: number
  readonly sequence: number
  /** Of the entry with that sequence number. */
  readonly hash: Uint8Array
  /** The sealed key is known to have this sequence number durably, or a newer one. */
  readonly confirmed: number
  /** What the rollback anchor has to stand at, or one less ({@link import('./rollback-anchor.ts')}); undefined: none. */
  readonly anchored: bigint | undefined
  /** By the data encryption key: holds in a recovery too. Empty in format 1. */
  readonly tag: Uint8Array
  readonly mac: Uint8Array
}

/** The whole state after entry `sequence`, and what the epoch needs to have readable without its key. */
export interface StoredSnapshot {
  readonly epoch: number
  readonly sequence: number
  /** Of the entry with that sequence number. */
  readonly hash: Uint8Array
  readonly sealMode: SealMode
  readonly recovery: Uint8Array
  readonly sealed: Uint8Array
  readonly mac: Uint8Array
}

/** What is written at once: all of it, or nothing. */
export interface Batch {
  readonly entries: readonly StoredEntry[]
  readonly head: StoredHead
  /** Replaces the former one. */
  readonly snapshot?: StoredSnapshot
  /** Replaces the MACs of entries that are there, in order from the first one: the key of MACs is a new one. */
  readonly macs?: Iterable<Uint8Array>
}

export type SettledLog = 'empty' | 'keep'

/**
 * Stores numbered entries, one snapshot and the head, and knows nothing of what they mean.
 *
 * Reading is synchronous: a backend that is far away keeps a copy. Everything that is read may have been altered by
 * the host; the caller checks it. Methods throw {@link StorageUnavailable} when the storage fails, and
 * {@link StorageDamaged} when what is stored doesn't have this shape.
 */
export interface LedgerBackend {
  /** What is written is always of the newest format; a batch that raises it must have a snapshot. */
  readonly format: LedgerFormat
  /** Undefined: nothing is stored. */
  head(): StoredHead | undefined
  snapshot(): StoredSnapshot | undefined
  /** Entries newer than `after`, in order, at most `limit`. */
  entries(after: number, limit: number): readonly StoredEntry[]
  /**
   * Writes a batch whose first entry follows `expected`, or which has none. It is durable when this resolves; when it
   * throws, nothing of it is there.
   *
   * @param expected sequence number of the head that the batch builds on; 0: nothing is stored
   * @throws {@link BackendConflict} when the head is another one: reload, and decide again
   */
  append(expected: number, batch: Batch): Promise<void>
  /**
   * Drops sealed parts of the oldest entries up to `upTo`, at most `limit`, so that no trace of them stays.
   *
   * @returns how many were dropped; less than `limit`: all are gone
   */
  dropSealedParts(upTo: number, limit: number): Promise<number>
  /**
   * Puts everything in its final place.
   *
   * @param log `empty`: replaced bytes don't linger in a log of the storage's own either; `keep`: they may, and what
   * comes next is written over them, which is faster
   */
  settle(log: SettledLog): Promise<void>
  close(): Promise<void>
}

/** The storage fails now, and may work again later: it is full, read-only, or has an I/O error. */
export class StorageUnavailable extends Error {
  override readonly name = 'StorageUnavailable'
}

/** What is stored isn't what a ledger stores. The message says what was found. */
export class StorageDamaged extends Error {
  override readonly name = 'StorageDamaged'
}

/** Somebody else appended meanwhile. */
export class BackendConflict extends Error {
  override readonly name = 'BackendConflict'

  constructor(expected: number, found: number) {
    super(`the ledger was expected to end at entry ${expected}, but it ends at ${found}`)
  }
}
