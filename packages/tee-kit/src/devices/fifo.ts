import { spawnSync } from 'node:child_process'
import { closeSync, constants, mkdirSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'

// Named pipes stand in for files that the kernel makes up: whoever reads one waits until there is an answer.

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

/** How many pipes one run of `mkfifo` makes. */
const BATCH = 16

/** Pipes in store, because Node can't make any itself. They move to their places by rename, so the store lies beside. */
export class FifoStore {
  readonly #folder: string
  readonly #spare: string[] = []
  #made = 0

  /** @param folder of its own, on the same file system as the places */
  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** Puts a new pipe at a place, instead of what is there. */
  place(file: string): void {
    const spare = this.#spare.pop() ?? this.#makeBatch()
    renameSync(spare, file)
  }

  /** A file for a moment, to be moved to its place. */
  get temporaryFile(): string {
    return path.join(this.#folder, 'temporary')
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #makeBatch(): string {
    const files = Array.from({ length: BATCH }, (_, index) =>
      path.join(this.#folder, `${this.#made + index}`),
    )
    this.#made += BATCH
    const { status, stderr, error } = spawnSync('mkfifo', ['-m', '600', ...files], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`making named pipes: ${error?.message ?? stderr}; this needs mkfifo`)
    const [first = '', ...others] = files
    this.#spare.push(...others)
    return first
  }
}

/** Bytes that one read may take; as much as a pipe holds. */
const PIPE_CAPACITY = 64 * 1024

/** A pipe that others write to. Writers never wait: it is always open for reading. */
export class FifoInput {
  readonly #descriptor: number

  constructor(store: FifoStore, file: string) {
    store.place(file)
    this.#descriptor = openSync(file, constants.O_RDWR | constants.O_NONBLOCK)
  }

  /** All that was written since the last call; empty when nothing was. */
  drain(): Buffer {
    const buffer = Buffer.alloc(PIPE_CAPACITY)
    try {
      return buffer.subarray(0, readSync(this.#descriptor, buffer))
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') return Buffer.alloc(0)
      throw error
    }
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

/** Linux' O_PATH, which Node has no name for: a handle on the pipe itself, that is no reader of it (open(2)). */
const O_PATH = 0o10000000

/** A pipe that others read from: they wait in `open` until {@link serve} answers. */
export class FifoOutput {
  readonly #store: FifoStore
  readonly #file: string
  /** So that who waits can be answered when the place is gone, too. */
  #handle: number

  constructor(store: FifoStore, file: string) {
    this.#store = store
    this.#file = file
    store.place(file)
    this.#handle = openSync(file, O_PATH)
  }

  /**
   * Answers whoever waits, if anybody does. Who comes later finds a new pipe, so no answer runs into another.
   *
   * @param answer at most 64 KiB, what a pipe holds
   */
  serve(answer: () => Uint8Array): void {
    const descriptor = this.#openForReader()
    if (descriptor === undefined) return
    try {
      this.#replace()
      const bytes = answer()
      if (bytes.length > PIPE_CAPACITY) throw new RangeError(`a pipe can't hold ${bytes.length} bytes`)
      writeSync(descriptor, bytes)
    } catch (error) {
      // Who read has gone already.
      if (codeOf(error) !== 'EPIPE') throw error
    } finally {
      closeSync(descriptor)
    }
  }

  /** Lets whoever waits go, with nothing. */
  close(): void {
    const descriptor = this.#openForReader()
    if (descriptor !== undefined) closeSync(descriptor)
    closeSync(this.#handle)
  }

  #openForReader(): number | undefined {
    try {
      return openSync(`/proc/self/fd/${this.#handle}`, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch (error) {
      if (codeOf(error) === 'ENXIO') return undefined
      throw error
    }
  }

  #replace(): void {
    try {
      this.#store.place(this.#file)
    } catch (error) {
      // The folder was removed meanwhile: nobody comes any more.
      if (codeOf(error) === 'ENOENT') return
      throw error
    }
    closeSync(this.#handle)
    this.#handle = openSync(this.#file, O_PATH)
  }
}
