import type { Parameters } from '@taw/protocol'

import type { EvidenceProvider } from '@taw/evidence'
import { MarbleError } from '../errors.ts'
import { requestEvidence } from '../evidence/choose.ts'
import { makeIdentity, reportDataFor, type Curve } from '../identity/identity.ts'
import type { MarbleNames } from '../identity/names.ts'
import { SecretBytes } from '../secret-bytes.ts'
import { formatAddress, type Address } from './address.ts'
import { AttemptFailure, attemptActivation } from './attempt.ts'
import { defaultRetryPolicy, delayAfter, systemClock, type RetryClock, type RetryPolicy } from './retry.ts'

export interface ActivateOptions {
  readonly coordinator: Address
  /** Name of the marble type in the manifest. */
  readonly marbleType: string
  /** Canonical form, as {@link loadOrCreateUuid} gives it. */
  readonly uuid: string
  readonly names: MarbleNames
  readonly evidence: EvidenceProvider
  /** Default P-256. */
  readonly curve?: Curve
  readonly retry?: Partial<RetryPolicy>
  /** Ends the activation; its reason is then thrown. */
  readonly signal?: AbortSignal
  /** Told about each failed attempt that another one follows. */
  readonly onRetry?: (notice: RetryNotice) => void
  readonly clock?: RetryClock
}

export interface RetryNotice {
  /** Number of the failed attempt, from 1. */
  readonly attempt: number
  readonly reason: string
  /** Milliseconds until the next one. */
  readonly delayMs: number
}

/** What the manifest grants to this marble. Names are public, values are not. */
export interface Activation {
  /** Path → contents. */
  readonly files: ReadonlyMap<string, SecretBytes>
  /** Name → value, the `MARBLE_PREDEFINED_…` variables among them. */
  readonly env: ReadonlyMap<string, SecretBytes>
  /** The application's arguments, its own name first; empty when the manifest leaves them to the command line. */
  readonly argv: readonly string[]
}

/**
 * Proves to the Coordinator what this process is, and gets what the manifest grants it.
 *
 * Every call makes a new key. While the Coordinator is not there or not ready the attempt is repeated, over a new
 * connection, with the same evidence.
 *
 * @throws {@link MarbleError} `evidence_unavailable`, `coordinator_unavailable`, `activation_refused`
 */
export async function activate(options: ActivateOptions): Promise<Activation> {
  const { coordinator, marbleType, uuid, signal } = options
  const identity = await makeIdentity(options.names, options.curve ?? 'P-256', new Date())
  const quote = await requestEvidence(options.evidence, reportDataFor(identity.certificate))
  const call = { address: coordinator, identity, quote, marbleType, uuid }
  const policy = { ...defaultRetryPolicy, ...options.retry }
  const clock = options.clock ?? systemClock
  const started = clock.now()
  for (let attempt = 1; ; attempt += 1) {
    try {
      return activationOf(await attemptActivation(call, policy.attemptMs, signal))
    } catch (error) {
      if (!(error instanceof AttemptFailure)) throw error
      const delayMs = delayAfter(attempt, policy, clock.random())
      if (!error.mayPass) throw refused(options, error)
      if (clock.now() - started + delayMs > policy.totalMs) throw unavailable(options, error, attempt, policy)
      options.onRetry?.({ attempt, reason: error.message, delayMs })
      await sleepUnlessAborted(clock, delayMs, signal)
    }
  }
}

async function sleepUnlessAborted(
  clock: RetryClock,
  delayMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await clock.sleep(delayMs, signal)
  } finally {
    signal?.throwIfAborted()
  }
}

function activationOf(parameters: Parameters): Activation {
  const secret = (values: Record<string, Uint8Array>): Map<string, SecretBytes> =>
    new Map(Object.entries(values).map(([name, bytes]) => [name, new SecretBytes(bytes)]))
  return { files: secret(parameters.Files), env: secret(parameters.Env), argv: parameters.Argv }
}

function refused({ coordinator, marbleType }: ActivateOptions, failure: AttemptFailure): MarbleError {
  return new MarbleError(
    'activation_refused',
    `activating marble type "${marbleType}" at the Coordinator "${formatAddress(coordinator)}": ${failure.message}`,
    { cause: failure },
  )
}

function unavailable(
  { coordinator, marbleType }: ActivateOptions,
  failure: AttemptFailure,
  attempts: number,
  policy: RetryPolicy,
): MarbleError {
  return new MarbleError(
    'coordinator_unavailable',
    `activating marble type "${marbleType}": the Coordinator "${formatAddress(coordinator)}" is not ready ` +
      `(${attempts === 1 ? '1 attempt' : `${attempts} attempts`}, retries end after ${policy.totalMs / 1000} s): ` +
      failure.message,
    { cause: failure },
  )
}
