import type { FieldDifference, FieldValue, ManifestDifference } from '@taw/protocol'
import type { Manifest } from '../model.ts'
import { configFields, type Fields, fieldsOf } from './fields.ts'

/** Names in one {@link ManifestChanges}, and characters of each: 200 KB at the most. Whoever wants all of it has both manifests. */
const mostNames = 200
const nameLength = 200

/**
 * What two manifests do not have in common, in the manifest's order of members and the order of names. Only what has
 * a meaning counts: not the form of the document, nor the order of lists whose order means nothing.
 *
 * @param before undefined: there was none, so every entry is new, and the configuration is nobody's change
 */
export function manifestDifferences(
  before: Manifest | undefined,
  after: Manifest,
): readonly ManifestDifference[] {
  const differences: ManifestDifference[] = []
  const earlier = before === undefined ? {} : fieldsOf(before)
  for (const [member, next] of Object.entries(fieldsOf(after))) {
    const former = earlier[member] ?? new Map<string, Fields>()
    for (const name of [...new Set([...former.keys(), ...next.keys()])].sort()) {
      const difference = entryDifference(former.get(name), next.get(name))
      if (difference !== undefined) differences.push({ member, name, ...difference })
    }
  }
  const fields = before === undefined ? [] : fieldDifferences(configFields(before), configFields(after))
  if (fields.length > 0) differences.push({ member: 'Config', change: 'changed', fields })
  return differences
}

/** Names of a manifest's entries that are new, gone, or no longer the same. */
export interface ManifestChanges {
  /** As in the manifest: `Packages`, `Marbles`, … Names are null for `Config`, which has no entries. */
  readonly entries: readonly {
    readonly member: string
    readonly name: string | null
    readonly change: 'added' | 'removed' | 'changed'
  }[]
  /** How many more there are: a record is bounded. */
  readonly omitted: number
}

/** The same by name alone and bounded, for the audit log, which never forgets. */
export function changedNames(before: Manifest | undefined, after: Manifest): ManifestChanges {
  const differences = manifestDifferences(before, after)
  const entries = differences
    .slice(0, mostNames)
    .map(({ member, name, change }) => ({ member, name: name?.slice(0, nameLength) ?? null, change }))
  return { entries, omitted: differences.length - entries.length }
}

function entryDifference(
  before: Fields | undefined,
  after: Fields | undefined,
): Pick<ManifestDifference, 'change' | 'fields'> | undefined {
  if (before === undefined) return { change: 'added', fields: fieldDifferences({}, given(after)) }
  if (after === undefined) return { change: 'removed', fields: fieldDifferences(given(before), {}) }
  const fields = fieldDifferences(before, after)
  return fields.length === 0 ? undefined : { change: 'changed', fields }
}

/** Fields that are not the same, in the order of the manifest's words. */
export function fieldDifferences(before: Fields, after: Fields): readonly FieldDifference[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names]
    .filter((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]))
    .map((field) => ({ field, ...side('before', before[field]), ...side('after', after[field]) }))
}

const side = (name: 'before' | 'after', value: FieldValue | undefined): Partial<FieldDifference> =>
  value === undefined ? {} : { [name]: value }

/** Without what is as if it were not there: of an entry that is new or gone, defaults tell nothing. */
const given = (fields: Fields = {}): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && !isDefault(value)))

const isDefault = (value: FieldValue): boolean =>
  value === false || value === 0 || (Array.isArray(value) && value.length === 0)
