import { decrypt, decryptFailure, encrypt } from '../sealing/aead.ts'
import { encodeChanges, stateToChanges } from '../state/codec.ts'
import type { State } from '../state/state.ts'
import { StorageDamaged, type StoredSnapshot } from './backend.ts'
import type { ChainPoint } from './entry.ts'
import type { Epoch } from './epoch.ts'
import { framed, sha256, uint64 } from './framing.ts'

const sealLabel = 'taw ledger snapshot v1'
const macLabel = 'taw ledger snapshot MAC v1'

/** @param point the entry after which the state is `state` */
export function sealSnapshot(epoch: Epoch, { sequence, hash }: ChainPoint, state: State): StoredSnapshot {
  const { number, sealMode, recovery } = epoch
  const encoded = encodeChanges(stateToChanges(state))
  const position = { epoch: number, sequence, hash, sealMode, recovery }
  const sealed = encrypt(epoch.snapshotKey, encoded, associatedData(epoch.ledgerId, position))
  encoded.fill(0)
  return { ...position, sealed, mac: macOf(epoch, { ...position, sealed }) }
}

/** @throws {@link StorageDamaged} when this Coordinator did not write it */
export function verifySnapshot(epoch: Epoch, snapshot: StoredSnapshot): void {
  if (epoch.hasMac(snapshot.mac, macLabel, ...macParts(epoch.ledgerId, snapshot))) return
  throw new StorageDamaged('the snapshot has a wrong MAC: this Coordinator did not write it')
}

/**
 * Encoded changes, from which the state follows.
 *
 * @throws {@link StorageDamaged} when the data encryption key is another one, or anything was altered that the
 * snapshot binds: ledger, epoch, place, seal mode, recovery
 */
export function openSnapshot(epoch: Epoch, snapshot: StoredSnapshot): Uint8Array {
  const opened = decrypt(epoch.snapshotKey, snapshot.sealed, associatedData(epoch.ledgerId, snapshot))
  if (opened === undefined) throw new StorageDamaged(`the snapshot ${decryptFailure(snapshot.sealed)}`)
  return opened
}

type Position = Omit<StoredSnapshot, 'sealed' | 'mac'>

function associatedData(ledgerId: Uint8Array, position: Position): Buffer {
  const { epoch, sequence, hash, sealMode, recovery } = position
  return framed(sealLabel, ledgerId, uint64(epoch), uint64(sequence), hash, Buffer.from(sealMode), recovery)
}

const macOf = (epoch: Epoch, snapshot: Omit<StoredSnapshot, 'mac'>): Buffer =>
  epoch.mac(macLabel, ...macParts(epoch.ledgerId, snapshot))

const macParts = (ledgerId: Uint8Array, snapshot: Omit<StoredSnapshot, 'mac'>): Uint8Array[] => [
  associatedData(ledgerId, snapshot),
  sha256(snapshot.sealed),
]
