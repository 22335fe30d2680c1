import { hash, timingSafeEqual } from 'node:crypto'

/**
 * The input of every hash, MAC and key derivation of the ledger: a label that says what it is for, then the parts,
 * each with its length in four bytes in front. So no two inputs that mean different things are the same bytes.
 *
 * @param label ASCII
 */
export function framed(label: string, ...parts: readonly Uint8Array[]): Buffer {
  let length = 4 + label.length
  for (const part of parts) length += 4 + part.length
  const output = Buffer.allocUnsafe(length)
  let offset = output.writeUInt32BE(label.length, 0)
  offset += output.write(label, offset, 'latin1')
  for (const part of parts) {
    offset = output.writeUInt32BE(part.length, offset)
    output.set(part, offset)
    offset += part.length
  }
  return output
}

/** Eight bytes, big-endian. */
export function uint64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), 0)
  bytes.writeUInt32BE(value >>> 0, 4)
  return bytes
}

/** Eight bytes, big-endian; none for undefined. */
export function optionalUint64(value: bigint | undefined): Buffer {
  if (value === undefined) return Buffer.alloc(0)
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}

export const sha256 = (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer')

/** In constant time, as far as the length lets it. */
export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b)
