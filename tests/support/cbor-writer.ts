import { concatBytes } from '../../packages/attestation/src/core/bytes.ts'
import { fromHex, toUtf8 } from '../../packages/attestation/src/core/encoding.ts'

/** An item that goes into CBOR as it is: for whatever {@link cbor} would never write. */
export class RawCbor {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

export type CborItem =
  number | string | null | Uint8Array | RawCbor | readonly CborItem[] | ReadonlyMap<number | string, CborItem>

/** Writes CBOR in the shortest form (RFC 8949, 3). */
export function cbor(item: CborItem): Uint8Array {
  if (item === null) return Uint8Array.of(0xf6)
  if (item instanceof RawCbor) return item.bytes
  if (typeof item === 'number') return item >= 0 ? cborHead(0, item) : cborHead(1, -1 - item)
  if (typeof item === 'string') return concatBytes(cborHead(3, toUtf8(item).length), toUtf8(item))
  if (item instanceof Uint8Array) return concatBytes(cborHead(2, item.length), item)
  if (item instanceof Map) return concatBytes(cborHead(5, item.size), ...[...item].flat().map(cbor))
  if (Array.isArray(item)) return concatBytes(cborHead(4, item.length), ...item.map(cbor))
  throw new TypeError('not an item')
}

export function cborHead(major: number, value: number): Uint8Array {
  const first = major << 5
  if (value < 24) return Uint8Array.of(first | value)
  const width = value < 0x100 ? 1 : value < 0x10000 ? 2 : value < 0x1_0000_0000 ? 4 : 8
  const head = new Uint8Array(1 + width)
  head[0] = first | (24 + Math.log2(width))
  head.set(fromHex(value.toString(16).padStart(2 * width, '0')), 1)
  return head
}
