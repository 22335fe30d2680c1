import { ByteReader, ByteWriter } from '../state/codec-bytes.ts'
import { StorageDamaged, type StoredHead } from './backend.ts'
import type { ChainPoint } from './entry.ts'
import type { Epoch } from './epoch.ts'
import { sameBytes } from './framing.ts'
import { anchorCount, sectorLength } from './key-file.ts'

/*
 * An anchor binds the sealed key to the state next to it: it names the newest entry that the key has seen.
 *
 * A commit first makes its entries durable, then writes its anchor in place, and only then is anyone answered. So an
 * anchor that is ahead of the ledger means that the ledger was put back or cut, even when what is left looks whole to
 * SQLite (a write-ahead log with a damaged end does). The write needs no `fsync`: it survives the process, and after a
 * power failure an older anchor is good enough. It is flushed soon after, and the head of the ledger then says so
 * (`confirmed`). So an anchor older than that means that the key was put back. What stays possible is to put back
 * both, the whole directory: only hardware that counts can tell.
 *
 * Two anchors are written in turn, each in a sector of its own, so that one is whole whatever happens.
 */

const label = 'taw sealed_key anchor MAC v1'
const hashLength = 32
const noBase = Buffer.alloc(hashLength)

export interface Anchor {
  /** One more with each anchor that is written. */
  readonly counter: number
  /** The newest entry. */
  readonly point: ChainPoint
  /** What the head of the ledger says of the sealed key ({@link StoredHead.confirmed}), or said before. */
  readonly confirmed: number
  /** Digest of `ledger.db` ({@link import('./base-digest.ts').BaseDigest}); undefined: it may change. */
  readonly base: Uint8Array | undefined
}

/** One sector: counter, sequence (8 bytes each), hash (32), confirmed (8), digest or zeros (32), MAC (32), zeros. */
export function encodeAnchor(epoch: Epoch, { counter, point, confirmed, base }: Anchor): Buffer {
  const writer = new ByteWriter().count(counter).count(point.sequence).raw(point.hash)
  const fields = writer
    .count(confirmed)
    .raw(base ?? noBase)
    .take()
  const used = Buffer.concat([fields, epoch.mac(label, fields)])
  return Buffer.concat([used, Buffer.alloc(sectorLength - used.length)])
}

/** @returns undefined when the sector holds no anchor that this Coordinator wrote */
function decodeAnchor(epoch: Epoch, sector: Uint8Array): Anchor | undefined {
  const fields = sector.subarray(0, 3 * 8 + 2 * hashLength)
  const mac = sector.subarray(fields.length, fields.length + hashLength)
  if (!epoch.hasMac(mac, label, fields)) return undefined
  if (sector.subarray(fields.length + mac.length).some((octet) => octet !== 0)) return undefined
  const reader = new ByteReader(fields)
  const counter = reader.count()
  const point = { sequence: reader.count(), hash: reader.raw(hashLength) }
  const confirmed = reader.count()
  const base = reader.raw(hashLength)
  return { counter, point, confirmed, base: sameBytes(base, noBase) ? undefined : base }
}

export interface Anchors {
  readonly newest: Anchor
  /** Which one is to be written next: the one that is not the newest. */
  readonly nextIndex: number
  readonly allWhole: boolean
}

/**
 * @param sectors all anchors of the key file
 * @throws {@link StorageDamaged} when none is whole
 */
export function readAnchors(epoch: Epoch, sectors: Uint8Array): Anchors {
  const anchors = Array.from({ length: anchorCount }, (_, index) =>
    decodeAnchor(epoch, sectors.subarray(index * sectorLength, (index + 1) * sectorLength)),
  )
  const newest = anchors.reduce((best, anchor) =>
    anchor !== undefined && (best === undefined || anchor.counter > best.counter) ? anchor : best,
  )
  if (newest === undefined)
    throw new StorageDamaged('sealed_key was altered: none of its anchors authenticates')
  return {
    newest,
    nextIndex: (anchors.indexOf(newest) + 1) % anchorCount,
    allWhole: anchors.every((anchor) => anchor !== undefined),
  }
}

/**
 * Checks that sealed key and ledger are of the same time.
 *
 * @param hashAt the hash of the entry with that number
 * @throws {@link StorageDamaged}
 */
export function checkAnchors(
  { newest, allWhole }: Anchors,
  head: StoredHead,
  hashAt: (sequence: number) => Uint8Array | undefined,
): void {
  const { sequence, hash } = newest.point
  if (sequence > head.sequence) {
    throw new StorageDamaged(
      `sealed_key has seen entry ${sequence}, but the ledger ends at entry ${head.sequence}: ` +
        'the ledger was cut, or is older than the sealed key',
    )
  }
  if (sequence < head.confirmed) {
    throw new StorageDamaged(
      `sealed_key has seen entry ${sequence}, but the ledger knows that it had seen entry ${head.confirmed}: ` +
        'the sealed key is older than the ledger',
    )
  }
  if (head.confirmed < newest.confirmed) {
    throw new StorageDamaged('the ledger was cut: it lacks the last thing that sealed_key has seen in it')
  }
  const found = hashAt(sequence)
  if (found === undefined || !sameBytes(found, hash)) {
    throw new StorageDamaged(`sealed_key has seen another entry ${sequence} than the ledger holds`)
  }
  // A torn write can only be that of a commit that got no further.
  if (!allWhole && sequence === head.sequence) {
    throw new StorageDamaged('sealed_key was altered: one of its anchors does not authenticate')
  }
}
