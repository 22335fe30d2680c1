import { EvidenceInvalid, takenUntil } from '@taw/attestation'
import type { CollateralAnswer, CollateralRules, IntelCollateral } from '@taw/attestation'
import { Budget } from './budget.ts'
import type { CacheDirectory } from './cache-directory.ts'
import { isOlder, isValidAt } from './checker.ts'
import type { CheckedDocument, DocumentChecker } from './checker.ts'
import { isPerPlatform, nameOf } from './documents.ts'
import type { DocumentId } from './documents.ts'
import { CollateralUnavailable } from './failure.ts'
import type { Attempt, FailureReason } from './failure.ts'
import type { Fetcher } from './fetcher.ts'
import { Refusals } from './refusals.ts'
import { Shelf } from './shelf.ts'
import type { CollateralNotice, CollateralStats, Counters } from './stats.ts'
import { Upkeep } from './upkeep.ts'
import type { Timers } from './upkeep.ts'

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

export interface LibraryPorts {
  readonly fetcher: Fetcher
  readonly check: DocumentChecker
  readonly directory: CacheDirectory | undefined
  readonly now: () => Date
  readonly random: () => number
  readonly timers: Timers
  readonly notice: (notice: CollateralNotice) => void
  readonly counters: Counters
  readonly limits: CollateralLimits
  /** How long it is taken as given that a document can't be got; milliseconds. */
  readonly negativeMs: number
  readonly refreshMs: number
}

/** What getting collateral for evidence needs of the library. */
export type Documents = Pick<DocumentLibrary, 'get' | 'shelf'>

/**
 * The documents at hand: in memory, on disk, and from services, in this order. What is given out is genuine, is what was
 * asked for, and is valid now. However many ask for a document at once, one request is made.
 */
export class DocumentLibrary {
  /** What is in memory. */
  readonly shelf: Shelf
  readonly #ports: LibraryPorts
  readonly #underWay = new Map<string, Promise<CheckedDocument>>()
  readonly #refusals: Refusals
  readonly #budget: Budget
  readonly #upkeep: Upkeep
  #isClosed = false

