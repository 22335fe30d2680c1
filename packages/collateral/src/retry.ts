import { setTimeout as sleep } from 'node:timers/promises'
import { FetchFailure, isPassing } from './failure.ts'
import type { Attempt } from './failure.ts'

export interface RetryPolicy {
  /** Attempts for one document; default 3. */
  readonly attempts: number
  /** For one attempt; milliseconds, default 5,000. */
  readonly attemptTimeoutMs: number
  /** For all attempts and the waiting between them; milliseconds, default 15,000. */
  readonly totalTimeoutMs: number
  /** The first wait is at most so long, each further one at most twice as long; milliseconds, default 250. */
  readonly backoffMs: number
}

/** An answer, or how each attempt failed. */
export type Outcome<Answer> =
  | { readonly answer: Answer; readonly failures: readonly Attempt[] }
  | { readonly answer: undefined; readonly failures: readonly Attempt[] }

/** The longest wait between two attempts; milliseconds. */
const MAX_BACKOFF_MS = 5_000

/**
 * Tries until it works, until another attempt would be no use, or until attempts or time are used up.
 *
 * @param attempt one attempt, which ends within the given time
 * @param random 0 to 1, spreads the waits, so that many machines do not come back at once
 */
export async function withRetries<Answer>(
  attempt: (timeoutMs: number) => Promise<Answer>,
  policy: RetryPolicy,
  ports: {
    readonly url: string
    readonly now: () => Date
    readonly random: () => number
    readonly signal: AbortSignal
  },
): Promise<Outcome<Answer>> {
  const failures: Attempt[] = []
  // The wall clock may be set meanwhile, and is an argument; this one only measures.
  const deadline = performance.now() + policy.totalTimeoutMs
  for (let number = 1; ; number++) {
    const left = deadline - performance.now()
    try {
      return {
        answer: await attempt(Math.ceil(Math.max(1, Math.min(policy.attemptTimeoutMs, left)))),
        failures,
      }
    } catch (error) {
      if (!(error instanceof FetchFailure)) throw error
      const { reason, message, retryAfterMs = 0 } = error
      failures.push({ at: ports.now(), url: ports.url, reason, message })
      const backoff = Math.min(MAX_BACKOFF_MS, policy.backoffMs * 2 ** (number - 1)) * ports.random()
      const wait = Math.max(backoff, retryAfterMs)
      const isLast = number >= policy.attempts || performance.now() + wait >= deadline
      if (isLast || !isPassing(reason) || ports.signal.aborted) return { answer: undefined, failures }
      await sleep(wait, undefined, { signal: ports.signal }).catch(() => undefined)
    }
  }
}
