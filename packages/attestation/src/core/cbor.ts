import { Tokenizer, Type, decode } from 'cborg'
import type { DecodeOptions, Token } from 'cborg'
import { EvidenceInvalid, malformed } from './errors.ts'

/** Nitro documents nest to 3, CCA tokens to 4. */
const MAX_DEPTH = 8
/** A Nitro document with 32 PCRs has some 90 items, a CCA platform token with 40 software components some 500. */
const MAX_ITEMS = 2048

/** RFC 8949, 4.2.1 without the order of keys: shortest forms, no duplicate keys. */
const STRICT: DecodeOptions = {
  strict: true,
  useMaps: true,
  rejectDuplicateMapKeys: true,
  allowUndefined: false,
  allowNaN: false,
  allowInfinity: false,
  allowBigInt: false,
}

export interface CborRules {
  /** Numbers of the tags that may stand in it; others are refused. */
  readonly knownTags?: readonly number[]
  /** Whether the outermost item may be a map of indefinite length. Nothing else ever may. */
  readonly indefiniteOutermostMap?: boolean
}

/** An array, map or tag whose items are still being read. */
interface OpenItem {
  /** How many items it still waits for; Infinity for an indefinite length. */
  waiting: number
  /** How many items it had. */
  seen: number
  readonly isMap: boolean
}

/**
 * Cborg's own tokenizer, bounded: it counts items and tracks the depth, because the decoder above it recurses once per
 * level, and it knows where indefinite lengths and their breaks may stand.
 */
class BoundedTokenizer {
  readonly #inner: Tokenizer
  readonly #mayBeIndefinite: boolean
  #items = 0
  readonly #open: OpenItem[] = []

  constructor(bytes: Uint8Array, rules: CborRules) {
    this.#mayBeIndefinite = rules.indefiniteOutermostMap === true
    this.#inner = new Tokenizer(bytes, { ...STRICT, allowIndefinite: this.#mayBeIndefinite })
  }

  done(): boolean {
    return this.#inner.done()
  }

  pos(): number {
    return this.#inner.pos()
  }

  next(): Token {
    const token = this.#inner.next()
    this.#items += 1
    if (this.#items > MAX_ITEMS)
      throw malformed('the CBOR has too many items', `at most ${MAX_ITEMS}`, 'more')
    while (this.#open.at(-1)?.waiting === 0) this.#open.pop()
    if (Type.equals(token.type, Type.break)) this.#close()
    else this.#track(token)
    return token
  }

  #close(): void {
    const closed = this.#open.pop()
    if (closed?.waiting === Infinity && closed.seen % 2 === 0) return
    throw malformed('the CBOR has a break where none may stand', 'an item', 'a break')
  }

  #track(token: Token): void {
    const value: unknown = token.value
    if (Type.equals(token.type, Type.float))
      throw malformed('the CBOR has a float', 'no floats', String(value))
    // Cborg puts U+FFFD for what is not UTF-8; no field of any evidence has a reason to contain one.
    if (typeof value === 'string' && value.includes('\ufffd')) {
      throw malformed('a CBOR text is not UTF-8', 'UTF-8', 'other bytes')
    }
    const parent = this.#open.at(-1)
    const isKey = parent?.isMap === true && parent.seen % 2 === 0
    if (isKey && !(token.type.terminal && (typeof value === 'number' || typeof value === 'string'))) {
      throw malformed('a CBOR map has another kind of key', 'integers or texts', token.type.name)
    }
    if (parent) {
      parent.waiting -= 1
      parent.seen += 1
    }
    if (token.type.terminal) return
    const count = Type.equals(token.type, Type.tag) ? 1 : typeof value === 'number' ? value : 0
    const isMap = Type.equals(token.type, Type.map)
    if (count === Infinity && !(isMap && this.#mayBeIndefinite && this.#items === 1)) {
      throw malformed('the CBOR has an indefinite length', 'definite lengths', 'an indefinite one')
    }
    this.#open.push({ waiting: isMap ? 2 * count : count, seen: 0, isMap })
    if (this.#open.length > MAX_DEPTH) {
      throw malformed('the CBOR is nested too deeply', `at most ${MAX_DEPTH} levels`, 'more')
    }
  }
}

/** A tagged item (RFC 8949, 3.4) of a tag that the caller knows. */
export class CborTagged {
  readonly tag: number
  readonly value: unknown

  constructor(tag: number, value: unknown) {
    this.tag = tag
    this.value = value
  }
}

/**
 * Decodes one CBOR item that takes up all of the bytes, strictly: shortest forms, definite lengths, no duplicate keys,
 * no floats, no undefined, no integers beyond 2^53, UTF-8 texts, bounded depth and number of items. Maps come as `Map`,
 * byte strings as `Uint8Array`; take them apart with the `cbor…` functions of this file.
 *
 * @throws EvidenceInvalid
 */
export function decodeCbor(bytes: Uint8Array, rules: CborRules = {}): unknown {
  const tags = Object.fromEntries(
    (rules.knownTags ?? []).map((tag) => [tag, (content: () => unknown) => new CborTagged(tag, content())]),
  )
  try {
    const value: unknown = decode(bytes, { ...STRICT, tags, tokenizer: new BoundedTokenizer(bytes, rules) })
    return value
  } catch (error) {
    if (error instanceof EvidenceInvalid) throw error
    const reason = error instanceof Error ? error.message.replace('CBOR decode error: ', '') : 'unreadable'
    throw malformed(`the CBOR can't be read: ${reason}`, 'strict CBOR (RFC 8949, 4.2.1)', 'other bytes')
  }
}

export type CborMap = ReadonlyMap<unknown, unknown>

/** @param what the item's name, for the error */
export function cborMap(value: unknown, what: string): CborMap {
  if (!(value instanceof Map)) throw wrongType(what, 'a map', value)
  return value
}

export function cborArray(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw wrongType(what, 'an array', value)
  return value
}

export function cborBytes(value: unknown, what: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw wrongType(what, 'a byte string', value)
  return value
}

export function cborText(value: unknown, what: string): string {
  if (typeof value !== 'string') throw wrongType(what, 'a text', value)
  return value
}

export function cborInteger(value: unknown, what: string): number {
  if (typeof value !== 'number') throw wrongType(what, 'an integer', value)
  return value
}

/** Undefined for an item that is absent or null. */
export function cborOptional<T>(
  value: unknown,
  what: string,
  read: (value: unknown, what: string) => T,
): T | undefined {
  return value === undefined || value === null ? undefined : read(value, what)
}

function wrongType(what: string, expected: string, value: unknown): EvidenceInvalid {
  return malformed(`${what} has another CBOR type`, expected, typeName(value))
}

function typeName(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (value instanceof Uint8Array) return 'a byte string'
  if (value instanceof Map) return 'a map'
  if (value instanceof CborTagged) return `tag ${value.tag}`
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'string') return 'a text'
  return typeof value === 'number' ? 'an integer' : 'another item'
}
