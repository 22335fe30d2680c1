import { randomBytes, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { link, open, unlink } from 'node:fs/promises'
import path from 'node:path'

import { MarbleError, reasonOf, systemCodeOf } from '../errors.ts'
import { parseUuid } from './uuid.ts'

/** The longest form, `urn:uuid:` and 36 characters, and one more to see that there is no more. */
const readLimit = 46

/**
 * The marble's UUID: read from the file if that exists, else made (version 4) and stored with mode 0600.
 *
 * A new UUID is on disk before this returns. The marble's private secrets are derived from it, so one that got lost
 * after the first activation would lose everything that was encrypted with them.
 *
 * @returns the canonical lower-case form
 * @throws {@link MarbleError} `uuid_unusable`
 */
export async function loadOrCreateUuid(file: string): Promise<string> {
  const stored = await readUuid(file)
  if (stored !== undefined) return stored
  const created = randomUUID()
  if (await storeOnce(file, created)) return created
  const byOther = await readUuid(file)
  if (byOther !== undefined) return byOther
  throw new MarbleError(
    'uuid_unusable',
    `reading the UUID file "${file}": it was there, and is gone again; try again`,
  )
}

/** undefined when the file doesn't exist. */
async function readUuid(file: string): Promise<string | undefined> {
  let text: string
  try {
    const handle = await open(file, 'r')
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(readLimit), 0, readLimit, 0)
      text = buffer.toString('latin1', 0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined
    throw new MarbleError('uuid_unusable', `reading the UUID file "${file}": ${reasonOf(error)}`, {
      cause: error,
    })
  }
  const uuid = parseUuid(text)
  if (uuid !== undefined) return uuid
  throw new MarbleError(
    'uuid_unusable',
    `reading the UUID file "${file}": it holds ${describe(text)}, and should hold one UUID of 36 characters ` +
      'without a final newline; correct it, or remove it to start as a new marble with new private secrets',
  )
}

function describe(text: string): string {
  if (text === '') return 'nothing'
  if (parseUuid(text.trim()) !== undefined) return 'a UUID with white space around it'
  if (/^[0{}-]+$/.test(text)) return 'the nil UUID, which no marble may have'
  return `no UUID (${text.length < readLimit ? text.length : 'too many'} characters)`
}

/** Systems without hard links (Gramine, some network file systems) answer link with one of these. */
const noHardLinks = new Set(['ENOSYS', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'])

/**
 * Stores the UUID unless the file exists by now.
 *
 * A hard link puts the whole file in place or fails, so that of two marbles which start at once both use the UUID of
 * the first, and nobody sees half a file.
 *
 * @returns false when another process was faster
 */
async function storeOnce(file: string, uuid: string): Promise<boolean> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await writeDurably(temporary, uuid)
    try {
      await link(temporary, file)
    } catch (error) {
      if (!noHardLinks.has(systemCodeOf(error) ?? '')) throw error
      await writeDurably(file, uuid)
    } finally {
      await unlink(temporary)
    }
    await syncFolder(path.dirname(file))
    return true
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false
    throw new MarbleError(
      'uuid_unusable',
      `making the UUID file "${file}": ${reasonOf(error)}; its folder must exist and be writable ` +
        '(EDG_MARBLE_UUID_FILE names the file)',
      { cause: error },
    )
  }
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.chmod(0o600)
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes the new directory entry durable; where folders can't be opened or synced (Gramine), the file's sync must do. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch {
    return
  }
}
