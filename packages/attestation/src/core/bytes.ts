import { malformed } from './errors.ts'

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

export function isAllZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

/**
 * Reads a binary structure from front to back and never past its end. Slices are views, not copies: whoever takes bytes
 * from a caller copies them once at the edge, so that they can't change while they are being verified.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  /** @param what the field's name, for the error */
  take(length: number, what: string): Uint8Array {
    const at = this.#advance(length, what)
    return this.#bytes.subarray(at, at + length)
  }

  skip(length: number, what: string): void {
    this.#advance(length, what)
  }

  u8(what: string): number {
    return this.#view.getUint8(this.#advance(1, what))
  }

  u16le(what: string): number {
    return this.#view.getUint16(this.#advance(2, what), true)
  }

  u16be(what: string): number {
    return this.#view.getUint16(this.#advance(2, what), false)
  }

  u32le(what: string): number {
    return this.#view.getUint32(this.#advance(4, what), true)
  }

  u32be(what: string): number {
    return this.#view.getUint32(this.#advance(4, what), false)
  }

  u64le(what: string): bigint {
    return this.#view.getBigUint64(this.#advance(8, what), true)
  }

  u64be(what: string): bigint {
    return this.#view.getBigUint64(this.#advance(8, what), false)
  }

  /** All that is left, without moving on. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#offset)
  }

  /** @throws when bytes are left */
  end(what: string): void {
    if (this.remaining === 0) return
    throw malformed(`${what} has bytes after its end`, 'no further bytes', `${this.remaining} bytes`)
  }

  #advance(length: number, what: string): number {
    if (length > this.remaining) {
      throw malformed(
        `${what} at offset ${this.#offset} is cut short`,
        `${length} bytes`,
        `${this.remaining} bytes`,
      )
    }
    const at = this.#offset
    this.#offset += length
    return at
  }
}
