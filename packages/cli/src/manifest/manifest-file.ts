import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { CliError } from '../errors.ts'
import { readInput } from '../output/files.ts'

/** The bytes that are uploaded and hashed: the file itself if it is JSON, else its YAML converted to compact JSON. */
export async function readManifest(file: string): Promise<Uint8Array> {
  const bytes = readInput(file, 'the manifest')
  if (isJson(bytes)) return bytes
  const source = `the file ${JSON.stringify(file)}`
  // The original refuses it; replaced characters would make another manifest than the user's, without a word.
  if (!isUtf8(bytes)) {
    throw new CliError(`The manifest in ${source} is neither JSON nor YAML that can be read: it is not UTF-8`)
  }
  // A JSON manifest, the common case, is not made to wait for the YAML library to load.
  const { yamlToJson } = await import('./yaml.ts')
  return Buffer.from(yamlToJson(bytes.toString('utf8'), source))
}

/** Whether the bytes are one JSON value. Read as Latin-1, since JSON's syntax is ASCII and text may hold any bytes. */
function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString('latin1'))
    return true
  } catch {
    return false
  }
}

/** The manifest's "signature" or fingerprint: SHA-256, 64 lower-case hex digits. */
export function fingerprint(manifest: Uint8Array): string {
  return createHash('sha256').update(manifest).digest('hex')
}
