import { Refusal } from '../refusal.ts'
import type { DecodedManifest } from './decode.ts'
import type { Manifest, PackagePolicy } from './model.ts'
import type { Problem } from './report.ts'
import type { ManifestSource, PackageSource } from './schema.ts'

/**
 * The versions that a package update sets, by package.
 *
 * @param minimum the minimum that a package has now
 * @throws {@link Refusal} `update_invalid`
 */
export function raisedVersions(
  { Packages: packages = new Map<string, PackageSource>() }: Pick<ManifestSource, 'Packages'>,
  manifest: Manifest,
  minimum: (name: string) => number | undefined,
): ReadonlyMap<string, number> {
  if (packages.size === 0) throw invalid('it names no package')
  return new Map(
    [...packages].map(([name, entry]) => {
      const current = manifest.packages.get(name)
      if (current === undefined) throw invalid(`the manifest has no package "${name}"`)
      return [name, raisedVersion(name, current, entry, minimum(name) ?? 0)]
    }),
  )
}

function raisedVersion(name: string, current: PackagePolicy, entry: PackageSource, minimum: number): number {
  // An empty identifier means none, as everywhere in a manifest.
  const fixed = ['UniqueID', 'SignerID', 'ProductID', 'TDX', 'SNP', 'Nitro', 'AzureVTPM'].filter(
    (field) => (entry[field] ?? '') !== '',
  )
  if (fixed.length > 0 || entry['Debug'] === true) {
    const field = fixed[0] ?? 'Debug'
    throw invalid(`package "${name}" gives ${field}, which only a full update can change`)
  }
  const given = entry['SecurityVersion']
  if (typeof given !== 'bigint') throw invalid(`package "${name}" gives no SecurityVersion`)
  const { sgx, tdx, snp, nitro, azureVtpm } = current
  if (sgx === undefined && (tdx ?? snp ?? nitro ?? azureVtpm) !== undefined) {
    throw invalid(
      `package "${name}" accepts no SGX enclaves, and SecurityVersion is about those; ` +
        'what it says about other kinds of TEE changes by a full update',
    )
  }
  const version = Number(given)
  if (version < minimum) {
    throw invalid(
      `package "${name}" would go from SecurityVersion ${minimum} down to ${version}; it can only be raised`,
    )
  }
  return version
}

/**
 * Warnings about what an update of packages says without effect, unknown members among it. Such updates are taken
 * (golden/rest/package-update-rules.json), but nobody should believe that they changed more than a version.
 */
export function ineffectiveMembers({ source, report }: DecodedManifest): readonly Problem[] {
  const message =
    'has no effect in an update of packages, which raises "SecurityVersion" alone: send a full update'
  for (const [name, entry] of source.Packages ?? []) {
    for (const member of ['AcceptedTCBStatuses', 'AcceptedAdvisories'])
      if (entry[member] !== undefined) report.warn(['Packages', name, member], message)
  }
  if (source.Config !== undefined) report.warn(['Config'], message)
  return report.problems()
}

const invalid = (reason: string): Refusal =>
  new Refusal('update_invalid', `the package update is refused: ${reason}; nothing was changed`)

/** The manifest as it is in force when these minimum versions are. */
export function withVersions(manifest: Manifest, versions: ReadonlyMap<string, number>): Manifest {
  if (versions.size === 0) return manifest
  const packages = [...manifest.packages].map(
    ([name, policy]) => [name, withVersion(policy, versions.get(name))] as const,
  )
  return { ...manifest, packages: new Map(packages) }
}

/**
 * A package as it is in force when a package update has raised its version; undefined: none has. One that accepts no
 * SGX enclaves goes on so: a version alone would accept everybody's.
 */
export const withVersion = (policy: PackagePolicy, securityVersion: number | undefined): PackagePolicy =>
  securityVersion === undefined || policy.sgx === undefined
    ? policy
    : { ...policy, sgx: { ...policy.sgx, securityVersion } }
