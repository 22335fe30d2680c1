import { excerpt, fromHex } from '../core/encoding.ts'
import { malformed } from '../core/errors.ts'

/** At most so many levels, identities, components or advisories in one list of a document of Intel. */
const MAX_LIST = 512

/** Reads the members of a decoded JSON object, each with its exact type. Names are paths in messages. */
export class JsonObject {
  readonly #value: Readonly<Record<string, unknown>>
  readonly #path: string

  constructor(value: unknown, path: string) {
    if (!isRecord(value)) throw malformed(`'${path}' is not an object`, 'a JSON object', describe(value))
    this.#value = value
    this.#path = path
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#value, name)
  }

  string(name: string): string {
    const value = this.#get(name)
    return typeof value === 'string' ? value : this.#mistyped(name, 'a string', value)
  }

  /** A whole number from 0 to `max`. */
  integer(name: string, max: number): number {
    const value = this.#get(name)
    return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max
      ? value
      : this.#mistyped(name, `a whole number from 0 to ${max}`, value)
  }

  /** @param length in bytes */
  hex(name: string, length: number): Uint8Array {
    const text = this.string(name)
    const isHex = text.length === 2 * length && /^[0-9a-fA-F]*$/.test(text)
    return isHex ? fromHex(text) : this.#mistyped(name, `${length} bytes of hex`, text)
  }

  /** RFC 3339 in UTC to the second, as PCS writes it. */
  date(name: string): Date {
    const text = this.string(name)
    const date = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) ? new Date(text) : new Date(Number.NaN)
    // Comparing with the text finds days that the calendar doesn't have.
    const isExact = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text.slice(0, -1))
    return isExact ? date : this.#mistyped(name, 'a time like 2025-01-31T23:59:59Z', text)
  }

  oneOf<const Choice extends string>(name: string, choices: readonly Choice[]): Choice {
    const text = this.string(name)
    return choices.find((choice) => choice === text) ?? this.#mistyped(name, choices.join(', '), text)
  }

  object(name: string): JsonObject {
    return new JsonObject(this.#get(name), `${this.#path}.${name}`)
  }

  objects(name: string): JsonObject[] {
    return this.#list(name).map((item, index) => new JsonObject(item, `${this.#path}.${name}[${index}]`))
  }

  strings(name: string): string[] {
    return this.#list(name).map((item) =>
      typeof item === 'string' ? item : this.#mistyped(name, 'a list of strings', item),
    )
  }

  #list(name: string): readonly unknown[] {
    const value: unknown = this.#get(name)
    if (!Array.isArray(value) || value.length > MAX_LIST) {
      return this.#mistyped(name, `a list of at most ${MAX_LIST}`, value)
    }
    return value
  }

  #get(name: string): unknown {
    if (!this.has(name)) {
      throw malformed(`'${this.#path}' has no '${name}'`, `a member '${name}'`, 'none')
    }
    return this.#value[name]
  }

  #mistyped(name: string, expected: string, found: unknown): never {
    throw malformed(`'${this.#path}.${name}' is malformed`, expected, describe(found))
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function describe(value: unknown): string {
  if (typeof value === 'string') return excerpt(value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value === null) return 'null'
  return Array.isArray(value) ? `a list of ${value.length}` : 'an object'
}
