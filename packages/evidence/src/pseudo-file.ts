import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/**
 * Reads a file that the kernel or the library OS makes up while it is read: its size isn't known before.
 *
 * @param limit most bytes to take
 * @throws RangeError when there is more than that; else what the system says
 */
export async function readPseudoFile(file: string, limit: number): Promise<Uint8Array> {
  const handle = await open(file, constants.O_RDONLY)
  try {
    const buffer = Buffer.alloc(limit + 1)
    let length = 0
    while (length <= limit) {
      // Position null: from where the last read ended; these files need not know positions.
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null)
      if (bytesRead === 0) return Uint8Array.from(buffer.subarray(0, length))
      length += bytesRead
    }
    throw new RangeError(`"${file}" holds more than ${limit} bytes`)
  } finally {
    await handle.close()
  }
}

/** Hands all bytes over in one write to a file that must exist: these files act on each write. */
export async function writePseudoFile(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, constants.O_WRONLY)
  try {
    const { bytesWritten } = await handle.write(bytes)
    if (bytesWritten !== bytes.length) {
      throw new RangeError(`"${file}" took ${bytesWritten} of ${bytes.length} bytes`)
    }
  } finally {
    await handle.close()
  }
}
