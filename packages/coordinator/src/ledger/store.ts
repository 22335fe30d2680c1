import type { SealingProvider } from '../sealing/provider.ts'
import { encodeAnchor, readAnchors } from './anchor.ts'
import type { Batch, LedgerBackend, StoredHead } from './backend.ts'
import type { ChainPoint } from './entry.ts'
import type { Epoch } from './epoch.ts'
import type { SealDirectory } from './directory.ts'
import { makeHead } from './head.ts'
import type { InPlaceFile, LedgerFiles } from './files.ts'
import { anchorCount, parseKeyFile, sealKeyFile, sectorLength } from './key-file.ts'

/** A backend together with what lies beside it: the sealed key. */
export interface LedgerStore {
  readonly backend: LedgerBackend
  /** Nothing is kept when the process ends. */
  readonly isTemporary: boolean
  /** The newest entry that the sealed key durably knows. */
  readonly confirmed: number
  /** Tells the sealed key of a durable entry. Never throws: the entry counts all the same. */
  anchor(epoch: Epoch, point: ChainPoint): void
  /** Makes the newest anchor durable. Never throws. */
  flush(): Promise<void>
  /** Appends a batch that starts a new epoch under another key, so that a crash leaves one of both whole. */
  appendEpoch(former: Epoch, next: Epoch, expected: ChainPoint, batch: Batch): Promise<void>
  close(): Promise<void>
}

/** Where a ledger stands. */
export interface Position {
  readonly store: LedgerStore
  readonly epoch: Epoch
  /** The newest durable entry. */
  readonly point: ChainPoint
  /** What the stored head says of the sealed key ({@link StoredHead.confirmed}). */
  readonly confirmed: number
}

/** For the seal mode `Disabled`: there is no sealed key. */
export function temporaryStore(backend: LedgerBackend): LedgerStore {
  return {
    backend,
    isTemporary: true,
    confirmed: 0,
    anchor: () => undefined,
    flush: () => Promise.resolve(),
    appendEpoch: (_former, _next, expected, batch) => backend.append(expected.sequence, batch),
    close: () => backend.close(),
  }
}

export interface DirectoryStoreOptions {
  readonly backend: LedgerBackend
  readonly directory: SealDirectory
  readonly files: LedgerFiles
  readonly sealing: SealingProvider
  /** What the sealed key in the directory durably knows. */
  readonly confirmed: number
  /** Where the next anchor belongs in the sealed key that is there. */
  readonly anchorPosition: AnchorPosition
  readonly warn: (message: string) => void
}

/** A ledger and its sealed key in a seal directory. */
export class DirectoryStore implements LedgerStore {
  readonly backend: LedgerBackend
  readonly isTemporary = false
  readonly #options: DirectoryStoreOptions
  #confirmed: number
  /** Undefined while it isn't known which file bears the name: it is opened at the next anchor. */
  #key: OpenKey | undefined
  /** The newest entry that was written to the sealed key. */
  #anchored: number

  constructor(options: DirectoryStoreOptions) {
    this.#options = options
    this.backend = options.backend
    this.#confirmed = options.confirmed
    this.#anchored = options.confirmed
    const { files, directory, anchorPosition } = options
    this.#key = { file: files.openInPlace(directory.keyFile), ...anchorPosition }
  }

  get confirmed(): number {
    return this.#confirmed
  }

  anchor(epoch: Epoch, point: ChainPoint): void {
    this.#tolerating('binding the sealed key to the newest entry', () => {
      this.#key ??= this.#openKey(epoch)
      const { file, anchorsAt, nextIndex } = this.#key
      file.write(encodeAnchor(epoch, point), anchorsAt + nextIndex * sectorLength)
      this.#key.nextIndex = (nextIndex + 1) % anchorCount
      this.#anchored = point.sequence
    })
  }

  async flush(): Promise<void> {
    const key = this.#key
    const anchored = this.#anchored
    if (key === undefined || anchored === this.#confirmed) return
    try {
      await key.file.flush()
      // A key that was replaced meanwhile has its own anchors.
      if (this.#key === key) this.#confirmed = Math.max(this.#confirmed, anchored)
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
    await this.backend.append(expected.sequence, { entries: [], head: makeHead(former, expected, this.#confirmed) })
    await this.replaceKey([former, next], expected)
    await this.backend.append(expected.sequence, batch)
    const { sequence, hash } = batch.head
    this.anchor(next, { sequence, hash })
    try {
      await this.replaceKey([next], { sequence, hash })
    } catch (error) {
      // It opens the new epoch, so nothing is lost; the next start removes the former key from it.
      this.#warnOf('removing the former key from the sealed key', error)
    }
  }

  /** Seals keys anew, bound to `point`. @throws {@link StorageUnavailable}, {@link SealingError} */
  async replaceKey(epochs: readonly [Epoch, ...Epoch[]], point: ChainPoint): Promise<void> {
    const { sealing, directory } = this.#options
    const contents = await sealKeyFile(sealing, epochs, encodeAnchor(epochs[0], point))
    const former = this.#key
    this.#key = undefined
    former?.file.close()
    directory.replaceKey(contents)
    this.#anchored = point.sequence
    this.#confirmed = point.sequence
  }

  async close(): Promise<void> {
    this.#key?.file.close()
    this.#key = undefined
    await this.backend.close()
  }

  #openKey(epoch: Epoch): OpenKey {
    const { directory, files } = this.#options
    const bytes = directory.readKey()
    const { anchorsAt } = parseKeyFile(bytes)
    const { nextIndex } = readAnchors(epoch, bytes.subarray(anchorsAt))
    return { file: files.openInPlace(directory.keyFile), anchorsAt, nextIndex }
  }

  #tolerating(doing: string, action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#warnOf(doing, error)
    }
  }

  #warnOf(doing: string, error: unknown): void {
    if (!(error instanceof Error)) throw error
    this.#options.warn(`${doing}: ${error.message}`)
  }
}

/** Which of the anchors in a sealed key is written next; the first one is at byte `anchorsAt`. */
export interface AnchorPosition {
  readonly anchorsAt: number
  readonly nextIndex: number
}

interface OpenKey extends AnchorPosition {
  readonly file: InPlaceFile
  nextIndex: number
}
