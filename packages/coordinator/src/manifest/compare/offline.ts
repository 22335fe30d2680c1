import type { ManifestDifference, ManifestWarning, Statement } from '@taw/protocol'
import { Refusal } from '../../refusal.ts'
import { decodeManifest, isPackageUpdate, parseManifest, type Problem } from '../index.ts'
import { ineffectiveMembers, raisedVersions, withVersions } from '../package-update.ts'
import { manifestCautions } from './cautions.ts'
import { manifestDifferences } from './differences.ts'

/** Two manifests, compared without a Coordinator: for `taw manifest diff`, with the code that a dry run uses. */

export interface ManifestComparison {
  /** What the second document is: a whole manifest, or an update of packages to the first. */
  readonly kind: 'packages' | 'manifest'
  readonly differences: readonly ManifestDifference[]
  readonly warnings: readonly Statement[]
  /** What is odd about the second manifest though it would be taken. */
  readonly manifestWarnings: readonly ManifestWarning[]
}

/** A manifest in a file. */
export interface ManifestFile {
  readonly name: string
  /** JSON, as it would be uploaded. */
  readonly raw: Uint8Array
}

/** The manifest can't be compared; the message names the file, and says all that is wrong. */
export class IncomparableManifest extends Error {
  override readonly name = 'IncomparableManifest'
}

/**
 * @param before a whole manifest
 * @param after another, or one with nothing but raised versions of packages of the first
 * @param now the time from which generated certificates would be valid
 * @throws {@link IncomparableManifest}
 */
export function compareManifests(before: ManifestFile, after: ManifestFile, now: Date): ManifestComparison {
  const parse = ({ raw }: ManifestFile) => parseManifest(raw, { now: () => now })
  const { manifest: former } = reading(before, parse)
  const decoded = reading(after, ({ raw }) => decodeManifest(raw))
  const { source } = decoded
  const isPackages = isPackageUpdate(source)
  const next = isPackages
    ? reading(after, () => ({
        manifest: withVersions(
          former,
          raisedVersions(source, former, (name) => former.packages.get(name)?.sgx?.securityVersion),
        ),
        warnings: ineffectiveMembers(decoded),
      }))
    : reading(after, parse)
  return {
    kind: isPackages ? 'packages' : 'manifest',
    differences: manifestDifferences(former, next.manifest),
    warnings: manifestCautions(former, next.manifest),
    manifestWarnings: next.warnings.map(manifestWarning),
  }
}

export const manifestWarning = ({ path, line, column, message }: Problem): ManifestWarning => ({
  path,
  line,
  column,
  message,
})

function reading<T>(file: ManifestFile, read: (file: ManifestFile) => T): T {
  try {
    return read(file)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw new IncomparableManifest(`Comparing ${JSON.stringify(file.name)}: ${error.message}`, {
      cause: error,
    })
  }
}
