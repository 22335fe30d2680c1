import { inspect } from 'node:util'

/**
 * Bytes that must not appear in a log, an error or a serialized record.
 *
 * Every way in which a serializer might print the object gives `[redacted]`; the bytes come out only through
 * {@link SecretBytes.reveal}, so each place that hands them on can be found by its name.
 */
export class SecretBytes {
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get length(): number {
    return this.#bytes.length
  }

  /** The bytes themselves, not a copy: callers must not change them. */
  reveal(): Uint8Array {
    return this.#bytes
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return '[redacted]'
  }

  [inspect.custom](): string {
    return '[redacted]'
  }
}
