import { readInfrastructurePolicy } from '@taw/attestation'
import type { InfrastructurePolicy } from '../model.ts'
import { entriesOf, mapEntries, tellFindings, type TopicContext } from './topic.ts'

/** Decodes `Infrastructures`. */
export function infrastructuresOf({
  source,
  report,
}: TopicContext): ReadonlyMap<string, InfrastructurePolicy> {
  const entries = entriesOf('Infrastructures', source.Infrastructures, 'infrastructures', report)
  return mapEntries(entries, (entry, name) => {
    const reading = readInfrastructurePolicy(entry)
    tellFindings(reading, ['Infrastructures', name], report)
    return reading.policy
  })
}
