import { isUtf8 } from 'node:buffer'
import { JsonError } from './json-error.ts'
import { readJsonString } from './json-string.ts'

/**
 * A strict JSON parser (RFC 8259) over bytes that takes and refuses what Go's decoder does, and keeps what users
 * need to be told: where each value stands, members given twice, and numbers as they are written.
 */

/** A JSON value; `start` is the byte offset of its first character. */
export type JsonValue = JsonObject | JsonArray | JsonString | JsonNumber | JsonBoolean | JsonNull

export interface JsonObject {
  readonly kind: 'object'
  readonly start: number
  /** In document order; names may repeat. */
  readonly members: readonly JsonMember[]
}
export interface JsonMember {
  readonly name: string
  /** Byte offset of the name's opening quote. */
  readonly start: number
  readonly value: JsonValue
}
interface JsonArray {
  readonly kind: 'array'
  readonly start: number
  readonly items: readonly JsonValue[]
}
interface JsonString {
  readonly kind: 'string'
  readonly start: number
  /** Byte offset behind the closing quote. */
  readonly end: number
  /** Well-formed Unicode: lone surrogates and bytes that are no UTF-8 have become U+FFFD. */
  readonly value: string
}
interface JsonNumber {
  readonly kind: 'number'
  readonly start: number
  /** As written, so that integers of any size stay exact. */
  readonly text: string
}
interface JsonBoolean {
  readonly kind: 'boolean'
  readonly start: number
  readonly value: boolean
}
interface JsonNull {
  readonly kind: 'null'
  readonly start: number
}

interface JsonLimits {
  readonly depth: number
  readonly values: number
}

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
const letterF = 0x66
const letterN = 0x6e
const letterT = 0x74

type Frame =
  | { readonly kind: 'object'; readonly members: JsonMember[]; name: string; nameStart: number }
  | { readonly kind: 'array'; readonly items: JsonValue[] }

