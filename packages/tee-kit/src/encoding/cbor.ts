/** An item that goes in as it is: for whatever {@link cbor} would never write. */
export class RawCbor {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/** What {@link cbor} writes. */
export type CborItem =
  number | string | null | Uint8Array | RawCbor | readonly CborItem[] | ReadonlyMap<number | string, CborItem>

/** Writes CBOR in the shortest form (RFC 8949, 3). Numbers are integers. */
export function cbor(item: CborItem): Buffer {
  if (item === null) return Buffer.of(0xf6)
  if (item instanceof RawCbor) return Buffer.from(item.bytes)
  if (typeof item === 'number') return item >= 0 ? cborHead(0, item) : cborHead(1, -1 - item)
  if (typeof item === 'string')
    return Buffer.concat([cborHead(3, Buffer.byteLength(item)), Buffer.from(item)])
  if (item instanceof Uint8Array) return Buffer.concat([cborHead(2, item.length), item])
  if (isMap(item)) return Buffer.concat([cborHead(5, item.size), ...[...item].flat().map(cbor)])
  if (Array.isArray(item)) {
    const items: readonly CborItem[] = item
    return Buffer.concat([cborHead(4, items.length), ...items.map(cbor)])
  }
  throw new TypeError('not an item of CBOR')
}

const isMap = (item: CborItem): item is ReadonlyMap<number | string, CborItem> => item instanceof Map

/** The first byte of an item, and its length or value, in the shortest form. */
export function cborHead(major: number, value: number): Buffer {
  const first = major << 5
  if (value < 24) return Buffer.of(first | value)
  const width = value < 0x100 ? 1 : value < 0x1_0000 ? 2 : value < 0x1_0000_0000 ? 4 : 8
  const argument = Buffer.alloc(8)
  argument.writeBigUInt64BE(BigInt(value))
  return Buffer.concat([Buffer.of(first | (24 + Math.log2(width))), argument.subarray(8 - width)])
}
