import type { AuditRecord } from '../state/audit.ts'
import { StorageDamaged, type StoredEntry } from './backend.ts'
import type { LedgerEntry } from './ledger.ts'

/** Member `v` of the public part. */
const publicVersion = 1

/** UTF-8 JSON: `v`, `time` (RFC 3339, UTC, milliseconds), `audit`. */
export function writePublicPart(time: Date, audit: AuditRecord): Buffer {
  return Buffer.from(JSON.stringify({ v: publicVersion, time: time.toISOString(), audit }))
}

/** @throws {@link StorageDamaged} when the bytes, though authentic, are of another version */
export function readPublicPart(entry: Pick<StoredEntry, 'sequence' | 'publicPart'>): LedgerEntry {
  const { time, audit } = parsePublicPart(entry)
  if (!isAuditRecord(audit)) throw new StorageDamaged(`entry ${entry.sequence} has no audit record`)
  return { sequence: entry.sequence, time, audit }
}

/** The members of a public part, whatever its audit record is. @throws {@link StorageDamaged} */
export function parsePublicPart(entry: Pick<StoredEntry, 'sequence' | 'publicPart'>): {
  readonly time: Date
  readonly audit: unknown
} {
  const { sequence, publicPart } = entry
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(publicPart).toString('utf8'))
  } catch {
    throw new StorageDamaged(`the public part of entry ${sequence} is not JSON`)
  }
  if (typeof parsed !== 'object' || parsed === null || !('v' in parsed)) {
    throw new StorageDamaged(`the public part of entry ${sequence} names no version`)
  }
  if (parsed.v !== publicVersion) {
    throw new StorageDamaged(
      `the public part of entry ${sequence} has version ${JSON.stringify(parsed.v)}; ` +
        `this build reads version ${publicVersion}`,
    )
  }
  const time =
    'time' in parsed && typeof parsed.time === 'string' ? new Date(parsed.time) : new Date(Number.NaN)
  if (Number.isNaN(time.getTime()))
    throw new StorageDamaged(`the public part of entry ${sequence} has no time`)
  return { time, audit: 'audit' in parsed ? parsed.audit : undefined }
}

/** That the record has the members of its action follows from the MAC: only this program writes it. */
function isAuditRecord(value: unknown): value is AuditRecord {
  return typeof value === 'object' && value !== null && 'action' in value && typeof value.action === 'string'
}
