import type { AnswerReader } from './shape.ts'

/** An entry of the audit log as the Coordinator gives it. */
export interface AuditEntry {
  readonly sequence: number
  readonly epoch: number
  /** JSON text: `v`, `time`, `audit`. The hash covers these very bytes (UTF-8). */
  readonly record: string
  readonly sealedDigest: Uint8Array
  /** SHA-256 over this entry and, by their hashes, all before it. */
  readonly hash: Uint8Array
}

export interface AuditPage {
  /** The ledger's identity. */
  readonly ledger: Uint8Array
  /** The newest entry when the Coordinator answered. */
  readonly head: { readonly sequence: number; readonly hash: Uint8Array }
  /** Hash of the entry before the first one; undefined when the page begins beyond the newest entry. */
  readonly previousHash: Uint8Array | undefined
  readonly entries: readonly AuditEntry[]
}

/** What the answer shows besides `record` is not read: it is not what the hash covers. */
export function readAuditPage(answer: AnswerReader): AuditPage {
  const head = answer.object('head')
  return {
    ledger: answer.hex('ledger'),
    head: { sequence: head.integer('sequence'), hash: head.hex('hash') },
    previousHash: answer.isNull('previousHash') ? undefined : answer.hex('previousHash'),
    entries: answer.objects('entries').map((entry) => ({
      sequence: entry.integer('sequence'),
      epoch: entry.integer('epoch'),
      record: entry.string('record'),
      sealedDigest: entry.hex('sealedDigest'),
      hash: entry.hex('hash'),
    })),
  }
}
