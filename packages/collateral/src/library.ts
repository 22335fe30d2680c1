import { EvidenceInvalid, mergeAmdCollateral, readCollateralBundle } from '@taw/attestation'
import type { AmdCollateral, CollateralAnswer, IntelCollateral } from '@taw/attestation'
import { Budget } from './budget.ts'
import { writeBundle } from './bundle.ts'
import type { CacheDirectory } from './cache-directory.ts'
import { isOlder, isValidAt } from './checker.ts'
import type { CheckedDocument, DocumentChecker } from './checker.ts'
import { documentOfName, isPerPlatform, isRepublished, nameOf } from './documents.ts'
import type { DocumentId } from './documents.ts'
import { CollateralUnavailable } from './failure.ts'
import type { Attempt, FailureReason } from './failure.ts'
import type { Fetcher } from './fetcher.ts'
import { Refusals } from './refusals.ts'
import type { CollateralNotice, CollateralStats, Counters } from './stats.ts'

/** What keeps one machine, or one that only pretends to be many, from filling memory, disk and wires. */
export interface CollateralLimits {
  /** TCB infos, PCK certificates and VCEKs that are kept; default 512 of each. */
  readonly platformDocuments: number
  /** Documents of unknown platforms that are asked for at once; default 64. */
  readonly newPlatformBurst: number
  /** And from then on in a minute; default 30. */
  readonly newPlatformsPerMinute: number
  /** Documents that are being asked for at the same time; default 32. */
  readonly underWay: number
}

/** Where time comes from; tests have their own. */
export interface Timers {
  /** Calls once, and keeps no process alive. */
  readonly set: (action: () => void, delayMs: number) => { readonly cancel: () => void }
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
  /** How old a document becomes before it is asked for again, although it is valid; milliseconds. */
  readonly refreshMs: number
}

interface Kept {
  readonly document: CheckedDocument
  readonly fetchedAt: Date
  /** When to ask for it again. */
  refreshAt: number
  /** How often that failed in a row. */
  failures: number
  usedAt: number
  /** False: someone asked for it, but it has not helped to verify anything yet. Such ones go first, and not to disk. */
  isProven: boolean
}

/** What became of a document of a bundle. */
export interface ImportedDocument {
  readonly name: string
  /** `known`: the same, or a newer one, is there already. */
  readonly outcome: 'stored' | 'known' | 'refused'
  /** Why it was refused. */
  readonly message: string
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** A document that nobody has used for so long is not refreshed any more. */
const IDLE_MS = 14 * 24 * HOUR
/** Between two attempts to refresh, at most. */
const MAX_REFRESH_BACKOFF_MS = HOUR

/**
 * The documents at hand: in memory, on disk, and from services, in this order. What is given out is genuine, is what was
 * asked for, and is valid now. However many ask for a document at once, one request is made.
 */
export class DocumentLibrary {
  readonly #ports: LibraryPorts
  readonly #kept = new Map<string, Kept>()
  readonly #underWay = new Map<string, Promise<CheckedDocument>>()
  readonly #refusals: Refusals
  readonly #budget: Budget
  #timer: ReturnType<Timers['set']> | undefined
  #isClosed = false

  constructor(ports: LibraryPorts) {
    this.#ports = ports
    const { limits, now } = ports
    this.#budget = new Budget(
      { burst: limits.newPlatformBurst, perMinute: limits.newPlatformsPerMinute },
      now(),
    )
    this.#refusals = new Refusals(ports.negativeMs)
    for (const prefix of PLATFORM_PREFIXES) ports.directory?.trim(prefix, limits.platformDocuments)
  }

  /**
   * @throws CollateralUnavailable
   */
  async get(id: DocumentId): Promise<CheckedDocument> {
    const name = nameOf(id)
    const kept = this.#validInMemory(name)
    if (kept) {
      this.#ports.counters.hits += 1
      return kept
    }
    this.#ports.counters.misses += 1
    return this.#once(name, () => this.#obtain(id, name))
  }

