import { missingPermissions, type User } from '../access/index.ts'
import type { ManifestSource, PackageSource } from '../manifest/index.ts'
import { renewIntermediate } from '../pki/authority.ts'
import { Refusal } from '../refusal.ts'
import type { State, StateChange } from '../state/state.ts'
import { remadeCertificates } from './apply-update.ts'
import { userActor } from './callers.ts'
import { requireSameBasis, type StateWithManifest } from './overtaken.ts'
import type { Ports } from './ports.ts'

/**
 * Raises the minimum `SecurityVersion` of packages, so that older builds are no longer admitted. The manifest as
 * uploaded stays as it was; the intermediate and all generated shared certificates are new.
 *
 * @throws {@link Refusal} `permission_denied`, `update_invalid`, `update_pending`, `storage_unavailable`;
 * {@link Overtaken} when the state changed meanwhile
 */
export async function updatePackages(
  state: StateWithManifest,
  user: User,
  source: ManifestSource,
  ports: Ports,
): Promise<void> {
  requireNonePending(state)
  const packages = source.Packages ?? new Map<string, PackageSource>()
  if (packages.size === 0) throw invalid('it names no package')
  requirePermission(user, packages)
  const versions = new Map([...packages].map(([name, entry]) => [name, raisedVersion(state, name, entry)]))

  const authority = await renewIntermediate(state.authority, ports.names, ports.now())
  const remade = await remadeCertificates(state, authority, ports)
  const raised = [...versions].map(([name, securityVersion]): StateChange => ({
    kind: 'package-version',
    name,
    securityVersion,
  }))
  await ports.ledger.transact((newest) => {
    requireSameBasis(newest, state)
    return {
      changes: [...raised, { kind: 'authority', authority }, ...remade],
      audit: {
        action: 'packages-updated',
        actor: userActor(user),
        packages: [...versions].map(([name, securityVersion]) => ({ name, securityVersion })),
      },
      result: undefined,
    }
  })
  ports.log.info({ packages: [...versions.keys()], user: user.name }, 'packages updated')
}

export function requireNonePending(state: State): void {
  if (state.pendingUpdate === undefined) return
  throw new Refusal(
    'update_pending',
    'updating: a manifest update waits for acknowledgements already; acknowledge or cancel it first',
  )
}

function requirePermission(user: User, packages: ReadonlyMap<string, PackageSource>): void {
  const missing = missingPermissions(user, 'UpdateSecurityVersion', packages.keys())
  if (missing.length === 0) return
  throw new Refusal(
    'permission_denied',
    `updating packages: user "${user.name}" lacks UpdateSecurityVersion on ` +
      `${missing.map((name) => `"${name}"`).join(', ')}; a role of the user must grant it`,
  )
}

/** The minimum that a package has now: what the last update set, else the manifest. */
export function minimumVersion(state: StateWithManifest, name: string): number | undefined {
  return state.packageVersions.get(name) ?? state.manifest.manifest.packages.get(name)?.sgx?.securityVersion
}

function raisedVersion(state: StateWithManifest, name: string, entry: PackageSource): number {
  const current = state.manifest.manifest.packages.get(name)
  if (current === undefined) throw invalid(`the manifest has no package "${name}"`)
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
  const { sgx, ...others } = current
  if (sgx === undefined && Object.values(others).some((policy) => policy !== undefined)) {
    throw invalid(
      `package "${name}" accepts no SGX enclaves, and SecurityVersion is about those; ` +
        'what it says about other kinds of TEE changes by a full update',
    )
  }
  const version = Number(given)
  const minimum = minimumVersion(state, name) ?? 0
  if (version < minimum) {
    throw invalid(
      `package "${name}" would go from SecurityVersion ${minimum} down to ${version}; it can only be raised`,
    )
  }
  return version
}

const invalid = (reason: string): Refusal =>
  new Refusal('update_invalid', `the package update is refused: ${reason}; nothing was changed`)
