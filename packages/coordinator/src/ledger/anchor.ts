import { ByteReader, ByteWriter } from '../state/codec-bytes.ts'
import { StorageDamaged, type StoredHead } from './backend.ts'
import type { ChainPoint } from './entry.ts'
import type { Epoch } from './epoch.ts'
import { sameBytes, uint64 } from './framing.ts'
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

/** One sector: sequence (8 bytes), hash (32), MAC (32), zeros. */
export function encodeAnchor(epoch: Epoch, { sequence, hash }: ChainPoint): Buffer {
  const used = new ByteWriter().count(sequence).raw(hash).raw(epoch.mac(label, uint64(sequence), hash)).take()
  return Buffer.concat([used, Buffer.alloc(sectorLength - used.length)])
}

/** @returns undefined when the sector holds no anchor that this Coordinator wrote */
function decodeAnchor(epoch: Epoch, sector: Uint8Array): ChainPoint | undefined {
  const reader = new ByteReader(sector)
  const sequenceBytes = reader.raw(8)
  const hash = reader.raw(hashLength)
  if (!epoch.hasMac(reader.raw(hashLength), label, sequenceBytes, hash)) return undefined
  if (reader.raw(reader.remaining).some((octet) => octet !== 0)) return undefined
  return { sequence: new ByteReader(sequenceBytes).count(), hash }
}

export interface Anchors {
  readonly newest: ChainPoint
  /** Which one is to be written next: the one that is not the newest. */
  readonly nextIndex: number
  readonly allWhole: boolean
}

/**
 * @param sectors all anchors of the key file
 * @throws {@link StorageDamaged} when none is whole
 */
export function readAnchors(epoch: Epoch, sectors: Uint8Array): Anchors {
  const points = Array.from({ length: anchorCount }, (_, index) =>
    decodeAnchor(epoch, sectors.subarray(index * sectorLength, (index + 1) * sectorLength)),
  )
  const newest = points.reduce((best, point) =>
    point !== undefined && (best === undefined || point.sequence > best.sequence) ? point : best,
  )
  if (newest === undefined) throw new StorageDamaged('sealed_key was altered: none of its anchors authenticates')
  return {
    newest,
    nextIndex: (points.indexOf(newest) + 1) % anchorCount,
    allWhole: points.every((point) => point !== undefined),
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
  const { sequence, hash } = newest
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
  const found = hashAt(sequence)
  if (found === undefined || !sameBytes(found, hash)) {
    throw new StorageDamaged(`sealed_key has seen another entry ${sequence} than the ledger holds`)
  }
  // A torn write can only be that of a commit that got no further.
  if (!allWhole && sequence === head.sequence) {
    throw new StorageDamaged('sealed_key was altered: one of its anchors does not authenticate')
  }
}
