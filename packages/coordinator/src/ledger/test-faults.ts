import type { LedgerBackend } from './backend.ts'
import { StorageUnavailable } from './backend.ts'
import { type InPlaceFile, type LedgerFiles, nodeFiles } from './files.ts'
import { type RollbackAnchor, RollbackAnchorUnavailable } from './rollback-anchor.ts'

/** Where a {@link FaultyStorage} fails. */
export interface Fault {
  /** Which effect, from 1. */
  readonly at: number
  /**
   * `crash`: the process is dead before this effect, and nothing it does from then on has any. `fail-once`: this
   * effect doesn't happen. `fail`: nor does any after it, until {@link FaultyStorage.heal}.
   */
  readonly kind: 'crash' | 'fail-once' | 'fail'
}

/** What a dead process throws, so that it gets no further. */
export class Crash extends Error {
  override readonly name = 'Crash'
}

/** Files and backends that count all that they do to the disk, and fail at one of these effects. */
export class FaultyStorage {
  /** Effects so far. */
  count = 0
  /** Names of the effects, for messages. */
  readonly effects: string[] = []
  /** Effects that failed. */
  failures = 0
  #fault: Fault | undefined
  readonly #onCrash: () => void
  #isDead = false

  constructor(fault: Fault | undefined, onCrash: () => void = () => undefined) {
    this.#fault = fault
    this.#onCrash = onCrash
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** The trouble is over. */
  heal(): void {
    this.#fault = undefined
  }

  readonly files: LedgerFiles = {
    exists: nodeFiles.exists,
    list: nodeFiles.list,
    read: nodeFiles.read,
    makeFolder: (folder) => {
      this.#effect('make folder', () => {
        nodeFiles.makeFolder(folder)
      })
    },
    writeNew: (file, contents) => {
      this.#effect('write', () => {
        nodeFiles.writeNew(file, contents)
      })
    },
    rename: (from, to) => {
      this.#effect('rename', () => {
        nodeFiles.rename(from, to)
      })
    },
    remove: (path) => {
      this.#effect('remove', () => {
        nodeFiles.remove(path)
      })
    },
    syncFolder: (folder) => {
      this.#effect('sync', () => {
        nodeFiles.syncFolder(folder)
      })
    },
    openInPlace: (file) => this.#inPlace(nodeFiles.openInPlace(file)),
  }

  /** For {@link import('./open.ts').LedgerOptions.wrapBackend}. */
  readonly wrapBackend = (backend: LedgerBackend): LedgerBackend => ({
    get format() {
      return backend.format
    },
    head: () => backend.head(),
    snapshot: () => backend.snapshot(),
    entries: (after, limit) => backend.entries(after, limit),
    append: (expected, batch) => this.#later('append', () => backend.append(expected, batch)),
    dropSealedParts: (upTo, limit) => this.#later('drop', () => backend.dropSealedParts(upTo, limit)),
    settle: (log) => this.#later('settle', () => backend.settle(log)),
    // A dead process can't tidy up, but this one goes on to test others.
    close: () => backend.close(),
  })

  /** An anchor each of whose advances is an effect. */
  wrapAnchor(anchor: RollbackAnchor): RollbackAnchor {
    const effect = async <T>(act: () => Promise<T>): Promise<T> => {
      try {
        return await this.#later('advance', act)
      } catch (error) {
        if (!(error instanceof StorageUnavailable)) throw error
        throw new RollbackAnchorUnavailable(error.message)
      }
    }
    return {
      name: anchor.name,
      read: () => anchor.read(),
      begin: () => effect(() => anchor.begin()),
      advanceTo: (value) => effect(() => anchor.advanceTo(value)),
    }
  }

  #inPlace(file: InPlaceFile): InPlaceFile {
    return {
      write: (contents, offset) => {
        this.#effect('write in place', () => {
          file.write(contents, offset)
        })
      },
      flush: () => this.#later('flush', () => file.flush()),
      close: () => {
        file.close()
      },
    }
  }

  #effect(name: string, act: () => void): void {
    this.#begin(name)
    act()
  }

  async #later<T>(name: string, act: () => Promise<T>): Promise<T> {
    this.#begin(name)
    return await act()
  }

  #begin(name: string): void {
    if (this.#isDead) throw new Crash(name)
    this.count++
    this.effects.push(name)
    if (this.#fault === undefined || this.count < this.#fault.at) return
    const { at, kind } = this.#fault
    if (kind === 'fail' || (kind === 'fail-once' && this.count === at)) {
      this.failures++
      throw new StorageUnavailable(`${name}: no space left on device`)
    }
    if (kind !== 'crash' || this.count !== at) return
    this.#isDead = true
    this.#onCrash()
    throw new Crash(name)
  }
}
