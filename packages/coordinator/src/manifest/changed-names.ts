import { isDeepStrictEqual } from 'node:util'
import type { ManifestChanges } from '../state/audit.ts'
import type { Manifest } from './model.ts'

/** Names in one record, and characters of each: 200 KB at the most. Whoever wants all of it has both manifests. */
const mostNames = 200
const nameLength = 200

/** The members of a manifest whose entries have names, as manifests call them. */
const members = {
  Packages: 'packages',
  Infrastructures: 'infrastructures',
  Marbles: 'marbles',
  Secrets: 'secrets',
  Users: 'users',
  Roles: 'roles',
  RecoveryKeys: 'recoveryKeys',
  TLS: 'tls',
} as const satisfies Record<string, keyof Manifest>

type Change = ManifestChanges['entries'][number]

/**
 * What is different between two manifests, by name.
 *
 * @param before undefined: there was none, so everything is new
 */
export function changedNames(before: Manifest | undefined, after: Manifest): ManifestChanges {
  const changes: Change[] = []
  for (const [member, key] of Object.entries(members)) {
    changes.push(...entryChanges(member, before?.[key] ?? new Map<string, unknown>(), after[key]))
  }
  if (before !== undefined && !isDeepStrictEqual(before.config, after.config)) {
    changes.push({ member: 'Config', name: null, change: 'changed' })
  }
  const entries = changes
    .slice(0, mostNames)
    .map((change) => ({ ...change, name: change.name?.slice(0, nameLength) ?? null }))
  return { entries, omitted: changes.length - entries.length }
}

function entryChanges(
  member: string,
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
): Change[] {
  const changes: Change[] = []
  for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    if (!before.has(name)) changes.push({ member, name, change: 'added' })
    else if (!after.has(name)) changes.push({ member, name, change: 'removed' })
    else if (!isDeepStrictEqual(before.get(name), after.get(name))) {
      changes.push({ member, name, change: 'changed' })
    }
  }
  return changes
}
