import { setImmediate } from 'node:timers/promises'
import type { Ledger } from '../ledger/ledger.ts'
import type { AuditRecord } from '../state/audit.ts'

/** Successful activations of one marble type, from the audit log. */
export interface ActivationHistory {
  readonly total: number
  /** Since the certificates in force were made. */
  readonly sinceLastUpdate: number
  /** The same, each UUID once. */
  readonly marblesSinceLastUpdate: number
}

/** Entries read from the ledger at once; others are served in between. */
const pageSize = 1000

/** Marble type → its activations; types that never activated are not in it. */
export async function readActivationHistory({
  ledger,
}: {
  readonly ledger: Ledger
}): Promise<ReadonlyMap<string, ActivationHistory>> {
  const totals = new Map<string, number>()
  const since = new Map<string, { count: number; readonly uuids: Set<string> }>()
  let read = 0
  for (;;) {
    const entries = ledger.entries(read, pageSize)
    for (const { audit, sequence } of entries) {
      read = sequence
      if (remakesCertificates(audit)) since.clear()
      if (audit.action !== 'marble-activated') continue
      const { type, uuid } = audit.actor
      totals.set(type, (totals.get(type) ?? 0) + 1)
      const recent = since.get(type) ?? { count: 0, uuids: new Set<string>() }
      since.set(type, recent)
      recent.count++
      recent.uuids.add(uuid)
    }
    if (entries.length < pageSize) break
    await setImmediate()
  }
  return new Map(
    [...totals].map(([type, total]) => {
      const recent = since.get(type)
      const history = {
        total,
        sinceLastUpdate: recent?.count ?? 0,
        marblesSinceLastUpdate: recent?.uuids.size ?? 0,
      }
      return [type, history]
    }),
  )
}

const remakesCertificates = (audit: AuditRecord): boolean =>
  audit.action === 'manifest-set' ||
  audit.action === 'packages-updated' ||
  ((audit.action === 'update-initiated' || audit.action === 'update-acknowledged') &&
    audit.outcome === 'applied')
