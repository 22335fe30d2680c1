import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import path from 'node:path'
import { StorageUnavailable } from './backend.ts'
import { callSqlite } from './backends/sqlite-errors.ts'
import type { LedgerFiles } from './files.ts'
import { maxKeyFileLength } from './key-file.ts'

/** Names in the seal directory (docs/format.md, "The seal directory"). */
const names = {
  ledger: 'ledger.db',
  /** What SQLite may have beside it. */
  ledgerParts: ['ledger.db-wal', 'ledger.db-journal', 'ledger.db-shm'],
  key: 'sealed_key',
  newKey: 'sealed_key.new',
  formerKey: 'sealed_key.former',
  lock: 'ledger.lock',
  incoming: 'incoming',
  switch: 'switch',
  nothing: 'nothing',
  replaced: 'replaced-',
} as const

/** The start can't go on: the seal directory can't be used. The message says why, and what to do. */
export class SealDirectoryUnusable extends Error {
  override readonly name = 'SealDirectoryUnusable'
}

/**
 * Makes the seal directory where it isn't there (0700), and checks that it can be used.
 *
 * @throws {@link SealDirectoryUnusable}
 */
export function checkSealDirectory(directory: string): void {
  try {
    makeFolder(directory)
    if (!statSync(directory).isDirectory()) throw new Error('it is not a folder')
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new SealDirectoryUnusable(
      `the seal directory "${directory}" can't be used: ${reason}; it must be a folder that this process may write`,
    )
  }
}

/**
 * Makes a folder and those that it lies in. Not by Node's own `recursive`, which never ends where the system says that
 * a parent is missing though it is there, as below `/proc` (Node 24.21).
 */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || existsSync(path.dirname(folder))) throw error
    makeFolder(path.dirname(folder))
    mkdirSync(folder, { mode: 0o700 })
  }
}

/**
 * The files of one ledger, and how a set of them replaces another so that a crash at any moment leaves the old set or
 * the new one:
 *
 * 1. The new set is built in `incoming/` and made durable there. A crash leaves a folder that nobody reads.
 * 2. `incoming` is renamed to `switch`. This is the moment of the change.
 * 3. The old set moves to `switch/replaced-TIME/`, then the new one moves up, `ledger.db` last, and `replaced-TIME`
 *    after it. A crash leaves `switch/`, and the next start goes on: while `switch/ledger.db` is there, files of its
 *    name outside are old.
 *
 * `switch/nothing` stands for a new set without files (seal mode `Disabled`).
 */
export class SealDirectory {
  readonly path: string
  readonly #files: LedgerFiles
  #lock: DatabaseSync | undefined

  constructor(directory: string, files: LedgerFiles) {
    this.path = directory
    this.#files = files
  }

  get ledgerFile(): string {
    return this.#at(names.ledger)
  }

  get keyFile(): string {
    return this.#at(names.key)
  }

  get isLocked(): boolean {
    return this.#lock !== undefined
  }

  /** Whether a ledger is here, or on its way. */
  hasLedger(): boolean {
    return this.#has(names.ledger) || this.#has(names.switch)
  }

  hasKey(): boolean {
    return this.#has(names.key)
  }

  /** A rollback journal of SQLite: the ledger never has one, so somebody put it there to undo what is in the file. */
  hasForeignJournal(): boolean {
    return this.#has('ledger.db-journal')
  }

  /**
   * Keeps every other Coordinator away, also on other containers of this machine, until {@link SealDirectory.unlock}
   * or the end of the process. The lock is SQLite's, on an empty file: Node has no other that a crash frees.
   *
   * @throws {@link StorageUnavailable} when another one is here, or the file can't be made
   */
  lock(): void {
    if (this.#lock !== undefined) return
    const file = this.#at(names.lock)
    if (!this.#files.exists(file)) this.#files.writeNew(file, new Uint8Array())
    this.#lock = callSqlite(`locking the seal directory "${this.path}" for this Coordinator`, () => {
      const database = new DatabaseSync(file, { timeout: 0 })
      try {
        database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
        return database
      } catch (error) {
        database.close()
        throw error
      }
    })
  }

  unlock(): void {
    this.#lock?.close()
    this.#lock = undefined
  }

  readKey(): Uint8Array {
    return this.#files.read(this.keyFile, maxKeyFileLength)
  }

  /** Puts a new sealed key in the place of the one that is there, in one step. */
  replaceKey(contents: Uint8Array): void {
    const incoming = this.#at(names.newKey)
    this.#files.remove(incoming)
    this.#files.writeNew(incoming, contents)
    this.#files.rename(incoming, this.keyFile)
    this.#files.syncFolder(this.path)
  }

