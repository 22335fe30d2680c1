import type { PolicyReading } from '@taw/attestation'
import { manifestLimits } from '../limits.ts'
import type { Path } from '../path.ts'
import type { ManifestSource } from '../schema.ts'
import type { Report } from '../report.ts'

/** What every topic gets: the manifest as written, and where to report what is wrong with it. */
export interface TopicContext {
  readonly source: ManifestSource
  readonly report: Report
}

type Countable = keyof typeof manifestLimits &
  ('packages' | 'infrastructures' | 'marbles' | 'secrets' | 'users' | 'roles' | 'recoveryKeys' | 'tlsTags')

/** The entries of a top-level map; none, with a report, when there are more than the limit. */
export function entriesOf<T>(
  member: string,
  entries: ReadonlyMap<string, T> | undefined,
  limit: Countable,
  report: Report,
): ReadonlyMap<string, T> {
  const count = entries?.size ?? 0
  if (entries === undefined || count <= manifestLimits[limit]) return entries ?? new Map<string, T>()
  report.undecodable([member], `has ${count} entries, but may have at most ${manifestLimits[limit]}`)
  return new Map<string, T>()
}

export function mapEntries<A, B>(
  map: ReadonlyMap<string, A>,
  convert: (entry: A, name: string) => B,
): ReadonlyMap<string, B> {
  const converted = new Map<string, B>()
  for (const [name, entry] of map) converted.set(name, convert(entry, name))
  return converted
}

/** The name among `known` that is meant, without regard to case. */
export function matchName<T extends string>(name: string, known: readonly T[]): T | undefined {
  const folded = name.toLowerCase()
  return known.find((candidate) => candidate.toLowerCase() === folded)
}

export function listNames(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ')
}

/**
 * Passes on what the library found in a policy.
 * @param harmless why what is wrong with the policy doesn't matter (yet); undefined when it does
 */
export function tellFindings(
  { problems, warnings }: Pick<PolicyReading<unknown>, 'problems' | 'warnings'>,
  at: Path,
  report: Report,
  harmless?: string,
): void {
  for (const { path, message } of problems) {
    if (harmless === undefined) report.error([...at, ...path], message)
    else report.warn([...at, ...path], `${message} (${harmless})`)
  }
  for (const { path, message } of warnings) report.warn([...at, ...path], message)
}
