import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { callFileSystem } from './files.ts'
import { framed, sha256, uint64 } from './framing.ts'

/*
 * In WAL mode SQLite changes `ledger.db` itself only at a checkpoint, and checkpoints happen only when the store asks
 * for one (`store.ts`). In between, the anchor names the digest of the whole file. So a byte that was altered there is
 * found even where SQLite keeps nothing, and before SQLite reads any of it. Bytes of the write-ahead log have SQLite's
 * own checksums, and what a damaged log loses is found by the anchor's entry.
 */

/** Bytes that are hashed at once; a checkpoint costs the hashing of those that it touched. */
const chunkLength = 256 * 1024

/** sqlite.org/fileformat.html, "The Write-Ahead Log": 32 bytes at the start, 24 before each page. */
const logHeaderLength = 32
const frameHeaderLength = 24

/** Digest of a file that changes in few places. */
export class BaseDigest {
  readonly #descriptor: number
  /** Undefined: to be hashed. */
  readonly #chunks: (Buffer | undefined)[] = []
  #length = 0

  constructor(file: string) {
    this.#descriptor = callFileSystem(`opening "${file}"`, () => openSync(file, 'r'))
  }

  /** Bytes of the file. */
  get length(): number {
    return fstatSync(this.#descriptor).size
  }

  /** These bytes of the file may have changed. */
  touch(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / chunkLength)
    for (let index = Math.floor(offset / chunkLength); index <= last; index++) this.#chunks[index] = undefined
  }

  /** SHA-256 over the length and the SHA-256 of each chunk. Hashes what changed since the last time. */
  digest(): Buffer {
    const { length } = this
    // The last chunk has another length now.
    if (length !== this.#length) this.touch(Math.min(length, this.#length), 1)
    this.#length = length
    const count = Math.ceil(length / chunkLength)
    this.#chunks.length = count
    const parts: Buffer[] = []
    for (let index = 0; index < count; index++) parts.push((this.#chunks[index] ??= this.#hashChunk(index)))
    return sha256(framed('taw ledger.db v1', uint64(length), ...parts))
  }

  /** Hashes some of what is to be hashed. @returns false when all is done */
  hashSome(): boolean {
    const count = Math.ceil(this.length / chunkLength)
    for (let index = 0; index < count; index++) {
      if (this.#chunks[index] !== undefined) continue
      this.#chunks[index] = this.#hashChunk(index)
      return true
    }
    return false
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #hashChunk(index: number): Buffer {
    const chunk = Buffer.allocUnsafe(chunkLength)
    const start = index * chunkLength
    let filled = 0
    while (filled < chunkLength) {
      const read = callFileSystem('hashing ledger.db', () =>
        readSync(this.#descriptor, chunk, filled, chunkLength - filled, start + filled),
      )
      if (read === 0) break
      filled += read
    }
    return sha256(chunk.subarray(0, filled))
  }
}

/** A part of `ledger.db` that its write-ahead log would change. */
export interface LoggedPage {
  readonly offset: number
  readonly length: number
}

/** All pages that a write-ahead log names, those of frames that no longer count included. */
export function loggedPages(log: string): LoggedPage[] {
  if (!existsSync(log)) return []
  const descriptor = openSync(log, 'r')
  try {
    const { size } = fstatSync(descriptor)
    const header = Buffer.alloc(logHeaderLength)
    if (readSync(descriptor, header, 0, logHeaderLength, 0) < logHeaderLength) return []
    const length = header.readUInt32BE(8)
    const pages = new Set<number>()
    const number = Buffer.alloc(4)
    for (let at = logHeaderLength; at + frameHeaderLength <= size; at += frameHeaderLength + length) {
      readSync(descriptor, number, 0, 4, at)
      pages.add(number.readUInt32BE(0))
    }
    pages.delete(0)
    return [...pages].map((page) => ({ offset: (page - 1) * length, length }))
  } finally {
    closeSync(descriptor)
  }
}
