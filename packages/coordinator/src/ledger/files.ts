import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { StorageUnavailable } from './backend.ts'

/** Files and folders hold nothing for others (spec/quirks.md). */
const fileMode = 0o600
const folderMode = 0o700

/**
 * What the ledger does with files besides SQLite's own work. Each method that changes something is one step that a
 * crash may precede or follow; tests fail each of them in turn. They throw {@link StorageUnavailable}.
 */
export interface LedgerFiles {
  readonly exists: (path: string) => boolean
  /** Names in a folder. */
  readonly list: (folder: string) => readonly string[]
  /** @param maxLength bytes; a longer file is refused unread */
  readonly read: (file: string, maxLength: number) => Uint8Array
  makeFolder(folder: string): void
  /** Makes a file that must not exist, and its contents durable. Its name is durable after {@link syncFolder}. */
  writeNew(file: string, contents: Uint8Array): void
  rename(from: string, to: string): void
  /** A file, or a folder with all that is in it; or nothing at all. */
  remove(path: string): void
  syncFolder(folder: string): void
  /** Opens an existing file to change it in place. */
  openInPlace(file: string): InPlaceFile
}

export interface InPlaceFile {
  /** Survives the process when it returns, and a power failure only after {@link flush}. */
  write(contents: Uint8Array, offset: number): void
  flush(): Promise<void>
  close(): void
}

export const nodeFiles: LedgerFiles = {
  exists: existsSync,
  list: (folder) => callFileSystem(`listing "${folder}"`, () => readdirSync(folder)),
  read: (file, maxLength) =>
    callFileSystem(`reading "${file}"`, () => {
      const descriptor = openSync(file, 'r')
      try {
        const { size } = fstatSync(descriptor)
        if (size > maxLength) throw new Error(`it has ${size} bytes, but may have at most ${maxLength}`)
        return readFileSync(descriptor)
      } finally {
        closeSync(descriptor)
      }
    }),
  makeFolder: (folder) => {
    callFileSystem(`making the folder "${folder}"`, () => {
      mkdirSync(folder, { mode: folderMode })
    })
  },
  writeNew: (file, contents) => {
    callFileSystem(`writing "${file}"`, () => {
      const descriptor = openSync(file, 'wx', fileMode)
      try {
        writeWhole(descriptor, contents, 0)
        fsyncSync(descriptor)
      } finally {
        closeSync(descriptor)
      }
    })
  },
  rename: (from, to) => {
    callFileSystem(`renaming "${from}" to "${to}"`, () => {
      renameSync(from, to)
    })
  },
  remove: (path) => {
    callFileSystem(`removing "${path}"`, () => {
      rmSync(path, { recursive: true, force: true })
    })
  },
  syncFolder: (folder) => {
    callFileSystem(`syncing the folder "${folder}"`, () => {
      const descriptor = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)
      try {
        fsyncSync(descriptor)
      } finally {
        closeSync(descriptor)
      }
    })
  },
  openInPlace: (file) => new NodeInPlaceFile(file),
}

class NodeInPlaceFile implements InPlaceFile {
  readonly #name: string
  readonly #descriptor: number

  constructor(file: string) {
    this.#name = file
    this.#descriptor = callFileSystem(`opening "${file}"`, () => openSync(file, 'r+'))
  }

  write(contents: Uint8Array, offset: number): void {
    callFileSystem(`writing "${this.#name}"`, () => {
      writeWhole(this.#descriptor, contents, offset)
    })
  }

  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.#descriptor, (error) => {
        if (error === null) resolve()
        else reject(unavailable(`flushing "${this.#name}"`, error))
      })
    })
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

function writeWhole(descriptor: number, contents: Uint8Array, offset: number): void {
  let written = 0
  while (written < contents.length) {
    written += writeSync(descriptor, contents, written, contents.length - written, offset + written)
  }
}

/** Calls the file system. @throws {@link StorageUnavailable} */
export function callFileSystem<T>(doing: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw unavailable(doing, error)
  }
}

const unavailable = (doing: string, error: unknown): StorageUnavailable =>
  new StorageUnavailable(`${doing}: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  })
