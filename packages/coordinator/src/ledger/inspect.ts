import path from 'node:path'
import { StorageDamaged, StorageUnavailable } from './backend.ts'
import { SqliteBackend } from './backends/sqlite.ts'
import { chainStart, type ChainPoint, verifyChain } from './entry.ts'
import { sameBytes } from './framing.ts'
import { parsePublicPart } from './public-part.ts'
import { readFrame } from './replay.ts'

/** Entries read at once. */
const pageSize = 1000

/** A public record of a ledger that no key was used on. */
export interface InspectedRecord {
  readonly sequence: number
  readonly epoch: number
  readonly time: Date
  /** As it stands in the file: {@link import('../state/audit.ts').AuditRecord} when this build's version wrote it. */
  readonly audit: unknown
  /** SHA-256 that chains all entries up to this one; lower-case hex. */
  readonly hash: string
}

export interface Inspection {
  /** Lower-case hex. */
  readonly ledgerId: string
  readonly epoch: number
  /** Number of entries. */
  readonly entries: number
  /** Hash of the newest entry, lower-case hex. Equal to one noted elsewhere: nothing before it was altered. */
  readonly headHash: string
  /** What breaks the chain; undefined: it is whole. */
  readonly problem: string | undefined
}

/**
 * Reads the public records of a seal directory and verifies their chain, without any key and without changing a byte.
 *
 * A chain that is whole shows that the records fit each other. It does not show who wrote them: for that, compare
 * `headHash` (or the hash of any entry) with one that was noted before, or let the Coordinator itself verify the MACs.
 *
 * @param visit gets each record, in order, up to the first that doesn't follow from the one before
 * @throws Error when the directory holds no ledger that can be read, or a Coordinator uses it; with the reason
 */
export function inspectLedger(directory: string, visit: (record: InspectedRecord) => void): Inspection {
  const backend = openForReading(directory)
  try {
    const { head } = readFrame(backend)
    let point: ChainPoint = chainStart(head.ledgerId)
    let problem: string | undefined
    try {
      while (point.sequence < head.sequence) {
        const page = backend.entries(point.sequence, pageSize)
        if (page.length === 0) throw new StorageDamaged(`entry ${point.sequence + 1} is missing`)
        for (const entry of page) {
          point = verifyChain(point, entry)
          const { time, audit } = parsePublicPart(entry)
          visit({ sequence: entry.sequence, epoch: entry.epoch, time, audit, hash: hex(entry.hash) })
        }
      }
      if (point.sequence !== head.sequence || !sameBytes(point.hash, head.hash)) {
        throw new StorageDamaged(`the chain ends with another entry than the ledger says (${head.sequence})`)
      }
    } catch (error) {
      if (!(error instanceof StorageDamaged)) throw error
      problem = error.message
    }
    const { epoch, sequence } = head
    return { ledgerId: hex(head.ledgerId), epoch, entries: sequence, headHash: hex(head.hash), problem }
  } finally {
    void backend.close()
  }
}

function openForReading(directory: string): SqliteBackend {
  const file = path.join(directory, 'ledger.db')
  try {
    const backend = new SqliteBackend(file, 'read')
    return backend
  } catch (error) {
    if (!(error instanceof StorageDamaged) && !(error instanceof StorageUnavailable)) throw error
    throw new Error(
      `reading the ledger in "${directory}": ${error.message}; ` +
        'while a Coordinator runs, inspect a copy of the directory',
      { cause: error },
    )
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
