import { fromHex, u32 } from '../encoding/bytes.ts'

/** What an entry is (AMD 56421, 4.1.8.1). */
const GUID = {
  VCEK: '63da758de6644564adc5f4b93be8accd',
  VLEK: 'a8074bc2a25a483eaae639c045a0b8a1',
  ASK: '4ab7b379bbac4fe4a02f05aef327c782',
  ARK: 'c0b406a4a803495297433fb6014cd0ae',
  CRL: '92f81bc358114d3d97ffd19f88dc67ea',
} as const
export type TableEntry = readonly [keyof typeof GUID, Uint8Array]

/** GUID, offset, length; bytes. */
const HEAD_LENGTH = 24

/**
 * The certificate table that hosts add to reports, and that Linux gives as `auxblob`: heads, one of zeros, contents.
 *
 * @param guidOrder `text`: the bytes as they are written; `swapped`: as UEFI stores them. Both are in use
 */
export function certificateTable(
  entries: readonly TableEntry[],
  guidOrder: 'text' | 'swapped' = 'text',
): Buffer {
  let offset = HEAD_LENGTH * (entries.length + 1)
  const heads = entries.map(([name, bytes]) => {
    const head = Buffer.concat([guid(name, guidOrder), u32(offset), u32(bytes.length)])
    offset += bytes.length
    return head
  })
  return Buffer.concat([...heads, Buffer.alloc(HEAD_LENGTH), ...entries.map(([, bytes]) => bytes)])
}

function guid(name: keyof typeof GUID, order: 'text' | 'swapped'): Buffer {
  const bytes = fromHex(GUID[name])
  if (order === 'swapped') {
    // UEFI 2.10, appendix A: the first three fields are little-endian.
    bytes.subarray(0, 4).reverse()
    bytes.subarray(4, 6).reverse()
    bytes.subarray(6, 8).reverse()
  }
  return bytes
}
