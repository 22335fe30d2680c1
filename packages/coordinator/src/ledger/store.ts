import type { SealingProvider } from '../sealing/provider.ts'
import { type Anchor, type Anchors, encodeAnchor, readAnchors } from './anchor.ts'
import type { Batch, LedgerBackend, SettledLog, StoredHead } from './backend.ts'
import { BaseDigest, loggedPages } from './base-digest.ts'
import type { SealDirectory } from './directory.ts'
import type { ChainPoint } from './entry.ts'
import type { Epoch } from './epoch.ts'
import type { InPlaceFile, LedgerFiles } from './files.ts'
import { sameBytes } from './framing.ts'
import { makeHead } from './head.ts'
import type { RollbackGuard } from './rollback-anchor.ts'
import { anchorCount, parseKeyFile, sealKeyFile, sectorLength } from './key-file.ts'

/** A backend together with what lies beside it: the sealed key. */
export interface LedgerStore {
  readonly backend: LedgerBackend
  /** Nothing is kept when the process ends. */
  readonly isTemporary: boolean
  /** The newest entry that the sealed key durably knows. */
  readonly confirmed: number
  /** Keeps older copies from opening; undefined: nothing does, or nothing is kept. */
  readonly guard: RollbackGuard | undefined
  /** What each head must bear that is written outside of {@link RollbackGuard.commit}. */
  readonly anchored: bigint | undefined
  /** Tells the sealed key of a durable head. Never throws: the entry counts all the same. */
  anchor(epoch: Epoch, head: HeadPoint): void
  /** Makes the newest anchor durable. Never throws. */
  flush(): Promise<void>
  /** Appends a batch that starts a new epoch under another key, so that a crash leaves one of both whole. */
  appendEpoch(former: Epoch, next: Epoch, expected: ChainPoint, batch: Batch): Promise<void>
  /** What {@link LedgerStore.settle} needs and can be done while others write. */
  prepareSettle(): Promise<void>
  /** Puts everything in its final place; nothing else may be written meanwhile. */
  settle(epoch: Epoch, head: HeadPoint, log: SettledLog): Promise<void>
  close(): Promise<void>
}

/** The end of a ledger, and what it says of the sealed key. */
export type HeadPoint = Pick<StoredHead, 'sequence' | 'hash' | 'confirmed'>

/** Where a ledger stands. */
export interface Position {
  readonly store: LedgerStore
  readonly epoch: Epoch
  readonly head: HeadPoint
}

/** For the seal mode `Disabled`: there is no sealed key. */
export function temporaryStore(backend: LedgerBackend): LedgerStore {
  return {
    backend,
    isTemporary: true,
    confirmed: 0,
    guard: undefined,
    anchored: undefined,
    anchor: () => undefined,
    flush: () => Promise.resolve(),
    appendEpoch: (_former, _next, expected, batch) => backend.append(expected.sequence, batch),
    prepareSettle: () => Promise.resolve(),
    settle: (_epoch, _head, log) => backend.settle(log),
    close: () => backend.close(),
  }
}

export interface DirectoryStoreOptions {
  /** Opens the ledger for writing; called last, since closing it again changes `ledger.db`. */
  readonly open: () => LedgerBackend
  readonly directory: SealDirectory
  readonly files: LedgerFiles
  readonly sealing: SealingProvider
  readonly notices: Notices
  /** The epoch that the sealed key opens, for its anchors. */
  readonly epoch: Epoch
  /** What the sealed key durably knows. */
  readonly confirmed: number
  readonly guard: RollbackGuard | undefined
}

/** What the operator should know. */
export interface Notices {
  /** Something fails that is tried again, or is odd. */
  warn(message: string): void
  /** What is on the disk was altered. */
  error(message: string): void
}

