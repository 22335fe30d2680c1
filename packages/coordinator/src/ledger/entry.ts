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
export function sealEntry(epoch: Epoch, previous: ChainPoint, { time, audit, changes }: NewEntry): StoredEntry {
  const sequence = previous.sequence + 1
  const publicPart = writePublicPart(time, audit)
  const position = entryPosition(sequence, epoch.number, previous.hash)
  const sealedPart =
    changes.length === 0
      ? changes
      : encrypt(epoch.sealedPartKey, changes, framed(sealedPartLabel, epoch.ledgerId, position, publicPart))
  changes.fill(0)
  const sealedDigest = sha256(sealedPart)
  const entryHash = chainHash(position, publicPart, sealedDigest)
  const mac = entryMac(epoch, entryHash)
  return { sequence, epoch: epoch.number, publicPart, sealedPart, sealedDigest, hash: entryHash, mac }
}

const sealedPartLabel = 'taw ledger sealed part v1'

/**
 * Opens the sealed part of an entry that was verified.
 *
 * @throws {@link StorageDamaged} when it isn't there, or was not sealed in this place of this ledger
 */
export function openSealedPart(epoch: Epoch, previous: ChainPoint, entry: StoredEntry): Uint8Array {
  const { sequence, publicPart, sealedPart } = entry
  if (sealedPart === undefined) {
    throw new StorageDamaged(`entry ${sequence} has no sealed part, though no snapshot covers it`)
  }
  if (sealedPart.length === 0) return sealedPart
  const position = entryPosition(sequence, entry.epoch, previous.hash)
  const associatedData = framed(sealedPartLabel, epoch.ledgerId, position, publicPart)
  const opened = decrypt(epoch.sealedPartKey, sealedPart, associatedData)
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
    throw new StorageDamaged(`the sealed part of entry ${sequence} does not have the digest that the entry names`)
  }
  const position = entryPosition(sequence, entry.epoch, previous.hash)
  if (!sameBytes(chainHash(position, entry.publicPart, entry.sealedDigest), entry.hash)) {
    throw new StorageDamaged(`the hash of entry ${sequence} does not follow from its contents and the entry before`)
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

/** What binds an entry to its place: number, epoch, and all entries before. */
const entryPosition = (sequence: number, epoch: number, previousHash: Uint8Array): Buffer =>
  framed('taw ledger position v1', uint64(sequence), uint64(epoch), previousHash)

const chainHash = (position: Uint8Array, publicPart: Uint8Array, sealedDigest: Uint8Array): Buffer =>
  sha256(framed('taw ledger entry v1', position, publicPart, sealedDigest))
