// Little-endian numbers and fixed fields, as the structures of CPU vendors have them.

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** u32 length, then the bytes. */
export const lengthPrefixed = (bytes: Uint8Array): Buffer => Buffer.concat([u32(bytes.length), bytes])

/**
 * Puts a field of a fixed length at an offset; what it leaves out stays zero.
 *
 * @throws RangeError when the value is longer than the field
 */
export function put(target: Buffer, offset: number, length: number, value: Uint8Array | string): void {
  const bytes = typeof value === 'string' ? fromHex(value) : value
  if (bytes.length > length) {
    throw new RangeError(`a field of ${length} bytes at offset ${offset} can't hold ${bytes.length} bytes`)
  }
  target.set(bytes, offset)
}

/** @throws RangeError for anything but whole bytes in hex: Node's own decoder stops at what it can't read */
export function fromHex(hex: string): Buffer {
  const bytes = Buffer.from(hex, 'hex')
  if (bytes.length * 2 !== hex.length) throw new RangeError(`not hex: "${hex.slice(0, 32)}"`)
  return bytes
}

/** The same bytes with one bit changed, in the middle unless said otherwise. */
export function withOneBitFlipped(bytes: Uint8Array, offset = bytes.length >> 1): Buffer {
  const changed = Buffer.from(bytes)
  changed.writeUInt8(changed.readUInt8(offset) ^ 1, offset)
  return changed
}
