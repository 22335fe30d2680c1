import { setTimeout as delayBy } from 'node:timers/promises'

/** How long to wait for a Coordinator that isn't ready, and how often to ask. Times in milliseconds. */
export interface RetryPolicy {
  /** No attempt starts later than this after the first one; 0 means one attempt. */
  readonly totalMs: number
  /** Wait before the second attempt; each further wait is twice as long. */
  readonly firstDelayMs: number
  readonly maxDelayMs: number
  /** Deadline of a single attempt, from connecting to the answer. */
  readonly attemptMs: number
}

/**
 * Half a minute bridges a Coordinator that starts at the same time. Longer waits belong to whatever restarts the
 * marble: there they are seen. An attempt's deadline leaves room for a Coordinator that makes RSA keys under load.
 */
export const defaultRetryPolicy: RetryPolicy = {
  totalMs: 30_000,
  firstDelayMs: 500,
  maxDelayMs: 10_000,
  attemptMs: 30_000,
}

/** Time and chance, as arguments. */
export interface RetryClock {
  /** Milliseconds that never go backwards. */
  readonly now: () => number
  /** @throws when `signal` aborts */
  readonly sleep: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>
  /** From 0 up to, but not, 1. */
  readonly random: () => number
}

export const systemClock: RetryClock = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) => delayBy(milliseconds, undefined, signal === undefined ? {} : { signal }),
  // Spreads attempts; nothing secret depends on it.
  random: () => Math.random(),
}

/**
 * Wait before attempt `attempt + 1`: exponential, and anywhere between half and all of that, so that marbles which
 * started together don't ask together.
 */
export function delayAfter(attempt: number, policy: RetryPolicy, random: number): number {
  const full = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (attempt - 1))
  return Math.round(full * (0.5 + random / 2))
}
