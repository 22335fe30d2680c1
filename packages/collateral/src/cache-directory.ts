import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { readCollateralBundle } from '@taw/attestation'
import type { BundledDocument } from '@taw/attestation'
import { writeBundle } from './bundle.ts'

const SUFFIX = '.json'
const TEMPORARY = '.tmp'
/** Hex of a revocation list of 4 MB, in base64. */
const MAX_FILE_BYTES = 12 * 1024 * 1024
/** Names up to so long are legible in the directory; others are hashed. */
const MAX_LEGIBLE = 100

/**
 * Documents on disk: a bundle with one document for each. Nothing in it is secret, and nothing in it is believed: whoever
 * reads a document verifies it. Files rather than a database, because each document stands for itself: a damaged one costs
 * one fetch, a person can look at them and copy them, and several processes can share the directory.
 */
export class CacheDirectory {
  readonly #directory: string

  /** @throws when the directory can't be made or read */
  constructor(directory: string) {
    this.#directory = directory
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    for (const file of readdirSync(directory)) {
      // What a process that was killed left behind.
      if (file.endsWith(TEMPORARY) && this.#isOld(file)) rmSync(path.join(directory, file), { force: true })
    }
  }

  /** How many documents there are of which the name starts so. */
  count(prefix: string): number {
    return readdirSync(this.#directory).filter((file) => file.startsWith(prefix) && file.endsWith(SUFFIX))
      .length
  }

  /** Removes those that were not written for longest, until there are only so many whose name starts so. */
  trim(prefix: string, limit: number): number {
    const files = readdirSync(this.#directory).filter(
      (file) => file.startsWith(prefix) && file.endsWith(SUFFIX),
    )
    if (files.length <= limit) return 0
    const byAge = files
      .map((file) => ({
        file,
        time: statSync(path.join(this.#directory, file), { throwIfNoEntry: false })?.mtimeMs ?? 0,
      }))
      .sort((a, b) => a.time - b.time)
    const surplus = byAge.slice(0, files.length - limit)
    for (const { file } of surplus) rmSync(path.join(this.#directory, file), { force: true })
    return surplus.length
  }

  /**
   * @returns undefined when there is no such document
   * @throws when the file can't be read, or is damaged
   */
  async read(name: string): Promise<BundledDocument | undefined> {
    const file = this.#fileOf(name)
    const size = await sizeOf(file)
    if (size === undefined) return undefined
    if (size > MAX_FILE_BYTES) throw new Error(`${file} has ${size} bytes, which no document has`)
    const [document, ...others] = readCollateralBundle(await readFile(file), file)
    if (document?.name === name && others.length === 0) return document
    throw new Error(`${file} is of another document than its name says`)
  }

  /** The file is there as a whole or not at all, also after a loss of power. */
  async write(document: BundledDocument): Promise<void> {
    const file = this.#fileOf(document.name)
    const temporary = `${file}.${randomUUID()}${TEMPORARY}`
    try {
      const handle = await open(temporary, 'wx', 0o600)
      try {
        await handle.writeFile(writeBundle([document]))
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, file)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }

  async remove(name: string): Promise<void> {
    await rm(this.#fileOf(name), { force: true })
  }

  #isOld(file: string): boolean {
    const time = statSync(path.join(this.#directory, file), { throwIfNoEntry: false })?.mtimeMs ?? 0
    return Date.now() - time > 60_000
  }

  /** Names have letters, digits, dashes and slashes alone (NAME in @taw/attestation), so no file lies elsewhere. */
  #fileOf(name: string): string {
    const flat = name.replaceAll('/', '_')
    const [kind = ''] = name.split('/')
    const stem =
      flat.length <= MAX_LEGIBLE ? flat : `${kind}_${createHash('sha256').update(name).digest('hex')}`
    return path.join(this.#directory, `${stem}${SUFFIX}`)
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
