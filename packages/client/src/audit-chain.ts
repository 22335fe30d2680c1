import { createHash } from 'node:crypto'
import type { AuditEntry, AuditPage } from './audit.ts'
import { ClientError } from './errors.ts'

/** A place in the chain. */
export interface ChainPoint {
  readonly sequence: number
  readonly hash: Uint8Array
}

/**
 * Verifies the audit log page by page (docs/format.md, "Entries"): each entry's hash follows from what it says and
 * from the hash of the entry before it.
 *
 * That shows that the entries fit each other. That they are the Coordinator's own follows from the connection they came
 * over; that nothing was rewritten since follows from a hash that was noted at the time, see
 * {@link AuditChain.expect}.
 */
export class AuditChain {
  /** Sequence number → hash that the entry must have. */
  readonly #expected = new Map<number, Uint8Array>()
  #ledger: Uint8Array | undefined
  #point: ChainPoint | undefined

  /** The newest entry that was verified, or the one before the first page. */
  get point(): ChainPoint | undefined {
    return this.#point
  }

  /** Entries that are expected, and that no page had so far. */
  get outstanding(): readonly number[] {
    return [...this.#expected.keys()]
  }

  /** Says which hash an entry had when it was noted. Call before the page with that entry is appended. */
  expect(sequence: number, hash: Uint8Array): void {
    this.#expected.set(sequence, hash)
  }

  /**
   * Verifies the next page, which begins where the one before ended; the first may begin anywhere. A first page that
   * begins beyond the newest entry says nothing.
   *
   * @param from the sequence number that was asked for
   * @throws ClientError `audit_inauthentic`
   */
  append(page: AuditPage, from: number): void {
    const { ledger, head, entries } = page
    if (this.#ledger !== undefined && !same(this.#ledger, ledger)) {
      throw broken('the Coordinator has another ledger than it had a moment ago')
    }
    this.#ledger = ledger
    if (head.sequence < from - 1) {
      if (this.#point === undefined) return
      throw broken(`the ledger ends with entry ${head.sequence}; entry ${from - 1} was there a moment ago`)
    }
    let point = this.#startOf(page, from)
    for (const entry of entries) {
      if (entry.sequence !== point.sequence + 1) {
        throw broken(`entry ${entry.sequence} follows entry ${point.sequence}`)
      }
      if (!same(entry.hash, hashAfter(point.hash, entry))) {
        throw broken(`the hash of entry ${entry.sequence} does not follow from it and the entry before`)
      }
      this.#checkExpected(entry)
      point = entry
    }
    if (
      point.sequence > head.sequence ||
      (point.sequence === head.sequence && !same(point.hash, head.hash))
    ) {
      throw broken(`the ledger says that it ends with another entry ${head.sequence} than it has`)
    }
    this.#point = { sequence: point.sequence, hash: point.hash }
  }

  #startOf({ ledger, previousHash }: AuditPage, from: number): ChainPoint {
    const known = this.#point ?? (from === 1 ? { sequence: 0, hash: startHash(ledger) } : undefined)
    const given = { sequence: from - 1, hash: previousHash ?? new Uint8Array() }
    if (known !== undefined && (known.sequence !== given.sequence || !same(known.hash, given.hash))) {
      throw broken(`entry ${from} does not follow entry ${known.sequence} as it was given`)
    }
    this.#checkExpected(given)
    return given
  }

  #checkExpected({ sequence, hash }: ChainPoint): void {
    const expected = this.#expected.get(sequence)
    if (expected !== undefined && !same(expected, hash)) {
      throw broken(
        `entry ${sequence} has hash ${hex(hash)}, but ${hex(expected)} was known: it, or an entry before it, was rewritten`,
      )
    }
    this.#expected.delete(sequence)
  }
}

/** Hashes are public, so the time that a comparison takes tells nothing. */
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const broken = (reason: string): ClientError =>
  new ClientError('audit_inauthentic', `Verifying the audit log: ${reason}`)

/** What stands before the first entry. */
const startHash = (ledger: Uint8Array): Buffer => sha256(framed('taw ledger v1', ledger))

function hashAfter(previous: Uint8Array, { sequence, epoch, record, sealedDigest }: AuditEntry): Buffer {
  const parts = [uint64(sequence), uint64(epoch), previous, Buffer.from(record), sealedDigest]
  return sha256(framed('taw ledger entry v1', ...parts))
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

/** A label and parts, each with its length in four bytes in front, big-endian. */
const framed = (label: string, ...parts: readonly Uint8Array[]): Buffer =>
  Buffer.concat([Buffer.from(label), ...parts].flatMap((part) => [uint32(part.length), part]))

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
