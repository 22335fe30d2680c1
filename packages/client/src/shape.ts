import { ClientError } from './errors.ts'

/** A JSON object whose members are not known yet. */
export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Reads members of an answer, each as exactly one type. `where` says which answer, for the error.
 * Every method throws ClientError `answer_invalid`; its message names the member, never the value.
 */
export class AnswerReader {
  readonly #where: string
  readonly #members: JsonObject

  constructor(where: string, value: unknown) {
    if (!isObject(value)) throw shapeError(where, 'is not a JSON object')
    this.#where = where
    this.#members = value
  }

  string(name: string): string {
    const value = this.#members[name]
    return typeof value === 'string' ? value : this.#fail(name, 'a string')
  }

  integer(name: string): number {
    const value = this.#members[name]
    return typeof value === 'number' && Number.isSafeInteger(value) ? value : this.#fail(name, 'an integer')
  }

  boolean(name: string): boolean {
    const value = this.#members[name]
    return typeof value === 'boolean' ? value : this.#fail(name, 'true or false')
  }

  /** Standard padded base64. */
  bytes(name: string): Uint8Array {
    return this.optionalBytes(name) ?? this.#fail(name, 'base64')
  }

  /** Undefined for null and for an absent member, both of which Go's encoder leaves for empty bytes. */
  optionalBytes(name: string): Uint8Array | undefined {
    const value = this.#members[name]
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'string') return this.#fail(name, 'base64')
    const bytes = Buffer.from(value, 'base64')
    return bytes.toString('base64') === value ? bytes : this.#fail(name, 'padded standard base64')
  }

  strings(name: string): readonly string[] {
    const value: unknown = this.#members[name]
    if (value === null) return []
    if (!Array.isArray(value)) return this.#fail(name, 'a list of strings')
    return value.map((item: unknown) =>
      typeof item === 'string' ? item : this.#fail(name, 'a list of strings'),
    )
  }

  /** A list of objects. */
  objects(name: string): readonly AnswerReader[] {
    const value: unknown = this.#members[name]
    if (!Array.isArray(value)) return this.#fail(name, 'a list of objects')
    return value.map((item: unknown) => new AnswerReader(`${this.#where}, in ${JSON.stringify(name)},`, item))
  }

  object(name: string): AnswerReader {
    const value = this.#members[name]
    return isObject(value) ? new AnswerReader(this.#where, value) : this.#fail(name, 'a JSON object')
  }

  /** A JSON object, as UTF-8 of its own. */
  optionalJson(name: string): Uint8Array | undefined {
    const value = this.#members[name]
    if (value === undefined || value === null) return undefined
    return isObject(value) ? Buffer.from(JSON.stringify(value)) : this.#fail(name, 'a JSON object')
  }

  isNull(name: string): boolean {
    return this.#members[name] === null
  }

  /** Lower-case hex. */
  hex(name: string): Uint8Array {
    const text = this.string(name)
    return /^(?:[0-9a-f]{2})*$/.test(text) ? Buffer.from(text, 'hex') : this.#fail(name, 'lower-case hex')
  }

  /** A map with one reader for each entry, in the answer's order; null is an empty map. */
  entries(name: string): readonly (readonly [string, unknown])[] {
    const value = this.#members[name]
    if (value === null) return []
    return isObject(value) ? Object.entries(value) : this.#fail(name, 'a JSON object')
  }

  #fail(name: string, expected: string): never {
    throw shapeError(this.#where, `has no member ${JSON.stringify(name)} that is ${expected}`)
  }
}

function shapeError(where: string, problem: string): ClientError {
  return new ClientError(
    'answer_invalid',
    `${where} ${problem}: is this the client API of a Coordinator, and is it not newer than this program?`,
  )
}
