import { JsonError } from './json-error.ts'
import { parseJson, type JsonValue } from './json.ts'
import { manifestLimits } from './limits.ts'
import { positionsOf } from './position.ts'
import { ManifestInvalid, Report } from './report.ts'
import { manifestShape, type ManifestSource } from './schema.ts'

/** A manifest as written, with what was found on the way. */
export interface DecodedManifest {
  readonly source: ManifestSource
  /** Warnings about unknown and repeated members; after {@link decodeLeniently} also errors. */
  readonly report: Report
}

/**
 * Reads a manifest without looking at what it means: for package updates, which are no whole manifests.
 * @throws {@link ManifestInvalid} when it is no JSON, or a member is not of the right kind
 */
export function decodeManifest(raw: Uint8Array): DecodedManifest {
  const decoded = decodeLeniently(raw)
  decoded.report.throwIfErrors()
  return decoded
}

/**
 * Whether a manifest sent as an update only raises versions of packages: it has nothing but `Packages`, and maybe
 * `Config`, which is then ignored. Empty members don't count.
 */
export function isPackageUpdate(source: ManifestSource): boolean {
  const { Infrastructures, Marbles, Secrets, Users, Roles, RecoveryKeys, TLS } = source
  return [Infrastructures, Marbles, Secrets, Users, Roles, RecoveryKeys, TLS].every(
    (map) => (map?.size ?? 0) === 0,
  )
}

/** As {@link decodeManifest}, but members of the wrong kind only go to the report, so that checks can add theirs. */
export function decodeLeniently(raw: Uint8Array): DecodedManifest {
  if (raw.length > manifestLimits.manifestBytes) {
    const message = `has ${raw.length} bytes, but may have at most ${manifestLimits.manifestBytes}`
    throw new ManifestInvalid([{ path: '', line: 1, column: 1, message, severity: 'error' }], 1)
  }
  const document = parse(raw)
  const report = new Report(raw, document)
  const source =
    document.kind === 'null'
      ? manifestShape.empty()
      : manifestShape.read(document, undefined, undefined, { report, raw })
  return { source, report }
}

function parse(raw: Uint8Array): JsonValue {
  try {
    return parseJson(raw, manifestLimits)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    const [position = { line: 1, column: 1 }] = positionsOf(raw, [error.offset])
    throw new ManifestInvalid([{ path: '', ...position, message: error.message, severity: 'error' }], 1)
  }
}
