import { StorageDamaged, type StoredHead } from './backend.ts'
import type { ChainPoint } from './entry.ts'
import type { Epoch } from './epoch.ts'
import { uint64 } from './framing.ts'

const label = 'taw ledger head MAC v1'

/** @param confirmed see {@link StoredHead.confirmed} */
export function makeHead(epoch: Epoch, { sequence, hash }: ChainPoint, confirmed: number): StoredHead {
  const { ledgerId, number } = epoch
  const mac = epoch.mac(label, uint64(number), uint64(sequence), hash, uint64(confirmed))
  return { ledgerId, epoch: number, sequence, hash, confirmed, mac }
}

/** @throws {@link StorageDamaged} when this Coordinator did not write it */
export function verifyHead(epoch: Epoch, head: StoredHead): void {
  const { sequence, hash, confirmed, mac } = head
  if (epoch.hasMac(mac, label, uint64(head.epoch), uint64(sequence), hash, uint64(confirmed))) return
  throw new StorageDamaged('the end of the ledger has a wrong MAC: this Coordinator did not write it')
}