/** A ledger and its sealed key in a seal directory. */
export class DirectoryStore implements LedgerStore {
  readonly backend: LedgerBackend
  readonly isTemporary = false
  readonly #options: DirectoryStoreOptions
  readonly #digest: BaseDigest
  readonly #beforeExit: () => void
  #confirmed: number
  /** The newest anchor that was written. */
  #anchor: Anchor
  /** Undefined while it isn't known which file bears the name: it is opened at the next anchor. */
  #key: OpenKey | undefined
  #epoch: Epoch
  #isClosed = false

  /** @throws {@link StorageUnavailable}, {@link StorageDamaged} when there is no sealed key of `epoch` any more */
  constructor(options: DirectoryStoreOptions) {
    this.#options = options
    this.#confirmed = options.confirmed
    this.#epoch = options.epoch
    const { key, newest } = this.#openKey()
    this.#key = key
    this.#anchor = newest
    const { digest, backend } = openAfter(key.file, options)
    this.#digest = digest
    this.backend = backend
    this.#beforeExit = () => {
      this.#leaveBaseOpen()
    }
    // A process that ends without closing the ledger may still have SQLite do a checkpoint.
    process.on('exit', this.#beforeExit)
  }

  get confirmed(): number {
    return this.#confirmed
  }

  get guard(): RollbackGuard | undefined {
    return this.#options.guard
  }

  get anchored(): bigint | undefined {
    return this.guard?.value
  }

  anchor(epoch: Epoch, { sequence, hash, confirmed }: HeadPoint): void {
    this.#epoch = epoch
    try {
      this.#writeAnchor({ point: { sequence, hash }, confirmed, base: this.#anchor.base })
    } catch (error) {
      this.#warnOf('binding the sealed key to the newest entry', error)
    }
  }

