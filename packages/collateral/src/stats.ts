import type { FailureReason } from './failure.ts'

/** Counts since the start, for metrics. Reasons are a closed list, so they may be labels. */
export interface CollateralStats {
  /** Documents that were in memory, valid. */
  readonly hits: number
  /** Documents that had to be read from disk or fetched; those who waited for the same one count too. */
  readonly misses: number
  /** Documents that were found on disk, verified. */
  readonly diskHits: number
  /** Documents that services were asked for (with retries: one). */
  readonly fetches: number
  /** HTTP requests. */
  readonly requests: number
  /** Documents that were fetched, verified and kept. */
  readonly stored: number
  /** Attempts that failed, and answers that were not taken. */
  readonly failures: Readonly<Partial<Record<FailureReason, number>>>
  /** Requests for a document that ended in `CollateralUnavailable`. */
  readonly unavailable: number
  /** Documents that had to go, because there are too many platforms. */
  readonly evictions: number
  /** Documents in memory now. */
  readonly documents: number
}

export class Counters {
  readonly failures: Partial<Record<FailureReason, number>> = {}
  hits = 0
  misses = 0
  diskHits = 0
  fetches = 0
  requests = 0
  stored = 0
  unavailable = 0
  evictions = 0

  failed(reason: FailureReason): void {
    this.failures[reason] = (this.failures[reason] ?? 0) + 1
  }

  snapshot(documents: number): CollateralStats {
    const { hits, misses, diskHits, fetches, requests, stored, unavailable, evictions } = this
    return {
      hits,
      misses,
      diskHits,
      fetches,
      requests,
      stored,
      failures: { ...this.failures },
      unavailable,
      evictions,
      documents,
    }
  }
}

/** Something that an operator may want to know; nothing in it is secret. */
export interface CollateralNotice {
  readonly kind:
    /** A document was fetched or imported, verified and kept. */
    | 'stored'
    /** A document could not be got from the service. Cached ones are used as long as they are valid. */
    | 'fetch-failed'
    /** The service sent something that was not taken. */
    | 'rejected'
    /** A file of the cache was damaged, or not what its name says, and was removed. */
    | 'cache-file-dropped'
    /** The cache can't be written; documents are kept in memory alone. */
    | 'cache-unwritable'
    /** A document that has ended is given out once more, since the policy grants a grace period. */
    | 'grace'
    /** A document went, because there are too many platforms, or because its issuer is revoked. */
    | 'dropped'
  /** The document's name. */
  readonly document: string
  readonly message: string
}
