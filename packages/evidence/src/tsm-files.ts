import { access, mkdir, rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { systemCodeOf } from './errors.ts'
import { readPseudoFile, writePseudoFile } from './pseudo-file.ts'

// Access to the kernel's requests for reports (Linux, Documentation/ABI/testing/configfs-tsm): each is a folder.

/** The kernel allows an outblob of 32 KiB, newer ones more; TDX quotes have 5 to 8 KiB, SNP's table at most 64 KiB. */
const MAX_BLOB_BYTES = 1024 * 1024

/** Replaced in tests, for what only a kernel can answer. */
export interface RequestFiles {
  /** mkdir; the kernel's attributes are there when it returns. */
  readonly make: (folder: string) => Promise<void>
  readonly write: (file: string, bytes: Uint8Array) => Promise<void>
  readonly read: (file: string) => Promise<Uint8Array>
  readonly remove: (folder: string) => Promise<void>
}

const POLL_MS = 5

/**
 * The real files. Two allowances are for stand-ins of the kernel (test kits), and do nothing on configfs itself: attributes
 * may appear a moment after their folder, and needn't vanish with it.
 *
 * @param attributeWaitMs how long a missing attribute is waited for
 */
export function requestFiles(attributeWaitMs: number): RequestFiles {
  return {
    make: async (folder) => {
      await mkdir(folder)
      const end = Date.now() + attributeWaitMs
      while (!(await isThere(path.join(folder, 'provider')))) {
        // Whoever reads it next says that it is missing.
        if (Date.now() >= end) return
        await delay(POLL_MS)
      }
    },
    write: writePseudoFile,
    read: (file) => readPseudoFile(file, MAX_BLOB_BYTES),
    remove: async (folder) => {
      try {
        await rmdir(folder)
      } catch (error) {
        if (systemCodeOf(error) !== 'ENOTEMPTY') throw error
        await rm(folder, { recursive: true })
      }
    },
  }
}

async function isThere(file: string): Promise<boolean> {
  try {
    await access(file)
    return true
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false
    throw error
  }
}
