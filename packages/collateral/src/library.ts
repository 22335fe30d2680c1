import { EvidenceInvalid, takenUntil } from '@taw/attestation'
import type { CollateralAnswer, CollateralRules, IntelCollateral } from '@taw/attestation'
import type { CacheDirectory } from './cache-directory.ts'
import { isOlder, isValidAt } from './checker.ts'
import type { CheckedDocument, DocumentChecker } from './checker.ts'
import { nameOf } from './documents.ts'
import type { DocumentId } from './documents.ts'
import { CollateralUnavailable } from './failure.ts'
import { Procurement } from './procurement.ts'
import type { ProcurementPorts } from './procurement.ts'
import { Shelf } from './shelf.ts'
import type { CollateralNotice, CollateralStats } from './stats.ts'
import { Upkeep } from './upkeep.ts'
import type { Timers } from './upkeep.ts'

export interface LibraryPorts extends Omit<ProcurementPorts, 'check' | 'underWay'> {
  readonly check: DocumentChecker
  readonly directory: CacheDirectory | undefined
  readonly random: () => number
  readonly timers: Timers
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
  readonly #procurement: Procurement
  readonly #upkeep: Upkeep

  constructor(ports: LibraryPorts) {
    this.#ports = ports
    const { limits, fetcher } = ports
    this.#procurement = new Procurement({
      ...ports,
      check: (id, answer) => this.check(id, answer),
      underWay: () => this.#underWay.size,
    })
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
    this.#procurement.forget(document.name)
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
    this.#procurement.close()
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
    this.#procurement.requireNoRefusal(name, now)
    const known = await this.known(id)
    if (known && isValidAt(known, now)) return known
    return this.#fetch(id, name, known)
  }

  async #fetch(id: DocumentId, name: string, known: CheckedDocument | undefined): Promise<CheckedDocument> {
    const checked = await this.#procurement.fetch(id, name, known)
    await this.keep(checked, this.#ports.now(), { isProven: !isAskedForUnproven(id), isSaved: false })
    this.#notice('stored', name, `valid until ${checked.notAfter.toISOString()}`)
    return checked
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

  #notice(kind: CollateralNotice['kind'], document: string, message: string): void {
    this.#ports.notice({ kind, document, message })
  }
}

/** Who asks for these has shown nothing yet: only with them it comes out whether the evidence is genuine. */
const isAskedForUnproven = ({ kind }: DocumentId): boolean =>
  kind === 'amd-vcek' || kind === 'intel-pck-certificate'

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