  /** Whether memory has it, valid; then {@link get} needs neither disk nor network. */
  has(id: DocumentId): boolean {
    const kept = this.#kept.get(nameOf(id))
    return kept !== undefined && isValidAt(kept.document, this.#ports.now())
  }

  /** The document has helped to verify evidence: from now on it is kept like all others. */
  async prove(document: CheckedDocument): Promise<void> {
    const kept = this.#kept.get(document.name)
    if (!kept || kept.isProven) return
    kept.isProven = true
    await this.#save(kept)
  }

  /** Whether memory has it, valid, and it has helped to verify evidence before. */
  hasProven(id: DocumentId): boolean {
    return this.has(id) && this.#kept.get(nameOf(id))?.isProven === true
  }

  /** The document was of no use for what it was asked for, though it is genuine. A proven one stays. */
  async disprove(document: CheckedDocument): Promise<void> {
    if (this.#kept.get(document.name)?.isProven !== true) await this.#drop(document)
  }

  async #drop({ name }: CheckedDocument): Promise<void> {
    this.#kept.delete(name)
    await this.#ports.directory?.remove(name)
  }

  /** Intermediate certificates and revocation lists of AMD that are in memory. */
  amdIssuers(): AmdCollateral {
    const documents = [...this.#kept.values()].map(({ document }) => document)
    return mergeAmdCollateral(
      ...documents.flatMap(({ id, amd }) => (amd && id.kind !== 'amd-vcek' ? [amd] : [])),
    )
  }

  /** Asks for each document in memory again. */
  async refresh(): Promise<readonly CollateralUnavailable[]> {
    return this.#refreshAll([...this.#kept.values()])
  }

  /** All proven documents that are valid now, as a bundle. */
  export(): Uint8Array {
    const now = this.#ports.now()
    const documents = [...this.#kept.values()].filter(
      ({ document, isProven }) => isProven && isValidAt(document, now),
    )
    const bundled = documents.map(({ document: { name, answer }, fetchedAt }) => ({
      name,
      fetchedAt,
      ...answer,
    }))
    return writeBundle(bundled.sort((a, b) => (a.name < b.name ? -1 : 1)))
  }

  /**
   * Verifies each document of a bundle, and keeps it unless a newer one is there.
   *
   * @throws EvidenceInvalid `collateral-format` when the bundle can't be read
   */
  async import(bundle: Uint8Array): Promise<readonly ImportedDocument[]> {
    const documents = readCollateralBundle(bundle, 'the bundle')
    // Lists first: other documents are checked against them.
    const listsFirst = [...documents].sort((a, b) => Number(!isList(a.name)) - Number(!isList(b.name)))
    const results: ImportedDocument[] = []
    for (const { name, fetchedAt, ...answer } of listsFirst) {
      const id = documentOfName(name)
      results.push(
        id
          ? await this.#importOne(id, answer, fetchedAt)
          : {
              name,
              outcome: 'refused',
              message: 'no document is called so; the bundle may be newer than this program',
            },
      )
    }
    return results
  }

  stats(): CollateralStats {
    return this.#ports.counters.snapshot(this.#kept.size)
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#ports.fetcher.close()
  }

  #validInMemory(name: string): CheckedDocument | undefined {
    const kept = this.#kept.get(name)
    const now = this.#ports.now()
    if (!kept || !isValidAt(kept.document, now)) return undefined
    kept.usedAt = now.getTime()
    // The map's order is that of the last use.
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    return kept.document
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
    // Also when memory has one that has ended: another process may have imported a newer one.
    const known = (await this.#fromDisk(id, name)) ?? this.#kept.get(name)?.document
    if (known && isValidAt(known, now)) return known
    return this.#fetch(id, name, known)
  }

  /** A document of the cache goes through the same check as one from a service. */
  async #fromDisk(id: DocumentId, name: string): Promise<CheckedDocument | undefined> {
    const { directory, counters, now } = this.#ports
    try {
      const found = await directory?.read(name)
      if (!found) return undefined
      const { body, issuerChain, fetchedAt } = found
      const document = await this.#check(id, { body, issuerChain })
      const inMemory = this.#kept.get(name)?.document
      if (inMemory && isOlder(document, inMemory)) return inMemory
      if (!isValidAt(document, now())) return document
      counters.diskHits += 1
      // A time in the future would put off the refresh.
      await this.#keep(document, fetchedAt < now() ? fetchedAt : now(), { isProven: true, isSaved: true })
      return document
    } catch (error) {
      if (error instanceof CollateralUnavailable) throw error
      this.#notice('cache-file-dropped', name, messageOf(error))
      await directory?.remove(name).catch(() => undefined)
      return undefined
    }
  }

  async #check(id: DocumentId, answer: CollateralAnswer): Promise<CheckedDocument> {
    const context = {
      rootCrl: async (): Promise<IntelCollateral> => {
        const { intel } = await this.get({ kind: 'intel-root-ca-crl' })
        if (!intel) throw new TypeError('a revocation list of Intel’s is Intel collateral')
        return intel
      },
      amdIssuers: () => this.amdIssuers(),
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
    await this.#keep(checked, now(), { isProven: !isAskedForUnproven(id), isSaved: false })
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
    if (this.#underWay.size > limits.underWay) {
      return { reason: 'limit', message: `${limits.underWay} other documents are being fetched` }
    }
    if (isPerPlatform(id) && !known && !this.#budget.take(now())) {
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
      checked = await this.#check(id, answer)
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

  async #keep(
    document: CheckedDocument,
    fetchedAt: Date,
    { isProven, isSaved }: { isProven: boolean; isSaved: boolean },
  ): Promise<void> {
    const before = this.#kept.get(document.name)
    const now = this.#ports.now().getTime()
    const kept: Kept = {
      document,
      fetchedAt,
      refreshAt: this.#refreshTime(document, fetchedAt.getTime(), now),
      failures: 0,
      usedAt: before?.usedAt ?? now,
      isProven: isProven || before?.isProven === true,
    }
    this.#kept.delete(document.name)
    this.#kept.set(document.name, kept)
    this.#refusals.remove(document.name)
    this.#evict(document.id)
    this.#schedule()
    if (kept.isProven && !isSaved) await this.#save(kept)
    if (document.id.kind === 'intel-root-ca-crl' && before) await this.#recheckIntel()
  }

  /** A new list may name the signer of documents that are kept. */
  async #recheckIntel(): Promise<void> {
    for (const { document } of this.#kept.values()) {
      if (!document.intel || document.id.kind === 'intel-root-ca-crl') continue
      try {
        await this.#check(document.id, document.answer)
      } catch (error) {
        if (!(error instanceof EvidenceInvalid)) continue
        this.#notice('dropped', document.name, `${error.check}: ${error.message}`)
        await this.#drop(document)
      }
    }
  }

  async #save({ document: { name, answer, id }, fetchedAt }: Kept): Promise<void> {
    const { directory, limits, counters } = this.#ports
    counters.stored += 1
    if (!directory) return
    try {
      await directory.write({ name, fetchedAt, ...answer })
      if (isPerPlatform(id)) directory.trim(id.kind, limits.platformDocuments)
    } catch (error) {
      this.#notice('cache-unwritable', name, messageOf(error))
    }
  }