  /** Keeps a copy of the sealed key, in case that what replaces it comes to nothing. An older copy stays. */
  keepFormerKey(): void {
    if (!this.hasKey() || this.#has(names.formerKey)) return
    this.#files.writeNew(this.#at(names.formerKey), this.readKey())
    this.#files.syncFolder(this.path)
  }

  /** Puts the copy back; without one there was no sealed key. */
  restoreFormerKey(): void {
    if (this.#has(names.formerKey)) this.#files.rename(this.#at(names.formerKey), this.keyFile)
    else this.#files.remove(this.keyFile)
    this.#files.syncFolder(this.path)
  }

  dropFormerKey(): void {
    this.#removeIfThere(names.formerKey)
  }

  /** Removes what a crash left of attempts that came to nothing. */
  removeLeftovers(): void {
    for (const name of [names.formerKey, names.newKey, names.incoming]) this.#removeIfThere(name)
  }

  /**
   * Replaces all that is here.
   *
   * @param build makes the new set in the folder that it gets; undefined: the new set is empty
   * @param now names what is replaced
   */
  async replaceAll(build: ((incoming: NewSet) => Promise<void>) | undefined, now: Date): Promise<void> {
    const incoming = this.#at(names.incoming)
    this.#files.remove(incoming)
    this.#files.makeFolder(incoming)
    try {
      if (build === undefined) this.#files.writeNew(path.join(incoming, names.nothing), new Uint8Array())
      else
        await build({
          ledgerFile: path.join(incoming, names.ledger),
          keyFile: path.join(incoming, names.key),
        })
      if (this.#oldNames(true, true).length > 0) {
        this.#files.makeFolder(path.join(incoming, this.#freeReplacedName(now)))
      }
      this.#files.syncFolder(incoming)
      this.#files.rename(incoming, this.#at(names.switch))
    } catch (error) {
      this.#removeQuietly(incoming)
      throw error
    }
    try {
      this.#files.syncFolder(this.path)
      this.completeSwitch()
    } catch (error) {
      // The files of a new set are needed now. Going without any takes effect all the same; the next start goes on.
      if (build !== undefined || !(error instanceof StorageUnavailable)) throw error
    }
  }

  /** Goes on with a replacement that was under way; does nothing when none was. */
  completeSwitch(): void {
    if (!this.#has(names.switch)) return
    const folder = this.#at(names.switch)
    const inside = this.#files.list(folder)
    const aside = inside.find((name) => name.startsWith(names.replaced))
    const replacesLedger = inside.includes(names.ledger) || inside.includes(names.nothing)
    const replacesKey = inside.includes(names.key) || inside.includes(names.nothing)
    if (aside !== undefined) {
      for (const name of this.#oldNames(replacesLedger, replacesKey)) {
        this.#files.rename(this.#at(name), path.join(folder, aside, name))
      }
      this.#files.syncFolder(path.join(folder, aside))
      this.#files.syncFolder(this.path)
    }
    for (const name of [names.key, names.ledger]) {
      if (inside.includes(name)) this.#files.rename(path.join(folder, name), this.#at(name))
    }
    this.#files.remove(path.join(folder, names.nothing))
    this.#files.syncFolder(this.path)
    if (aside !== undefined) this.#files.rename(path.join(folder, aside), this.#at(aside))
    this.#files.remove(folder)
    this.#files.syncFolder(this.path)
  }

  #oldNames(ledger: boolean, key: boolean): string[] {
    const candidates = [
      ...(ledger ? [...names.ledgerParts, names.ledger] : []),
      ...(key ? [names.key, names.formerKey] : []),
    ]
    return candidates.filter((name) => this.#has(name))
  }

  /** `replaced-20261122T135335Z`, with a number where that is taken. */
  #freeReplacedName(now: Date): string {
    const name = names.replaced + now.toISOString().replace(/[-:]|\.\d+/g, '')
    const taken = new Set(this.#files.list(this.path))
    if (!taken.has(name)) return name
    for (let number = 2; ; number++) if (!taken.has(`${name}-${number}`)) return `${name}-${number}`
  }

  #removeQuietly(folder: string): void {
    try {
      this.#files.remove(folder)
    } catch (error) {
      // It is removed at the next attempt; what went wrong first is the news.
      if (!(error instanceof StorageUnavailable)) throw error
    }
  }

  #removeIfThere(name: string): void {
    if (this.#has(name)) this.#files.remove(this.#at(name))
  }

  #has(name: string): boolean {
    return this.#files.exists(this.#at(name))
  }

  #at(name: string): string {
    return path.join(this.path, name)
  }
}

/** Where a new set is built. */
export interface NewSet {
  readonly ledgerFile: string
  readonly keyFile: string
}