  async flush(): Promise<void> {
    const { sequence } = this.#anchor.point
    if (sequence === this.#confirmed) return
    try {
      await this.#flushAnchor()
    } catch (error) {
      this.#warnOf('making the sealed key durable', error)
    }
  }

  /**
   * First a sealed key that opens both epochs, then the ledger, then a sealed key that opens the new one alone.
   * Whichever of the first two a crash leaves, the epoch in the ledger is one that the sealed key opens.
   */
  async appendEpoch(former: Epoch, next: Epoch, expected: ChainPoint, batch: Batch): Promise<void> {
    // Writing anything makes sure that no epoch of an attempt that failed before comes back after a crash.
    const head = makeHead(former, expected, this)
    await this.backend.append(expected.sequence, { entries: [], head })
    await this.replaceKey([former, next], head)
    await this.backend.append(expected.sequence, batch)
    this.anchor(next, batch.head)
    try {
      await this.replaceKey([next], batch.head)
    } catch (error) {
      // It opens the new epoch, so nothing is lost; the next start removes the former key from it.
      this.#warnOf('removing the former key from the sealed key', error)
    }
  }

  /** Seals keys anew, bound to `head`. @throws {@link StorageUnavailable}, {@link SealingError} */
  async replaceKey(epochs: readonly [Epoch, ...Epoch[]], head: HeadPoint): Promise<void> {
    const { sealing, directory } = this.#options
    const { sequence, hash, confirmed } = head
    const anchor = { counter: 1, point: { sequence, hash }, confirmed, base: this.#anchor.base }
    const contents = await sealKeyFile(sealing, epochs, encodeAnchor(epochs[0], anchor))
    const former = this.#key
    this.#key = undefined
    former?.file.close()
    directory.replaceKey(contents)
    this.#anchor = anchor
    this.#confirmed = Math.max(this.#confirmed, sequence)
  }

  /** Hashes all of `ledger.db` once, between requests, and checks it when the sealed key names its digest. */
  async prepareSettle(): Promise<void> {
    const { base } = this.#anchor
    let isNew = false
    while (!this.#isClosed && this.#digest.hashSome()) {
      isNew = true
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    if (!isNew || this.#isClosed || base === undefined || sameBytes(this.#digest.digest(), base)) return
    this.#options.notices.error('ledger.db was altered from outside, in bytes that no record uses')
  }

  /**
   * A checkpoint. `ledger.db` changes, so the sealed key must not name its digest meanwhile; afterwards it names the
   * new one.
   */
  async settle(epoch: Epoch, head: HeadPoint, log: SettledLog): Promise<void> {
    this.#epoch = epoch
    const pages = loggedPages(`${this.#options.directory.ledgerFile}-wal`)
    if (pages.length === 0 && this.#anchor.base !== undefined) return
    await this.#nameBase(head, undefined)
    for (const { offset, length } of pages) this.#digest.touch(offset, length)
    await this.backend.settle(log)
    await this.#nameBase(head, this.#digest.digest())
  }

  async close(): Promise<void> {
    this.#isClosed = true
    process.off('exit', this.#beforeExit)
    const isBaseOpen = this.#leaveBaseOpen()
    this.#key?.file.close()
    this.#key = undefined
    this.#digest.close()
    if (isBaseOpen) await this.backend.close()
    else unclosed.add(this.backend)
  }

  /**
   * Before SQLite may do a checkpoint on its own.
   *
   * @returns false when the sealed key can't be changed, so that no checkpoint may happen
   */
  #leaveBaseOpen(): boolean {
    const { base } = this.#anchor
    if (base === undefined || loggedPages(`${this.#options.directory.ledgerFile}-wal`).length === 0)
      return true
    try {
      this.#writeAnchor({ ...this.#anchor, base: undefined })
      return true
    } catch (error) {
      this.#warnOf('preparing the end', error)
      return false
    }
  }

  async #nameBase({ sequence, hash, confirmed }: HeadPoint, base: Uint8Array | undefined): Promise<void> {
    this.#writeAnchor({ point: { sequence, hash }, confirmed, base })
    await this.#flushAnchor()
  }

  #writeAnchor(fields: Omit<Anchor, 'counter'>): void {
    this.#key ??= this.#openKey().key
    const { file, anchorsAt, nextIndex } = this.#key
    const anchor = { ...fields, counter: this.#anchor.counter + 1 }
    file.write(encodeAnchor(this.#epoch, anchor), anchorsAt + nextIndex * sectorLength)
    this.#key.nextIndex = (nextIndex + 1) % anchorCount
    this.#anchor = anchor
  }

  async #flushAnchor(): Promise<void> {
    const key = this.#key
    const { sequence } = this.#anchor.point
    if (key === undefined) return
    await key.file.flush()
    // A key that was replaced meanwhile has its own anchors.
    if (this.#key === key) this.#confirmed = Math.max(this.#confirmed, sequence)
  }

  #openKey(): { readonly key: OpenKey } & Pick<Anchors, 'newest'> {
    const { directory, files } = this.#options
    const bytes = directory.readKey()
    const { anchorsAt } = parseKeyFile(bytes)
    const { newest, nextIndex } = readAnchors(this.#epoch, bytes.subarray(anchorsAt))
    return { key: { file: files.openInPlace(directory.keyFile), anchorsAt, nextIndex }, newest }
  }

  #warnOf(doing: string, error: unknown): void {
    if (!(error instanceof Error)) throw error
    this.#options.notices.warn(`${doing}: ${error.message}`)
  }
}

/** What a store has open besides its sealed key. */
function openAfter(
  keyFile: InPlaceFile,
  { open, directory }: DirectoryStoreOptions,
): { readonly digest: BaseDigest; readonly backend: LedgerBackend } {
  let digest: BaseDigest | undefined
  try {
    digest = new BaseDigest(directory.ledgerFile)
    return { digest, backend: open() }
  } catch (error) {
    digest?.close()
    keyFile.close()
    throw error
  }
}

/** Closing these would have SQLite do a checkpoint, and so would forgetting them. `process.exit` does not. */
const unclosed = new Set<LedgerBackend>()

interface OpenKey {
  readonly file: InPlaceFile
  /** Byte offset of the first anchor. */
  readonly anchorsAt: number
  /** Which anchor is written next. */
  nextIndex: number
}