  #evict({ kind }: DocumentId): void {
    const same = [...this.#kept.values()].filter(({ document: { id } }) => id.kind === kind)
    if (same.length <= this.#ports.limits.platformDocuments) return
    const victim = same.find(({ isProven }) => !isProven) ?? same[0]
    if (!victim) return
    this.#ports.counters.evictions += 1
    this.#notice('dropped', victim.document.name, 'there are too many platforms; it was used least recently')
    void this.#drop(victim.document).catch(() => undefined)
  }

  /** Long before the end, and not all machines at once. */
  #refreshTime(document: CheckedDocument, fetchedAt: number, now: number): number {
    const { refreshMs, random, fetcher } = this.#ports
    const halfLife = (document.notAfter.getTime() - now) / 2
    const spread = 1 - 0.2 * random()
    if (!fetcher.knows(document.id)) return now + HOUR
    if (!isRepublished(document.id)) return now + halfLife * spread
    return Math.min(fetchedAt + refreshMs * spread, now + halfLife * spread)
  }

  #schedule(): void {
    this.#timer?.cancel()
    if (this.#isClosed || this.#kept.size === 0) return
    const next = Math.min(...[...this.#kept.values()].map(({ refreshAt }) => refreshAt))
    const delay = Math.min(HOUR, Math.max(1000, next - this.#ports.now().getTime()))
    this.#timer = this.#ports.timers.set(() => {
      void this.#sweep()
    }, delay)
  }

  async #sweep(): Promise<void> {
    const now = this.#ports.now().getTime()
    const due = [...this.#kept.values()].filter(
      ({ refreshAt, usedAt, document }) =>
        refreshAt <= now && now - usedAt < IDLE_MS && this.#ports.fetcher.knows(document.id),
    )
    for (const kept of [...this.#kept.values()]) {
      if (kept.refreshAt > now || due.includes(kept)) continue
      kept.refreshAt = now + HOUR
      // Nobody can be asked, but somebody may have imported a bundle into the directory.
      if (!this.#ports.fetcher.knows(kept.document.id))
        await this.#fromDisk(kept.document.id, kept.document.name)
    }
    await this.#refreshAll(due)
    this.#schedule()
  }

  /** One after another: nobody waits for it, and services limit rates. */
  async #refreshAll(documents: readonly Kept[]): Promise<readonly CollateralUnavailable[]> {
    const failures: CollateralUnavailable[] = []
    for (const kept of documents) {
      if (this.#isClosed) break
      const { document } = kept
      try {
        await this.#once(document.name, () => this.#fetch(document.id, document.name, document))
      } catch (error) {
        if (!(error instanceof CollateralUnavailable)) throw error
        failures.push(error)
        kept.failures += 1
        const backoff = Math.min(MAX_REFRESH_BACKOFF_MS, MINUTE * 2 ** Math.min(10, kept.failures - 1))
        kept.refreshAt = this.#ports.now().getTime() + backoff * (0.5 + this.#ports.random() / 2)
      }
    }
    return failures
  }

  async #importOne(id: DocumentId, answer: CollateralAnswer, fetchedAt: Date): Promise<ImportedDocument> {
    const name = nameOf(id)
    const { now } = this.#ports
    try {
      const document = await this.#check(id, answer)
      if (!isValidAt(document, now())) {
        const window = `${document.notBefore.toISOString()} to ${document.notAfter.toISOString()}`
        return { name, outcome: 'refused', message: `it is valid from ${window}, which is not now` }
      }
      const known = this.#kept.get(name)?.document ?? (await this.#fromDisk(id, name))
      if (known && !isOlder(known, document)) return { name, outcome: 'known', message: '' }
      await this.#keep(document, fetchedAt < now() ? fetchedAt : now(), { isProven: true, isSaved: false })
      return { name, outcome: 'stored', message: '' }
    } catch (error) {
      if (!(error instanceof EvidenceInvalid || error instanceof CollateralUnavailable)) throw error
      return { name, outcome: 'refused', message: error.message }
    }
  }

  #notice(kind: CollateralNotice['kind'], document: string, message: string): void {
    this.#ports.notice({ kind, document, message })
  }
}

/** Files of documents that there are as many of as platforms (cache-directory.ts). */
const PLATFORM_PREFIXES = ['intel-tcb-info', 'intel-pck-certificate', 'amd-vcek'] as const

/** Who asks for these has shown nothing yet: only with them it comes out whether the evidence is genuine. */
const isAskedForUnproven = ({ kind }: DocumentId): boolean =>
  kind === 'amd-vcek' || kind === 'intel-pck-certificate'

const isList = (name: string): boolean => name === 'intel-root-ca-crl' || /^amd-c/.test(name)

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