/**
 * Parses one JSON document. Iterative, so that nesting can't exhaust the stack.
 * @throws {@link JsonError} at the first mistake: what follows it can't be read with certainty.
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits): JsonValue {
  return new Parser(bytes, limits).document()
}

class Parser {
  readonly #bytes: Uint8Array
  readonly #limits: JsonLimits
  readonly #validUtf8: boolean
  readonly #stack: Frame[] = []
  #at = 0
  #values = 0

  constructor(bytes: Uint8Array, limits: JsonLimits) {
    this.#bytes = bytes
    this.#limits = limits
    this.#validUtf8 = isUtf8(bytes)
  }

  document(): JsonValue {
    this.#skipBlanks()
    if (this.#at === this.#bytes.length)
      throw new JsonError(this.#at, 'the text is empty, but must be one JSON object')
    const root = this.#value()
    for (let frame = this.#stack.at(-1); frame !== undefined; frame = this.#stack.at(-1)) {
      if (!this.#advance(frame)) {
        this.#stack.pop()
        continue
      }
      if (frame.kind === 'array') frame.items.push(this.#value())
      else {
        // Read before the value, which may be an object that has names of its own.
        const { name, nameStart: start } = frame
        frame.members.push({ name, start, value: this.#value() })
      }
    }
    this.#skipBlanks()
    if (this.#at < this.#bytes.length) throw this.#unexpected('nothing may follow the JSON value')
    return root
  }

  /** Goes to the next value of an open array or object, or past its end. Returns whether there is a value. */
  #advance(frame: Frame): boolean {
    const close = frame.kind === 'object' ? closeBrace : closeBracket
    const isFirst = (frame.kind === 'object' ? frame.members : frame.items).length === 0
    this.#skipBlanks()
    if (this.#bytes[this.#at] === close) {
      this.#at++
      return false
    }
    if (!isFirst) {
      if (this.#bytes[this.#at] !== comma) {
        throw this.#unexpected(`a comma or the end of the ${frame.kind} must come here`)
      }
      this.#at++
      this.#skipBlanks()
    }
    if (frame.kind === 'object') this.#name(frame)
    return true
  }

  #name(frame: Extract<Frame, { kind: 'object' }>): void {
    if (this.#bytes[this.#at] !== quote)
      throw this.#unexpected('a member name in double quotes must come here')
    frame.nameStart = this.#at
    frame.name = this.#string()
    this.#skipBlanks()
    if (this.#bytes[this.#at] !== colon) throw this.#unexpected('a colon must follow a member name')
    this.#at++
    this.#skipBlanks()
  }

  /** Reads a whole scalar, or opens an array or object and leaves it on the stack. */
  #value(): JsonValue {
    const start = this.#at
    if (++this.#values > this.#limits.values) {
      throw new JsonError(
        start,
        `the document has more than ${this.#limits.values} values, which is the limit`,
      )
    }
    const byte = this.#bytes[start]
    if (byte === openBrace) {
      const members: JsonMember[] = []
      this.#push({ kind: 'object', members, name: '', nameStart: 0 })
      return { kind: 'object', start, members }
    }
    if (byte === openBracket) {
      const items: JsonValue[] = []
      this.#push({ kind: 'array', items })
      return { kind: 'array', start, items }
    }
    if (byte === quote) {
      const value = this.#string()
      return { kind: 'string', start, end: this.#at, value }
    }
    return this.#literalOrNumber(start, byte)
  }

  #push(frame: Frame): void {
    if (this.#stack.length === this.#limits.depth) {
      throw new JsonError(
        this.#at,
        `arrays and objects are nested deeper than ${this.#limits.depth}, which is the limit`,
      )
    }
    this.#stack.push(frame)
    this.#at++
  }

  #string(): string {
    const { value, end } = readJsonString(this.#bytes, this.#at, this.#validUtf8)
    this.#at = end
    return value
  }

  #literalOrNumber(start: number, byte: number | undefined): JsonValue {
    if (byte === letterT || byte === letterF) {
      const value = byte === letterT
      this.#literal(String(value))
      return { kind: 'boolean', start, value }
    }
    if (byte === letterN) {
      this.#literal('null')
      return { kind: 'null', start }
    }
    return { kind: 'number', start, text: this.#number() }
  }

  #literal(word: string): void {
    for (const character of word) {
      if (this.#bytes[this.#at] !== character.charCodeAt(0))
        throw this.#unexpected(`"${word}" must be spelled out here`)
      this.#at++
    }
  }

  #number(): string {
    const start = this.#at
    if (this.#bytes[this.#at] === 0x2d) this.#at++
    else if (!this.#isDigit()) throw this.#unexpected('a value must come here')
    if (this.#bytes[this.#at] === 0x30) this.#at++
    else this.#digits()
    if (this.#bytes[this.#at] === 0x2e) {
      this.#at++
      this.#digits()
    }
    if (this.#bytes[this.#at] === 0x65 || this.#bytes[this.#at] === 0x45) {
      this.#at++
      if (this.#bytes[this.#at] === 0x2b || this.#bytes[this.#at] === 0x2d) this.#at++
      this.#digits()
    }
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, this.#at - start).toString(
      'latin1',
    )
  }

  #digits(): void {
    if (!this.#isDigit()) throw this.#unexpected('a digit must come here')
    while (this.#isDigit()) this.#at++
  }

  #isDigit(): boolean {
    const byte = this.#bytes[this.#at]
    return byte !== undefined && byte >= 0x30 && byte <= 0x39
  }

  #skipBlanks(): void {
    for (;;) {
      const byte = this.#bytes[this.#at]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return
      this.#at++
    }
  }

  #unexpected(expected: string): JsonError {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) return new JsonError(this.#at, `the JSON ends too early: ${expected}`)
    if (this.#at === 0 && byte === 0xef) {
      return new JsonError(0, 'the JSON begins with a byte order mark; save it as UTF-8 without one')
    }
    const found =
      byte > 0x20 && byte < 0x7f
        ? `"${String.fromCharCode(byte)}"`
        : `the byte 0x${byte.toString(16).padStart(2, '0')}`
    return new JsonError(this.#at, `this is no JSON: found ${found}, but ${expected}`)
  }
}
