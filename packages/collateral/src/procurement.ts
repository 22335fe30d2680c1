import { EvidenceInvalid } from '@taw/attestation'
import type { CollateralAnswer } from '@taw/attestation'
import { Budget } from './budget.ts'
import { isOlder, isValidAt } from './checker.ts'
import type { CheckedDocument } from './checker.ts'
import { isPerPlatform } from './documents.ts'
import type { DocumentId } from './documents.ts'
import { CollateralUnavailable } from './failure.ts'
import type { Attempt, FailureReason } from './failure.ts'
import type { Fetcher } from './fetcher.ts'
import { Refusals } from './refusals.ts'
import type { CollateralNotice, Counters } from './stats.ts'

/** What keeps one machine, or one that only pretends to be many, from filling memory, disk and wires. */
export interface CollateralLimits {
  /** TCB infos, PCK certificates and VCEKs that are kept; default 512 of each. */
  readonly platformDocuments: number
  /** Documents of unknown platforms that are asked for at once; default 64. */
  readonly newPlatformBurst: number
  /** And from then on in a minute; default 30. */
  readonly newPlatformsPerMinute: number
  /** Documents of unknown platforms that are being asked for at the same time; default 32. */
  readonly underWay: number
}

export interface ProcurementPorts {
  readonly fetcher: Fetcher
  /** @throws EvidenceInvalid for what is not genuine, or not what was asked for */
  readonly check: (id: DocumentId, answer: CollateralAnswer) => Promise<CheckedDocument>
  readonly now: () => Date
  readonly notice: (notice: CollateralNotice) => void
  readonly counters: Counters
  readonly limits: CollateralLimits
  /** How many documents are being obtained, this one too. */
  readonly underWay: () => number
  /** How long it is taken as given that a document can't be got; milliseconds. */
  readonly negativeMs: number
}

/**
 * Gets documents from the services: says whether one may be asked for at all, holds what comes against what is known,
 * and remembers for a while what can't be had.
 */
export class Procurement {
  readonly #ports: ProcurementPorts
  readonly #refusals: Refusals
  readonly #budget: Budget
  #isClosed = false

  constructor(ports: ProcurementPorts) {
    this.#ports = ports
    const { limits, now, negativeMs } = ports
    const { newPlatformBurst: burst, newPlatformsPerMinute: perMinute } = limits
    this.#budget = new Budget({ burst, perMinute }, now())
    this.#refusals = new Refusals(negativeMs)
  }

  /** @throws CollateralUnavailable when it could not be had a short while ago */
  requireNoRefusal(name: string, now: Date): void {
    const refusal = this.#refusals.current(name, now)
    if (!refusal) return
    this.#ports.counters.unavailable += 1
    throw refusal
  }

  /** The document was got otherwise; what was remembered of it holds no longer. */
  forget(name: string): void {
    this.#refusals.remove(name)
  }

  /** From now on nothing is fetched. */
  close(): void {
    this.#isClosed = true
  }

  /**
   * @param known what is at hand of it, though it has ended
   * @returns a genuine document, valid now and no older than the known one
   * @throws CollateralUnavailable
   */
  async fetch(id: DocumentId, name: string, known: CheckedDocument | undefined): Promise<CheckedDocument> {
    const { fetcher } = this.#ports
    const obstacle = this.#obstacle(id, known)
    if (obstacle) throw this.#unavailable(name, obstacle, [])
    const { answer, failures } = await fetcher.fetch(id)
    if (!answer) {
      const last = failures.at(-1)
      this.#notice('fetch-failed', name, last ? `${last.message} (${last.reason})` : 'no attempt was made')
      throw this.#unavailable(
        name,
        { reason: last?.reason ?? 'unreachable', message: last?.message ?? 'no attempt was made' },
        failures,
      )
    }
    return this.#checkAnswer(id, name, answer, { known, failures })
  }

  #obstacle(
    id: DocumentId,
    known: CheckedDocument | undefined,
  ): { reason: FailureReason; message: string } | undefined {
    const { fetcher, limits, now, underWay } = this.#ports
    if (this.#isClosed) return { reason: 'closed', message: 'the service was closed' }
    if (!fetcher.knows(id)) {
      const state = known
        ? `the one at hand was valid until ${known.notAfter.toISOString()}`
        : 'it is not at hand'
      return { reason: 'offline', message: `${state}, and no service is configured` }
    }
    if (!isPerPlatform(id) || known) return undefined
    if (underWay() > limits.underWay) {
      return { reason: 'limit', message: `${limits.underWay} other documents are being fetched` }
    }
    if (!this.#budget.take(now())) {
      return { reason: 'limit', message: 'too many unknown platforms were asked for in a short time' }
    }
    return undefined
  }

  /** What a service sent, if it is genuine, wanted, valid now, and no step back. */
  async #checkAnswer(
    id: DocumentId,
    name: string,
    answer: CollateralAnswer,
    { known, failures }: { known: CheckedDocument | undefined; failures: readonly Attempt[] },
  ): Promise<CheckedDocument> {
    const refuse = (reason: FailureReason, message: string): CollateralUnavailable => {
      this.#ports.counters.failed(reason)
      this.#notice('rejected', name, message)
      const attempt: Attempt = { at: this.#ports.now(), url: undefined, reason, message }
      return this.#unavailable(name, { reason, message }, [...failures, attempt])
    }
    let checked: CheckedDocument
    try {
      checked = await this.#ports.check(id, answer)
    } catch (error) {
      if (!(error instanceof EvidenceInvalid)) throw error
      throw refuse(
        error.check === 'collateral-format' ? 'malformed' : 'invalid',
        `${error.check}: ${error.message}`,
      )
    }
    if (!isValidAt(checked, this.#ports.now())) {
      throw refuse(
        'invalid',
        `it is valid from ${checked.notBefore.toISOString()} to ${checked.notAfter.toISOString()}, which is not now`,
      )
    }
    if (known && isOlder(checked, known)) {
      throw refuse('outdated', 'the service has an older one than the one that is known')
    }
    return checked
  }

  #unavailable(
    name: string,
    { reason, message }: { reason: FailureReason; message: string },
    attempts: readonly Attempt[],
  ): CollateralUnavailable {
    const { now, counters } = this.#ports
    counters.unavailable += 1
    if (attempts.length === 0) counters.failed(reason)
    const since = this.#refusals.since(name) ?? now()
    const error = new CollateralUnavailable({ document: name, reason, message, attempts, since })
    // A limit of our own passes with the others' requests, and asking costs nothing.
    if (reason !== 'limit') this.#refusals.add(name, error, now())
    return error
  }

  #notice(kind: CollateralNotice['kind'], document: string, message: string): void {
    this.#ports.notice({ kind, document, message })
  }
}
