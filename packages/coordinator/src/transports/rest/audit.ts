import type { ChainedEntry, ChainStretch } from '../../ledger/ledger.ts'
import { auditPage, type AuditRange } from '../../operations/read-audit-log.ts'
import { Refusal } from '../../refusal.ts'

/** The query and the answer of `GET /api/v2/audit` (docs/audit.md). */

/** @throws {@link Refusal} `request_malformed` */
export function auditRange(query: URLSearchParams): AuditRange {
  const number = (name: string, otherwise: number): number => {
    const text = query.get(name) ?? String(otherwise)
    if (/^[1-9]\d{0,15}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
    throw new Refusal(
      'request_malformed',
      `reading the audit log: "${name}" is "${text.slice(0, 40)}"; it must be a whole number from 1, in decimal`,
    )
  }
  return { from: number('from', 1), limit: number('limit', auditPage.usual) }
}

/** `next`: where the next page begins; null when this one ends with the newest entry. */
export function presentAudit({ ledgerId, head, previousHash, entries }: ChainStretch): unknown {
  const last = entries.at(-1)?.sequence
  return {
    ledger: hex(ledgerId),
    head: { sequence: head.sequence, hash: hex(head.hash) },
    previousHash: previousHash === undefined ? null : hex(previousHash),
    entries: entries.map(presentEntry),
    next: last === undefined || last >= head.sequence ? null : last + 1,
  }
}

/** `record` is the text that the hash covers; `time` and `audit` are what it says, for scripts. */
function presentEntry({ sequence, epoch, publicPart, sealedDigest, hash }: ChainedEntry): unknown {
  const record = Buffer.from(publicPart).toString('utf8')
  const said: unknown = JSON.parse(record)
  const { time, audit } = { time: null, audit: null, ...(typeof said === 'object' && said) }
  return { sequence, epoch, time, audit, record, sealedDigest: hex(sealedDigest), hash: hex(hash) }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
