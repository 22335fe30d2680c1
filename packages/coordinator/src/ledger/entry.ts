import { decrypt, decryptFailure, encrypt } from '../sealing/aead.ts'
import type { AuditRecord } from '../state/audit.ts'
import { type StoredEntry, StorageDamaged } from './backend.ts'
import type { Epoch } from './epoch.ts'
import { framed, sameBytes, sha256, uint64 } from './framing.ts'
import { writePublicPart } from './public-part.ts'

/** A place in the chain: an entry's number and hash. */
export interface ChainPoint {
  readonly sequence: number
  readonly hash: Uint8Array
}

/** The start of the chain, before its first entry. */
export const chainStart = (ledgerId: Uint8Array): ChainPoint => ({
  sequence: 0,
  hash: sha256(framed('taw ledger v1', ledgerId)),
})

/** What an entry says before it is stored. */
export interface NewEntry {
  readonly time: Date
  readonly audit: AuditRecord
  /** Encoded changes; empty: none. Wiped once sealed. */
  readonly changes: Uint8Array
}

/** Makes the entry that follows `previous`. */
export function sealEntry(
  epoch: Epoch,
  previous: ChainPoint,
  { time, audit, changes }: NewEntry,
): StoredEntry {
  const sequence = previous.sequence + 1
  const publicPart = writePublicPart(time, audit)
  const place = { sequence, epoch: epoch.number, publicPart }
  const sealedPart =
    changes.length === 0
      ? changes
      : encrypt(epoch.sealedPartKey, changes, associatedData(epoch.ledgerId, previous, place))
  changes.fill(0)
  const sealedDigest = sha256(sealedPart)
  const hash = chainHash(previous, { ...place, sealedDigest })
  return { ...place, sealedPart, sealedDigest, hash, mac: entryMac(epoch, hash) }
}

/**
 * Opens the sealed part of an entry that was verified.
 *
 * @throws {@link StorageDamaged} when it isn't there, or was not sealed in this place of this ledger
 */
export function openSealedPart(epoch: Epoch, previous: ChainPoint, entry: StoredEntry): Uint8Array {
  const { sequence, sealedPart } = entry
  if (sealedPart === undefined) {
    throw new StorageDamaged(`entry ${sequence} has no sealed part, though no snapshot covers it`)
  }
  if (sealedPart.length === 0) return sealedPart
  const opened = decrypt(epoch.sealedPartKey, sealedPart, associatedData(epoch.ledgerId, previous, entry))
  if (opened === undefined) {
    throw new StorageDamaged(`the sealed part of entry ${sequence} ${decryptFailure(sealedPart)}`)
  }
  return opened
}

/**
 * Checks that the entry follows `previous` in the chain; needs no key.
 *
 * @throws {@link StorageDamaged}
 */
export function verifyChain(previous: ChainPoint, entry: StoredEntry): ChainPoint {
  const { sequence, sealedPart } = entry
  if (sequence !== previous.sequence + 1) {
    throw new StorageDamaged(`entry ${previous.sequence + 1} is missing; entry ${sequence} follows instead`)
  }
  if (sealedPart !== undefined && !sameBytes(sha256(sealedPart), entry.sealedDigest)) {
    throw new StorageDamaged(
      `the sealed part of entry ${sequence} does not have the digest that the entry names`,
    )
  }
  if (!sameBytes(chainHash(previous, entry), entry.hash)) {
    throw new StorageDamaged(
      `the hash of entry ${sequence} does not follow from its contents and the entry before`,
    )
  }
  return entry
}

/** Checks that whoever wrote the entry had the key of MACs. @throws {@link StorageDamaged} */
export function verifyMac(epoch: Epoch, entry: StoredEntry): void {
  if (epoch.hasMac(entry.mac, entryMacLabel, entry.hash)) return
  throw new StorageDamaged(`entry ${entry.sequence} has a wrong MAC: this Coordinator did not write it`)
}

const entryMacLabel = 'taw ledger entry MAC v1'

export const entryMac = (epoch: Epoch, entryHash: Uint8Array): Buffer => epoch.mac(entryMacLabel, entryHash)

type Place = Pick<StoredEntry, 'sequence' | 'epoch' | 'publicPart'>

/** Binds a sealed part to its place: ledger, number, epoch, all entries before, and the public part. */
const associatedData = (
  ledgerId: Uint8Array,
  previous: ChainPoint,
  { sequence, epoch, publicPart }: Place,
): Buffer =>
  framed('taw ledger sealed part v1', ledgerId, uint64(sequence), uint64(epoch), previous.hash, publicPart)

function chainHash(previous: ChainPoint, entry: Place & Pick<StoredEntry, 'sealedDigest'>): Buffer {
  const { sequence, epoch, publicPart, sealedDigest } = entry
  const numbers = [uint64(sequence), uint64(epoch)]
  return sha256(framed('taw ledger entry v1', ...numbers, previous.hash, publicPart, sealedDigest))
}
