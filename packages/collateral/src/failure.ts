/** Why a document could not be got, or was not taken. */
export const FAILURE_REASONS = [
  /** The service does not know the platform (404). */
  'not-found',
  /** The service finds the request malformed (400). */
  'bad-request',
  /** 401 or 403. */
  'unauthorized',
  /** 429. */
  'rate-limited',
  /** 500 to 599. */
  'service-error',
  /** 300 to 399: never followed. */
  'redirected',
  /** Any other status than 200. */
  'unexpected-status',
  /** Name resolution, connection or proxy. */
  'unreachable',
  /** The service's certificate was not accepted. */
  'tls',
  /** Within the time for an attempt, or for all of them. */
  'timeout',
  /** The connection ended in the middle of the answer. */
  'interrupted',
  'too-large',
  /** The answer can't be read, or lacks a part. */
  'malformed',
  /** The answer is not genuine, not what was asked for, or not valid now. */
  'invalid',
  /** Genuine, but older than what is known. */
  'outdated',
  /** This service makes no more requests for now: too many unknown platforms, or too many requests under way. */
  'limit',
  /** The vendor publishes no such document, or the evidence does not say which one it needs. */
  'not-published',
  /** No service is configured. */
  'offline',
  /** The service was closed. */
  'closed',
] as const
export type FailureReason = (typeof FAILURE_REASONS)[number]

/** One attempt to get a document, that failed. */
export interface Attempt {
  readonly at: Date
  /** Without its query, which may name a platform at length. Undefined when nothing was sent. */
  readonly url: string | undefined
  readonly reason: FailureReason
  readonly message: string
}

/** What went wrong in one attempt. */
export class FetchFailure extends Error {
  override readonly name = 'FetchFailure'
  readonly reason: FailureReason
  /** The service's wish (Retry-After); milliseconds. */
  readonly retryAfterMs: number | undefined

  constructor(reason: FailureReason, message: string, retryAfterMs?: number, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
    this.retryAfterMs = retryAfterMs
  }
}

/** Reasons that the next attempt may not meet. */
const PASSING: readonly FailureReason[] = [
  'rate-limited',
  'service-error',
  'unreachable',
  'timeout',
  'interrupted',
]
export const isPassing = (reason: FailureReason): boolean => PASSING.includes(reason)

/**
 * A document that evidence needs can't be had now: not from the cache, and not from the service. Evidence that needs it must
 * not be accepted; whether it is genuine is not said.
 */
export class CollateralUnavailable extends Error {
  override readonly name = 'CollateralUnavailable'
  /** The document's name (docs/collateral.md), for example `intel-tcb-info/TDX/b0c06f000000/standard`. */
  readonly document: string
  /** Of the last attempt. */
  readonly reason: FailureReason
  /** What was tried this time, or the last time, when that was a moment ago. */
  readonly attempts: readonly Attempt[]
  /** Since when the document could not be got. */
  readonly since: Date
  /** What to do. */
  readonly remedy: string

  constructor(detail: {
    readonly document: string
    readonly reason: FailureReason
    readonly message: string
    readonly attempts: readonly Attempt[]
    readonly since: Date
    readonly remedy?: string | undefined
  }) {
    const remedy = detail.remedy ?? REMEDIES[detail.reason]
    super(
      `getting ${detail.document}: ${detail.message} (${detail.reason}, since ${detail.since.toISOString()}, attempts: ${detail.attempts.length}); ${remedy}`,
    )
    this.document = detail.document
    this.reason = detail.reason
    this.attempts = detail.attempts
    this.since = detail.since
    this.remedy = remedy
  }
}

const CHECK_SERVICE = 'check that the service runs and can be reached from here, or import a bundle'

const REMEDIES: Record<FailureReason, string> = {
  'not-found':
    'a PCCS must be told about the platform first; otherwise check the service’s URL, and whether the vendor supports the platform',
  'bad-request': 'check the URL and API version of the service',
  unauthorized: 'check the key for the service',
  'rate-limited': 'wait, or use a caching service (PCCS) or a bundle',
  'service-error': CHECK_SERVICE,
  redirected: 'give the URL of the service itself; redirects are not followed',
  'unexpected-status': 'check the URL and API version of the service',
  unreachable: CHECK_SERVICE,
  tls: 'give the file of the CA that issued the certificate of the service, and the name in that certificate as host',
  timeout: CHECK_SERVICE,
  interrupted: CHECK_SERVICE,
  'too-large': 'check the URL of the service: this is no such document',
  malformed: 'check the URL and API version of the service',
  invalid:
    'what the service sends must not be used: check the URL, the clock here, and the service’s own cache',
  outdated: 'refresh the cache of the service: it has older documents than are known here',
  limit: 'wait; if this machine serves so many platforms, raise the limits',
  'not-published': 'pass the certificate with the evidence, from the host’s certificate table',
  offline: 'import a bundle that has the document, or configure a service',
  closed: 'nothing: this program is ending',
}
