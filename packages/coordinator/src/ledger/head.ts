import { type LedgerFormat, StorageDamaged, type StoredHead } from './backend.ts'
import type { ChainPoint } from './entry.ts'
import type { Epoch } from './epoch.ts'
import { optionalUint64, uint64 } from './framing.ts'

const macLabels: Readonly<Record<LedgerFormat, string>> = {
  1: 'taw ledger head MAC v1',
  2: 'taw ledger head MAC v2',
}
const tagLabel = 'taw ledger head tag v2'

/** What a head says besides where the ledger ends. */
export type HeadStatus = Pick<StoredHead, 'confirmed' | 'anchored'>

export function makeHead(
  epoch: Epoch,
  { sequence, hash }: ChainPoint,
  { confirmed, anchored }: HeadStatus,
): StoredHead {
  const { ledgerId, number } = epoch
  const head = { ledgerId, epoch: number, sequence, hash, confirmed, anchored }
  const parts = partsOf(head, 2)
  return { ...head, tag: epoch.tag(tagLabel, ...parts), mac: epoch.mac(macLabels[2], ...parts) }
}

/**
 * @param format of the file that it stands in
 * @param verifyMacs false: the key of MACs is lost, and only the data encryption key's tag is checked (recovery)
 * @throws {@link StorageDamaged} when this Coordinator did not write it
 */
export function verifyHead(epoch: Epoch, head: StoredHead, format: LedgerFormat, verifyMacs: boolean): void {
  const parts = partsOf(head, format)
  if (verifyMacs && !epoch.hasMac(head.mac, macLabels[format], ...parts)) {
    throw new StorageDamaged('the end of the ledger has a wrong MAC: this Coordinator did not write it')
  }
  if (format === 1 || epoch.hasTag(head.tag, tagLabel, ...parts)) return
  throw new StorageDamaged(
    `the end of the ledger does not authenticate: it was never entry ${head.sequence} with this key`,
  )
}

function partsOf(head: Omit<StoredHead, 'tag' | 'mac'>, format: LedgerFormat): Uint8Array[] {
  const { epoch, sequence, hash, confirmed, anchored } = head
  const parts = [uint64(epoch), uint64(sequence), hash, uint64(confirmed)]
  return format === 1 ? parts : [...parts, optionalUint64(anchored)]
}
