import { missingPermissions, type User } from '../access/index.ts'
import type { ManifestSource } from '../manifest/index.ts'
import { raisedVersions } from '../manifest/package-update.ts'
import { renewIntermediate } from '../pki/authority.ts'
import { Refusal } from '../refusal.ts'
import type { State, StateChange } from '../state/state.ts'
import { remadeCertificates } from './apply-update.ts'
import { userActor, userFields } from './callers.ts'
import { requireSameBasis, type StateWithManifest } from './overtaken.ts'
import type { Ports } from './ports.ts'

/** What raising versions changes, all generated and ready to be committed. */
export interface PreparedPackageUpdate {
  readonly versions: ReadonlyMap<string, number>
  readonly changes: readonly StateChange[]
}

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
  const { versions, changes } = await preparePackageUpdate(state, user, source, ports)
  await ports.ledger.transact((newest) => {
    requireSameBasis(newest, state)
    return {
      changes,
      audit: {
        action: 'packages-updated',
        actor: userActor(user),
        packages: [...versions].map(([name, securityVersion]) => ({ name, securityVersion })),
      },
      result: undefined,
    }
  })
  ports.log.info({ packages: [...versions.keys()], ...userFields(user) }, 'packages updated')
}

/**
 * Checks and works out an update of packages without putting it in force.
 *
 * @throws {@link Refusal} `permission_denied`, `update_invalid`
 */
export async function preparePackageUpdate(
  state: StateWithManifest,
  user: User,
  source: ManifestSource,
  ports: Ports,
): Promise<PreparedPackageUpdate> {
  requirePermission(user, source.Packages?.keys() ?? [])
  const versions = raisedVersions(source, state.manifest.manifest, (name) => minimumVersion(state, name))
  const authority = await renewIntermediate(state.authority, ports.names, ports.now())
  const remade = await remadeCertificates(state, authority, ports)
  const raised = [...versions].map(([name, securityVersion]): StateChange => ({
    kind: 'package-version',
    name,
    securityVersion,
  }))
  return { versions, changes: [...raised, { kind: 'authority', authority }, ...remade] }
}

export function requireNonePending(state: State): void {
  if (state.pendingUpdate === undefined) return
  throw new Refusal(
    'update_pending',
    'updating: a manifest update waits for acknowledgements already; acknowledge or cancel it first',
  )
}

function requirePermission(user: User, packages: Iterable<string>): void {
  const missing = missingPermissions(user, 'UpdateSecurityVersion', packages)
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
