import { mergeAmdCollateral } from '@taw/attestation'
import type { AmdCollateral, BundledDocument } from '@taw/attestation'
import { bundleOf, writeBundle } from './bundle.ts'
import type { CollateralBundle } from './bundle.ts'
import type { CacheDirectory } from './cache-directory.ts'
import { isValidAt } from './checker.ts'
import type { CheckedDocument } from './checker.ts'
import { isPerPlatform, nameOf } from './documents.ts'
import type { DocumentId } from './documents.ts'
import type { CollateralNotice, Counters } from './stats.ts'

export interface Kept {
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

export interface ShelfPorts {
  readonly directory: CacheDirectory | undefined
  readonly now: () => Date
  readonly notice: (notice: CollateralNotice) => void
  readonly counters: Counters
  /** Documents of each kind that there are as many of as platforms. */
  readonly platformDocuments: number
}

/** The documents in memory, in the order of their last use, and how they get to disk and go from both. */
export class Shelf {
  readonly #ports: ShelfPorts
  readonly #kept = new Map<string, Kept>()

  constructor(ports: ShelfPorts) {
    this.#ports = ports
    for (const kind of PLATFORM_KINDS) ports.directory?.trim(kind, ports.platformDocuments)
  }

  get size(): number {
    return this.#kept.size
  }

  all(): readonly Kept[] {
    return [...this.#kept.values()]
  }

  /** Whatever is known, ended or not. */
  peek(name: string): Kept | undefined {
    return this.#kept.get(name)
  }

  /** A document that is valid now; it counts as used. */
  use(name: string): CheckedDocument | undefined {
    const kept = this.#kept.get(name)
    const now = this.#ports.now()
    if (!kept || !isValidAt(kept.document, now)) return undefined
    kept.usedAt = now.getTime()
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    return kept.document
  }

  /** Whether it is there, valid; then nobody needs to be asked. */
  has(id: DocumentId): boolean {
    const kept = this.#kept.get(nameOf(id))
    return kept !== undefined && isValidAt(kept.document, this.#ports.now())
  }

  /** Whether it is there, valid, and has helped to verify evidence before. */
  hasProven(id: DocumentId): boolean {
    return this.has(id) && this.#kept.get(nameOf(id))?.isProven === true
  }

  /** The document has helped to verify evidence: from now on it is kept like all others. */
  async prove(document: CheckedDocument): Promise<void> {
    const kept = this.#kept.get(document.name)
    if (!kept || kept.isProven) return
    kept.isProven = true
    await this.#save(kept)
  }

  /** The document was of no use for what it was asked for, though it is genuine. A proven one stays. */
  async disprove(document: CheckedDocument): Promise<void> {
    if (this.#kept.get(document.name)?.isProven !== true) await this.drop(document)
  }

  async put(
    document: CheckedDocument,
    state: { fetchedAt: Date; refreshAt: number; isProven: boolean; isSaved: boolean },
  ): Promise<void> {
    const before = this.#kept.get(document.name)
    const { fetchedAt, refreshAt, isProven, isSaved } = state
    const kept: Kept = {
      document,
      fetchedAt,
      refreshAt,
      failures: 0,
      usedAt: before?.usedAt ?? this.#ports.now().getTime(),
      isProven: isProven || before?.isProven === true,
    }
    this.#kept.delete(document.name)
    this.#kept.set(document.name, kept)
    if (kept.isProven && !isSaved) await this.#save(kept)
    if (isPerPlatform(document.id)) await this.#makeRoom(document.id)
  }

  async drop({ name }: CheckedDocument): Promise<void> {
    this.#kept.delete(name)
    await this.#ports.directory?.remove(name)
  }

  /** Intermediate certificates and revocation lists of AMD. */
  amdIssuers(): AmdCollateral {
    return mergeAmdCollateral(
      ...this.all().flatMap(({ document: { id, amd } }) => (amd && id.kind !== 'amd-vcek' ? [amd] : [])),
    )
  }

  /** All proven documents that are valid now. */
  bundle(): Uint8Array {
    const now = this.#ports.now()
    const documents = this.all().filter(({ document, isProven }) => isProven && isValidAt(document, now))
    return writeBundle(documents.map(bundled).sort(byName))
  }

  /** These documents, and the intermediate certificates that AMD's among them may need. */
  bundleOf(documents: readonly CheckedDocument[]): CollateralBundle {
    const products = new Set(documents.flatMap(({ id }) => ('product' in id ? [id.product] : [])))
    const issuers = this.all().filter(
      ({ document: { id } }) => id.kind === 'amd-cert-chain' && products.has(id.product),
    )
    const named = new Map(
      [...issuers.map(({ document }) => document), ...documents].map((one) => [one.name, one]),
    )
    const now = this.#ports.now()
    return bundleOf(
      [...named.values()]
        .map((document) => bundled({ document, fetchedAt: this.peek(document.name)?.fetchedAt ?? now }))
        .sort(byName),
    )
  }

  async #save({ document: { name, answer, id }, fetchedAt }: Kept): Promise<void> {
    const { directory, platformDocuments, counters, notice } = this.#ports
    counters.stored += 1
    try {
      await directory?.write({ name, fetchedAt, ...answer })
      if (isPerPlatform(id)) directory?.trim(id.kind, platformDocuments)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      notice({ kind: 'cache-unwritable', document: name, message })
    }
  }

  async #makeRoom({ kind }: DocumentId): Promise<void> {
    const { platformDocuments, counters, notice } = this.#ports
    const same = this.all().filter(({ document: { id } }) => id.kind === kind)
    if (same.length <= platformDocuments) return
    const victim = same.find(({ isProven }) => !isProven) ?? same[0]
    if (!victim) return
    counters.evictions += 1
    const message = 'there are too many platforms; it was used least recently'
    notice({ kind: 'dropped', document: victim.document.name, message })
    await this.drop(victim.document)
  }
}

const bundled = ({
  document: { name, answer },
  fetchedAt,
}: Pick<Kept, 'document' | 'fetchedAt'>): BundledDocument => ({
  name,
  fetchedAt,
  ...answer,
})

const byName = (a: BundledDocument, b: BundledDocument): number => (a.name < b.name ? -1 : 1)

/** What {@link isPerPlatform} says, for the names of files (cache-directory.ts). */
const PLATFORM_KINDS = ['intel-tcb-info', 'intel-pck-certificate', 'amd-vcek'] as const
