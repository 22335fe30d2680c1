import { readPackagePolicy } from '@taw/attestation'
import type { PackagePolicy } from '../model.ts'
import { entriesOf, mapEntries, tellFindings, type TopicContext } from './topic.ts'

/** Decodes `Packages`. Those that no marble uses admit nobody, so their mistakes are only warned about. */
export function packagesOf({ source, report }: TopicContext): ReadonlyMap<string, PackagePolicy> {
  // A marble without "Package" is one of the package whose name is empty.
  const used = new Set([...(source.Marbles?.values() ?? [])].map((marble) => marble.Package ?? ''))
  const entries = entriesOf('Packages', source.Packages, 'packages', report)
  if (entries.size === 0) report.error(['Packages'], 'the manifest needs at least one package, but has none')
  return mapEntries(entries, (entry, name) => {
    const reading = readPackagePolicy(entry)
    const idle = used.has(name) ? undefined : 'no marble uses this package yet'
    tellFindings(reading, ['Packages', name], report, idle)
    return reading.policy
  })
}
