import type { FieldDifference, FieldValue, ManifestDifference } from '@taw/protocol'
import type { Manifest } from '../model.ts'
import { configFields, type Fields, fieldsOf } from './fields.ts'

/**
 * What two manifests do not have in common, in the manifest's order of members and the order of names. Only what has
 * a meaning counts: not the form of the document, nor the order of lists whose order means nothing.
 */
export function manifestDifferences(before: Manifest, after: Manifest): readonly ManifestDifference[] {
  const differences: ManifestDifference[] = []
  const later = fieldsOf(after)
  for (const [member, former] of Object.entries(fieldsOf(before))) {
    const next = later[member] ?? new Map<string, Fields>()
    for (const name of [...new Set([...former.keys(), ...next.keys()])].sort()) {
      const difference = entryDifference(former.get(name), next.get(name))
      if (difference !== undefined) differences.push({ member, name, ...difference })
    }
  }
  const fields = fieldDifferences(configFields(before), configFields(after))
  if (fields.length > 0) differences.push({ member: 'Config', change: 'changed', fields })
  return differences
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
