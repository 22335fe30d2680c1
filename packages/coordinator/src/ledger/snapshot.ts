import { decrypt, decryptFailure, encrypt } from '../sealing/aead.ts'
import { encodeChanges, stateToChanges } from '../state/codec.ts'
import type { State } from '../state/state.ts'
import { type LedgerFormat, StorageDamaged, type StoredSnapshot } from './backend.ts'
import type { ChainPoint } from './entry.ts'
import type { Epoch } from './epoch.ts'
import { framed, sha256, uint64 } from './framing.ts'

/** The second one also says that the head next to it has a tag, so that nobody can leave it out. */
const sealLabels: Readonly<Record<LedgerFormat, string>> = {
  1: 'taw ledger snapshot v1',
  2: 'taw ledger snapshot v2',
}
const macLabel = 'taw ledger snapshot MAC v1'

/** @param point the entry after which the state is `state` */
export function sealSnapshot(epoch: Epoch, { sequence, hash }: ChainPoint, state: State): StoredSnapshot {
  const { number, sealMode, recovery } = epoch
  const encoded = encodeChanges(stateToChanges(state))
  const position = { epoch: number, sequence, hash, sealMode, recovery }
  const sealed = encrypt(epoch.snapshotKey, encoded, associatedData(epoch.ledgerId, position, 2))
  encoded.fill(0)
  return { ...position, sealed, mac: macOf(epoch, { ...position, sealed }, 2) }
}

/** @throws {@link StorageDamaged} when this Coordinator did not write it */
export function verifySnapshot(epoch: Epoch, snapshot: StoredSnapshot, format: LedgerFormat): void {
  if (epoch.hasMac(snapshot.mac, macLabel, ...macParts(epoch.ledgerId, snapshot, format))) return
  throw new StorageDamaged('the snapshot has a wrong MAC: this Coordinator did not write it')
}

/**
 * Encoded changes, from which the state follows.
 *
 * @throws {@link StorageDamaged} when the data encryption key is another one, or anything was altered that the
 * snapshot binds: ledger, epoch, place, seal mode, recovery
 */
export function openSnapshot(epoch: Epoch, snapshot: StoredSnapshot, format: LedgerFormat): Uint8Array {
  const context = associatedData(epoch.ledgerId, snapshot, format)
  const opened = decrypt(epoch.snapshotKey, snapshot.sealed, context)
  if (opened === undefined) throw new StorageDamaged(`the snapshot ${decryptFailure(snapshot.sealed)}`)
  return opened
}

type Position = Omit<StoredSnapshot, 'sealed' | 'mac'>

function associatedData(ledgerId: Uint8Array, position: Position, format: LedgerFormat): Buffer {
  const { epoch, sequence, hash, sealMode, recovery } = position
  const place = [uint64(epoch), uint64(sequence), hash]
  return framed(sealLabels[format], ledgerId, ...place, Buffer.from(sealMode), recovery)
}

type Unsigned = Omit<StoredSnapshot, 'mac'>

const macOf = (epoch: Epoch, snapshot: Unsigned, format: LedgerFormat): Buffer =>
  epoch.mac(macLabel, ...macParts(epoch.ledgerId, snapshot, format))

const macParts = (ledgerId: Uint8Array, snapshot: Unsigned, format: LedgerFormat): Uint8Array[] => [
  associatedData(ledgerId, snapshot, format),
  sha256(snapshot.sealed),
]
