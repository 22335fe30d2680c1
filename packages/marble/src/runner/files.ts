import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, mkdir, open, rename, unlink } from 'node:fs/promises'
import path from 'node:path'

import { MarbleError, reasonOf, systemCodeOf } from '../errors.ts'
import { GRAMINE_ROOT, writePseudoFile } from '@taw/evidence'
import type { SecretBytes } from '../secret-bytes.ts'

export interface FilePlaces {
  /** Where relative paths begin. */
  readonly workingFolder: string
  /** Gramine's pseudo-folder; replaced in tests. */
  readonly gramineFolder?: string
}

/**
 * Writes the manifest's files: missing folders with mode 0700, files with mode 0600 even where one was there before.
 *
 * Gramine's keys come first: other files may lie on a mount that is encrypted with them.
 *
 * @throws {@link MarbleError} `grant_inapplicable`
 */
export async function writeFiles(files: ReadonlyMap<string, SecretBytes>, places: FilePlaces): Promise<void> {
  const folder = places.gramineFolder ?? GRAMINE_ROOT
  const targets = [...files].map(([given, contents]) => {
    const target = path.resolve(places.workingFolder, given)
    return { given, target, contents, isKey: isGramineKey(target, folder) }
  })
  const inOrder = [...targets.filter(({ isKey }) => isKey), ...targets.filter(({ isKey }) => !isKey)]
  for (const { given, target, contents, isKey } of inOrder) {
    try {
      if (given === '' || given.endsWith('/')) throw new Error('the path names no file')
      await (isKey ? writeGramineKey(target, contents.reveal()) : writeFile(target, contents.reveal()))
    } catch (error) {
      throw new MarbleError(
        'grant_inapplicable',
        `writing the file "${given}" of the manifest: ${reasonOf(error)}`,
        {
          cause: error,
        },
      )
    }
  }
}

function isGramineKey(target: string, folder: string): boolean {
  return (
    target.startsWith(path.join(folder, 'keys', path.sep)) ||
    target === path.join(folder, 'protected_files_key')
  )
}

/** The pseudo-file takes the key in one write. It is never made: outside of Gramine the key would protect nothing. */
async function writeGramineKey(target: string, key: Uint8Array): Promise<void> {
  try {
    await writePseudoFile(target, key)
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error
    throw new Error(
      'Gramine has no such key: either this is not Gramine, or no mount of its manifest names the key (fs.mounts, key_name)',
      { cause: error },
    )
  }
}

async function writeFile(target: string, contents: Uint8Array): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
  if (await isReplaceable(target)) {
    try {
      await replaceFile(target, contents)
      return
    } catch (error) {
      // A file that is itself a mount point (EBUSY, EXDEV), or that is writable in a folder that is not.
      if (!['EBUSY', 'EXDEV', 'EACCES', 'EPERM', 'EROFS'].includes(systemCodeOf(error) ?? '')) throw error
    }
  }
  await overwriteFile(target, contents)
}

/** Only plain files and new names: links stay links, and pipes and devices get the bytes. */
async function isReplaceable(target: string): Promise<boolean> {
  try {
    return (await lstat(target)).isFile()
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return true
    throw error
  }
}

/** In one step: readers see the old file or the new one, and nobody who had the old one open sees the secret. */
async function replaceFile(target: string, contents: Uint8Array): Promise<void> {
  const temporary = path.join(path.dirname(target), `.taw-${randomBytes(6).toString('hex')}.tmp`)
  const handle = await open(temporary, 'wx', 0o600)
  try {
    try {
      // Whatever the umask is.
      await handle.chmod(0o600)
      await handle.writeFile(contents)
    } finally {
      await handle.close()
    }
    await rename(temporary, target)
  } catch (error) {
    await unlink(temporary)
    throw error
  }
}

async function overwriteFile(target: string, contents: Uint8Array): Promise<void> {
  const handle = await open(target, constants.O_WRONLY | constants.O_CREAT, 0o600)
  try {
    if ((await handle.stat()).isFile()) {
      // The mode first: at no time do others read the new contents.
      await handle.chmod(0o600)
      await handle.truncate()
    }
    await handle.writeFile(contents)
  } finally {
    await handle.close()
  }
}