  constructor(ports: LibraryPorts) {
    this.#ports = ports
    const { limits, now, fetcher } = ports
    this.#budget = new Budget(
      { burst: limits.newPlatformBurst, perMinute: limits.newPlatformsPerMinute },
      now(),
    )
    this.#refusals = new Refusals(ports.negativeMs)
    this.shelf = new Shelf({ ...ports, platformDocuments: limits.platformDocuments })
    this.#upkeep = new Upkeep({
      ...ports,
      shelf: this.shelf,
      knows: (id) => fetcher.knows(id),
      fetchAgain: (document) =>
        this.#once(document.name, () => this.#fetch(document.id, document.name, document)),
      readAgain: ({ id, name }) => this.#fromDisk(id, name),
    })
  }

  /**
   * @param rules a grace period is for documents at hand whose successor can't be had
   * @throws CollateralUnavailable
   */
  async get(id: DocumentId, rules: CollateralRules = {}): Promise<CheckedDocument> {
    const name = nameOf(id)
    const kept = this.shelf.use(name)
    if (kept) {
      this.#ports.counters.hits += 1
      return kept
    }
    this.#ports.counters.misses += 1
    try {
      return await this.#once(name, () => this.#obtain(id, name))
    } catch (error) {
      const ended = error instanceof CollateralUnavailable ? await this.#forgiven(id, name, rules) : undefined
      if (ended) return ended
      throw error
    }
  }

  async #forgiven(
    id: DocumentId,
    name: string,
    rules: CollateralRules,
  ): Promise<CheckedDocument | undefined> {
    if (rules.gracePeriod === undefined) return undefined
    const known = this.shelf.peek(name)?.document ?? (await this.#fromDisk(id, name, rules))
    if (!known || !(this.#ports.now() <= takenUntil(known.notAfter, rules))) return undefined
    this.#notice('grace', name, `it ended at ${known.notAfter.toISOString()}, and no newer one can be had`)
    return known
  }

  /** The newest one in memory or on disk, though it may have ended; asks no service. */
  async known(id: DocumentId): Promise<CheckedDocument | undefined> {
    const name = nameOf(id)
    // Disk first, though memory may have one: another process may have imported a newer one.
    return (await this.#fromDisk(id, name)) ?? this.shelf.peek(name)?.document
  }

  /**
   * @throws EvidenceInvalid for what is not genuine, or not what was asked for
   * @throws CollateralUnavailable when another document can't be had that this one is checked against
   */
  async check(
    id: DocumentId,
    answer: CollateralAnswer,
    rules: CollateralRules = {},
  ): Promise<CheckedDocument> {
    const context = {
      rootCrl: async (): Promise<IntelCollateral> => {
        const { intel } = await this.get({ kind: 'intel-root-ca-crl' }, rules)
        if (!intel) throw new TypeError('a revocation list of Intel’s is Intel collateral')
        return intel
      },
      amdIssuers: () => this.shelf.amdIssuers(),
    }
    try {
      return await this.#ports.check(id, answer, context)
    } catch (error) {
      const isIssuerUnknown =
        id.kind === 'amd-vcek' && error instanceof EvidenceInvalid && error.check === 'endorsement-chain'
      if (!isIssuerUnknown) throw error
      // AMD may have a new ASK since this program was made.
      await this.get({ kind: 'amd-cert-chain', product: id.product, type: 'vcek' })
      return this.#ports.check(id, answer, context)
    }
  }

  /** Takes a document that was checked. */
  async keep(
    document: CheckedDocument,
    fetchedAt: Date,
    state: { isProven: boolean; isSaved: boolean },
  ): Promise<void> {
    const now = this.#ports.now()
    // A time in the future would put off the refresh.
    const at = fetchedAt < now ? fetchedAt : now
    const isNewList = document.id.kind === 'intel-root-ca-crl' && this.shelf.peek(document.name)
    this.#refusals.remove(document.name)
    const refreshAt = this.#upkeep.refreshTime(document, at)
    await this.shelf.put(document, { ...state, fetchedAt: at, refreshAt })
    this.#upkeep.schedule()
    if (isNewList) await this.#recheckIntel()
  }

  /** Asks for each document in memory again. */
  async refresh(): Promise<readonly CollateralUnavailable[]> {
    return this.#upkeep.refresh(this.shelf.all())
  }

  stats(): CollateralStats {
    return this.#ports.counters.snapshot(this.shelf.size)
  }

  close(): void {
    this.#isClosed = true
    this.#upkeep.close()
    this.#ports.fetcher.close()
  }

  #once(name: string, work: () => Promise<CheckedDocument>): Promise<CheckedDocument> {
    const underWay = this.#underWay.get(name)
    if (underWay) return underWay
    const started = work().finally(() => this.#underWay.delete(name))
    this.#underWay.set(name, started)
    return started
  }

  async #obtain(id: DocumentId, name: string): Promise<CheckedDocument> {
    const now = this.#ports.now()
    const refusal = this.#refusals.current(name, now)
    if (refusal) {
      this.#ports.counters.unavailable += 1
      throw refusal
    }
    const known = await this.known(id)
    if (known && isValidAt(known, now)) return known
    return this.#fetch(id, name, known)
  }

  /** A document of the cache goes through the same check as one from a service. */
  async #fromDisk(
    id: DocumentId,
    name: string,
    rules: CollateralRules = {},
  ): Promise<CheckedDocument | undefined> {
    const { directory, counters, now } = this.#ports
    try {
      const found = await directory?.read(name)
      if (!found) return undefined
      const { body, issuerChain, fetchedAt } = found
      const document = await this.check(id, { body, issuerChain }, rules)
      const inMemory = this.shelf.peek(name)?.document
      if (inMemory && isOlder(document, inMemory)) return inMemory
      if (!isValidAt(document, now())) return document
      counters.diskHits += 1
      await this.keep(document, fetchedAt, { isProven: true, isSaved: true })
      return document
    } catch (error) {
      if (error instanceof CollateralUnavailable) throw error
      this.#notice('cache-file-dropped', name, messageOf(error))
      await directory?.remove(name).catch(() => undefined)
      return undefined
    }
  }

  /** A new list may name the signer of documents that are kept. */
  async #recheckIntel(): Promise<void> {
    for (const { document } of this.shelf.all()) {
      if (!document.intel || document.id.kind === 'intel-root-ca-crl') continue
      try {
        await this.check(document.id, document.answer)
      } catch (error) {
        if (!(error instanceof EvidenceInvalid)) continue
        this.#notice('dropped', document.name, `${error.check}: ${error.message}`)
        await this.shelf.drop(document)
      }
    }
  }

  async #fetch(id: DocumentId, name: string, known: CheckedDocument | undefined): Promise<CheckedDocument> {
    const { fetcher, now } = this.#ports
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
    const checked = await this.#checkAnswer(id, name, answer, { known, failures })
    await this.keep(checked, now(), { isProven: !isAskedForUnproven(id), isSaved: false })
    this.#notice('stored', name, `valid until ${checked.notAfter.toISOString()}`)
    return checked
  }

  #obstacle(
    id: DocumentId,
    known: CheckedDocument | undefined,
  ): { reason: FailureReason; message: string } | undefined {
    const { fetcher, limits, now } = this.#ports
    if (this.#isClosed) return { reason: 'closed', message: 'the service was closed' }
    if (!fetcher.knows(id)) {
      const state = known
        ? `the one at hand was valid until ${known.notAfter.toISOString()}`
        : 'it is not at hand'
      return { reason: 'offline', message: `${state}, and no service is configured` }
    }
    if (!isPerPlatform(id) || known) return undefined
    if (this.#underWay.size > limits.underWay) {
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
      checked = await this.check(id, answer)
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

/** Who asks for these has shown nothing yet: only with them it comes out whether the evidence is genuine. */
const isAskedForUnproven = ({ kind }: DocumentId): boolean =>
  kind === 'amd-vcek' || kind === 'intel-pck-certificate'

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
