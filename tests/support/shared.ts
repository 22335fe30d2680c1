import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** The folder of recordings that lies beside the project; a user's clone has none. */
const sharedRoot = path.resolve(import.meta.dirname, '../../../shared')

/** Absolute path of a file or folder below the shared recordings, for example `golden/templates`. */
export const sharedPath = (relative: string): string => path.join(sharedRoot, relative)

/** Pass as `skip` to a test that needs the recordings: false where they are, else the reason that is shown. */
export const skipWithoutShared: false | string = existsSync(sharedRoot)
  ? false
  : 'the recordings in ../shared are not here (they are not part of a clone)'

/** Reads a recorded JSON file. The caller names the shape that the folder's README documents. */
export function readShared(relative: string): unknown {
  return JSON.parse(readFileSync(sharedPath(relative), 'utf8'))
}
