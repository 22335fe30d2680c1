import { inspect } from 'node:util'

/** Bytes that print as `[redacted]` in every serializer; they come out only through {@link SecretBytes.reveal}. */
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

  /**
   * The bytes as UTF-8 text, with nothing lost; undefined where they are no valid UTF-8.
   * A byte order mark stays: it is part of the value.
   */
  revealText(): string | undefined {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.#bytes)
    } catch {
      return undefined
    }
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
