import { createHash } from 'node:crypto'
import { checkManifest } from './check.ts'
import { decodeLeniently } from './decode.ts'
import type { PreparedManifest } from './prepared.ts'
import { prepareMarbles } from './topics/templates.ts'

export { decodeManifest, isPackageUpdate } from './decode.ts'
export type { PreparedManifest, PreparedMarble } from './prepared.ts'
export { ManifestInvalid, type Problem } from './report.ts'
export type { ManifestSource, PackageSource } from './schema.ts'

export interface ManifestPorts {
  /** The time from which generated certificates would be valid. */
  readonly now: () => Date
}

/**
 * Reads, checks and prepares a manifest that a user sends. The warnings of the result are for that user.
 * @param raw the bytes as uploaded; kept, not copied
 * @throws {@link ManifestInvalid} with all that is wrong, each with path, line and column
 */
export function parseManifest(raw: Uint8Array, { now }: ManifestPorts): PreparedManifest {
  return prepare(raw, now())
}

/**
 * Prepares a manifest that was accepted before, from the state. What depended on the time of acceptance, and the
 * rendering with stand-ins, is left out.
 * @throws {@link ManifestInvalid} when this version of the Coordinator can't take it
 */
export function loadManifest(raw: Uint8Array): PreparedManifest {
  return prepare(raw, undefined)
}

function prepare(raw: Uint8Array, now: Date | undefined): PreparedManifest {
  const decoded = decodeLeniently(raw)
  const { report } = decoded
  const manifest = checkManifest(decoded, now)
  const marbles = prepareMarbles(manifest, report, now !== undefined)
  report.throwIfErrors()
  return {
    raw,
    fingerprint: createHash('sha256').update(raw).digest('hex'),
    manifest,
    marbles,
    warnings: report.problems(),
  }
}
