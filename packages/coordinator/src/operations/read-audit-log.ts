import type { ChainedEntry, ChainStretch } from '../ledger/ledger.ts'
import { Refusal } from '../refusal.ts'
import type { Ports } from './ports.ts'

/**
 * Entries of one answer, and bytes of their records after which no further one is added. Reading and verifying 1,000
 * takes about 20 ms, in which nobody else is served.
 */
export const auditPage = { usual: 100, most: 1000, bytes: 1024 * 1024 } as const

/** Which entries somebody wants. */
export interface AuditRange {
  /** Sequence number of the first one; the oldest entry is 1. */
  readonly from: number
  /** At most {@link auditPage.most} are given, whatever is asked for. */
  readonly limit: number
}

/**
 * A page of the audit log, for anyone: what it says is for those who verify a deployment, and holds no secret value.
 *
 * @throws {@link Refusal} `state_mismatch` before a manifest is set, and in state 1; `storage_unavailable`
 */
export function readAuditLog({ ledger }: Pick<Ports, 'ledger'>, { from, limit }: AuditRange): ChainStretch {
  const stretch = ledger.chain(from - 1, Math.min(limit, auditPage.most))
  if (stretch !== undefined) return { ...stretch, entries: bounded(stretch.entries) }
  throw new Refusal(
    'state_mismatch',
    ledger.recoveryReason === undefined
      ? 'reading the audit log: there is none yet, since no manifest is set'
      : 'reading the audit log: the sealed state could not be opened; recover it first, or read the copy in the seal ' +
          'directory with "taw ledger inspect"',
  )
}

/** At least one. */
function bounded(entries: readonly ChainedEntry[]): readonly ChainedEntry[] {
  let bytes = 0
  const end = entries.findIndex(({ publicPart }) => {
    bytes += publicPart.length
    return bytes > auditPage.bytes
  })
  return end === -1 ? entries : entries.slice(0, Math.max(1, end))
}
