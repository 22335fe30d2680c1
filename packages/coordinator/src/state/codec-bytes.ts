/** Bytes that don't follow the layout. The message says what was found and what should be; never a value. */
export class CodecError extends Error {
  override readonly name = 'CodecError'
}

/** Bytes that a writer starts with; it grows by doubling. */
const initialCapacity = 1024

/** Bytes that a writer keeps for its next use. */
const keptCapacity = 64 * 1024

/** Largest length or count that fits its four bytes. */
const maxUint32 = 0xffff_ffff

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Writes the primitives of the codec: all integers are big-endian; byte strings and texts (UTF-8) have their length
 * in front, in four bytes.
 */
export class ByteWriter {
  #buffer = Buffer.allocUnsafeSlow(initialCapacity)
  #length = 0

  uint8(value: number): this {
    this.#reserve(1)
    this.#buffer[this.#length++] = value
    return this
  }

  uint32(value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > maxUint32) throw new RangeError('no 32-bit number')
    this.#reserve(4)
    this.#length = this.#buffer.writeUInt32BE(value, this.#length)
    return this
  }

  uint64(value: bigint): this {
    this.#reserve(8)
    this.#length = this.#buffer.writeBigUInt64BE(value, this.#length)
    return this
  }

  /** A number that JavaScript holds exactly, as eight bytes. */
  count(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError('no exact count')
    this.#reserve(8)
    this.#buffer.writeUInt32BE(Math.floor(value / 0x1_0000_0000), this.#length)
    this.#length = this.#buffer.writeUInt32BE(value >>> 0, this.#length + 4)
    return this
  }

  /** Without a length: the reader has to know it. */
  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  bytes(bytes: Uint8Array): this {
    return this.uint32(bytes.length).raw(bytes)
  }

  text(text: string): this {
    const lengthAt = this.#length
    // UTF-8 needs at most three bytes for a UTF-16 unit.
    this.#reserve(4 + text.length * 3)
    const { written } = utf8Encoder.encodeInto(text, this.#buffer.subarray(lengthAt + 4))
    this.#buffer.writeUInt32BE(written, lengthAt)
    this.#length = lengthAt + 4 + written
    return this
  }

  /** One byte that says whether the value is there, then the value. */
  optional<T>(value: T | undefined, write: (value: T) => void): this {
    this.uint8(value === undefined ? 0 : 1)
    if (value !== undefined) write(value)
    return this
  }

  /** A copy of what was written, for the caller to wipe; the writer itself is wiped, and can be used again. */
  take(): Buffer {
    const written = Buffer.allocUnsafe(this.#length)
    this.#buffer.copy(written, 0, 0, this.#length)
    this.reset()
    return written
  }

  /** Wipes what was written, and gives back what a large value needed. */
  reset(): void {
    this.#buffer.fill(0, 0, this.#length)
    if (this.#buffer.length > keptCapacity) this.#buffer = Buffer.allocUnsafeSlow(initialCapacity)
    this.#length = 0
  }

  #reserve(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer.fill(0, 0, this.#length)
    this.#buffer = larger
  }
}

/** Reads what {@link ByteWriter} writes. Every method throws {@link CodecError} when the bytes end too early. */
export class ByteReader {
  readonly #bytes: Buffer
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#advance(1))
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#advance(4))
  }

  uint64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#advance(8))
  }

  count(): number {
    const value = Number(this.uint64())
    if (!Number.isSafeInteger(value)) throw new CodecError(`a count at byte ${this.#offset - 8} is over 2^53`)
    return value
  }

  /** A copy, so that keeping it doesn't keep all that was read. */
  raw(length: number): Uint8Array {
    const start = this.#advance(length)
    return new Uint8Array(this.#bytes.subarray(start, start + length))
  }

  bytes(): Uint8Array {
    return this.raw(this.uint32())
  }

  text(): string {
    const length = this.uint32()
    const start = this.#advance(length)
    try {
      return utf8Decoder.decode(this.#bytes.subarray(start, start + length))
    } catch {
      throw new CodecError(`the text at byte ${start} is not UTF-8`)
    }
  }

  optional<T>(read: () => T): T | undefined {
    const flag = this.uint8()
    if (flag > 1) throw new CodecError(`byte ${this.#offset - 1} is ${flag}; it must be 0 (absent) or 1`)
    return flag === 1 ? read() : undefined
  }

  /** @throws {@link CodecError} when something is left */
  end(): void {
    if (this.remaining > 0) throw new CodecError(`${this.remaining} bytes follow the end`)
  }

  #advance(length: number): number {
    const start = this.#offset
    if (length > this.remaining) {
      throw new CodecError(
        `the bytes end at ${this.#bytes.length}, but byte ${start} starts a field of ${length}`,
      )
    }
    this.#offset = start + length
    return start
  }
}
