import { closestName } from '../core/closest-name.ts'
import { foldName } from '../core/fold.ts'
import { fromBase64 } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import type { Place } from './place.ts'

/**
 * What may stand at a place of a policy, as data: decoders and schemas of manifests follow from it, so that the fields are
 * listed once.
 */
export type PolicyForm =
  | { readonly kind: 'text'; readonly pattern?: string; readonly oneOf?: readonly string[] }
  | { readonly kind: 'flag' }
  | { readonly kind: 'integer'; readonly maximum: bigint }
  /** Base64, or a list of numbers from 0 to 255. */
  | { readonly kind: 'bytes' }
  /** A text, a number or a flag. */
  | { readonly kind: 'scalar' }
  | { readonly kind: 'list'; readonly item: PolicyForm }
  /** One item, or a list of them. */
  | { readonly kind: 'one-or-list'; readonly item: PolicyForm }
  /** Members that the user names; `names` is a pattern for them. */
  | { readonly kind: 'map'; readonly names: string | undefined; readonly entry: PolicyForm }
  | { readonly kind: 'object'; readonly members: Readonly<Record<string, PolicyForm>> }

/** How one member of a policy is read. */
export interface Field<T> {
  readonly form: PolicyForm
  /**
   * @param value as JSON gives it, neither null nor undefined. Integers may be bigints, bytes may be a Uint8Array.
   * @returns null when it is wrong, which is then among the problems
   */
  readonly read: (value: unknown, at: Place) => T | null
}

export const text: Field<string> = {
  form: { kind: 'text' },
  read: (value, at) =>
    typeof value === 'string' ? value : at.problem(`must be a text, but is ${describe(value)}`),
}

export const flag: Field<boolean> = {
  form: { kind: 'flag' },
  read: (value, at) =>
    typeof value === 'boolean' ? value : at.problem(`must be true or false, but is ${describe(value)}`),
}

/** Hex of either case, read as lower case. @param lengths the numbers of bytes that it may have */
export function hex(...lengths: readonly number[]): Field<string> {
  const pattern = lengths.map((bytes) => `[0-9a-fA-F]{${2 * bytes}}`).join('|')
  const form = new RegExp(`^(?:${pattern})$`)
  const expected = lengths.map((bytes) => `${bytes} bytes in ${2 * bytes} hex digits`).join(' or ')
  return {
    form: { kind: 'text', pattern: form.source },
    read: (value, at) => {
      const given = text.read(value, at)
      if (given === null) return null
      if (form.test(given)) return given.toLowerCase()
      const found = /^[0-9a-fA-F]*$/.test(given) ? `has ${given.length}` : 'is not hex'
      return at.problem(`must be ${expected}, but ${found}`)
    },
  }
}

/** As {@link hex}, but an empty text is as good as none. */
export function hexOrEmpty(bytes: number): Field<string | undefined> {
  const given = hex(bytes)
  return {
    form: { kind: 'text', pattern: `^(?:[0-9a-fA-F]{${2 * bytes}})?$` },
    read: (value, at) => (value === '' ? undefined : given.read(value, at)),
  }
}

/** One of some names, exactly so. @param what for messages, for example `TCB status` */
export function name<const Name extends string>(what: string, known: readonly Name[]): Field<Name> {
  return {
    form: { kind: 'text', oneOf: known },
    read: (value, at) => {
      const given = text.read(value, at)
      if (given === null) return null
      const match = known.find((one) => one === given)
      return match ?? at.problem(`no such ${what} ${quote(given)}; known are ${known.map(quote).join(', ')}`)
    },
  }
}

/** A text of a certain form. @param expected for messages */
export function textLike(pattern: RegExp, expected: string): Field<string> {
  return {
    form: { kind: 'text', pattern: pattern.source },
    read: (value, at) => {
      const given = text.read(value, at)
      if (given === null || pattern.test(given)) return given
      return at.problem(`must be ${expected}, but is ${quote(given)}`)
    },
  }
}

/** A whole number from 0 to `maximum`. */
export function bigInteger(maximum: bigint): Field<bigint> {
  return {
    form: { kind: 'integer', maximum },
    read: (value, at) => {
      const isExact = typeof value === 'bigint' || Number.isSafeInteger(value)
      const number = isExact && (typeof value === 'bigint' || typeof value === 'number') ? BigInt(value) : -1n
      if (number >= 0n && number <= maximum) return number
      return at.problem(`must be a whole number from 0 to ${maximum}, but is ${describe(value)}`)
    },
  }
}

/** As {@link bigInteger}, for what a number holds exactly. */
export function integer(maximum: number): Field<number> {
  const exact = bigInteger(BigInt(maximum))
  return {
    form: exact.form,
    read: (value, at) => {
      const number = exact.read(value, at)
      return number === null ? null : Number(number)
    },
  }
}

export const scalar: Field<string | number | boolean> = {
  form: { kind: 'scalar' },
  read: (value, at) => {
    if (typeof value === 'bigint') return Number(value)
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
    return at.problem(`must be a text, a number, true or false, but is ${describe(value)}`)
  },
}

export const bytes: Field<Uint8Array> = {
  form: { kind: 'bytes' },
  read: (value, at) => {
    const octets = octetsOf(value)
    return (
      octets ??
      at.problem(`must be base64 or a list of numbers from 0 to 255, but is ${describe(value)} that is not`)
    )
  },
}

function octetsOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string') {
    try {
      return fromBase64(value.replace(/[\r\n]+/g, ''))
    } catch (error) {
      if (error instanceof EvidenceInvalid) return undefined
      throw error
    }
  }
  if (!isList(value)) return undefined
  const isOctet = (item: unknown): item is number =>
    typeof item === 'number' && Number.isInteger(item) && item >= 0 && item <= 255
  return value.every(isOctet) ? Uint8Array.from(value) : undefined
}

/** A list, which may be empty. */
export function list<T>(item: Field<T>): Field<readonly T[]> {
  return {
    form: { kind: 'list', item: item.form },
    read: (value, at) =>
      isList(value)
        ? complete(value.map((one, index) => readItem(item, one, at.in(index))))
        : at.problem(`must be a list, but is ${describe(value)}`),
  }
}

/** One value, or a list of those that are allowed. An empty list would allow nothing, and is refused. */
export function oneOrList<T>(item: Field<T>): Field<readonly T[]> {
  const several = list(item)
  return {
    form: { kind: 'one-or-list', item: item.form },
    read: (value, at) => {
      if (!isList(value)) return complete([readItem(item, value, at)])
      if (value.length === 0)
        return at.problem('is an empty list, which nothing can satisfy; leave it out to accept any')
      return several.read(value, at)
    },
  }
}

const readItem = <T>(item: Field<T>, value: unknown, at: Place): T | null =>
  value === null || value === undefined ? at.problem('must not be null in a list') : item.read(value, at)

/** What was read, when all of it could be. */
function complete<T>(items: readonly (T | null)[]): readonly T[] | null {
  const read = items.filter((one) => one !== null)
  return read.length === items.length ? read : null
}

/**
 * Members that the user names.
 * @param names the form that names must have
 * @param keyOf what a name stands for; undefined: no such. Two names for the same are refused.
 */
export function map<T>(
  entry: Field<T>,
  names?: {
    readonly pattern: string
    readonly expected: string
    readonly keyOf: (name: string) => string | undefined
  },
): Field<Readonly<Record<string, T>>> {
  return {
    form: { kind: 'map', names: names?.pattern, entry: entry.form },
    read: (value, at) => {
      if (!isObject(value)) return at.problem(`must be an object, but is ${describe(value)}`)
      const entries = new Map<string, T>()
      for (const [given, item] of Object.entries(value)) {
        if (item === null || item === undefined) continue
        const key = names === undefined ? given : names.keyOf(given)
        if (key === undefined) at.in(given).problem(`no such name: must be ${names?.expected ?? ''}`)
        else if (entries.has(key)) at.in(given).problem('is given twice, in two spellings')
        else {
          const read = entry.read(item, at.in(given))
          if (read !== null) entries.set(key, read)
        }
      }
      return Object.fromEntries(entries)
    },
  }
}

type Fields = Readonly<Record<string, Field<unknown>>>
/** What an object is read as. Members that are absent, null or wrong are undefined. */
export type ReadOf<F extends Fields> = {
  readonly [K in keyof F]: (F[K] extends Field<infer T> ? T : never) | undefined
}

type ObjectForm = Extract<PolicyForm, { readonly kind: 'object' }>

/** An object with known members. Names match without case; null is as good as absent; unknown members are warned about. */
export function object<const F extends Fields>(
  fields: F,
): Field<ReadOf<F>> & { readonly form: ObjectForm; readonly fields: F } {
  const known = new Map(Object.keys(fields).map((member) => [foldName(member), member]))
  const members = Object.fromEntries(Object.entries(fields).map(([member, { form }]) => [member, form]))
  return {
    fields,
    form: { kind: 'object', members },
    read: (value, at) => {
      if (!isObject(value)) return at.problem(`must be an object, but is ${describe(value)}`)
      const read: Record<string, unknown> = {}
      const seen = new Set<string>()
      for (const [given, item] of Object.entries(value)) {
        const member = known.get(foldName(given))
        const field = member === undefined ? undefined : fields[member]
        if (member === undefined || field === undefined) {
          warnOfUnknown(at.in(given), given, known.values())
          continue
        }
        if (seen.has(member)) at.in(member).problem('is given twice, in two spellings')
        seen.add(member)
        if (item !== null && item !== undefined) read[member] = field.read(item, at.in(member)) ?? undefined
      }
      // The loop has put at each name what its own field reads, which the compiler can't follow.
      return read as ReadOf<F>
    },
  }
}

function warnOfUnknown(at: Place, given: string, known: Iterable<string>): void {
  const meant = closestName(given, known)
  const hint = meant === undefined ? '' : ` (did you mean "${meant}"?)`
  at.warnOfUnknownMember(`is no known member and has no effect${hint}`)
}

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value)

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)

const quote = (given: string): string => JSON.stringify(given.slice(0, 100).toWellFormed())

function describe(value: unknown): string {
  if (typeof value === 'string') return 'a text'
  if (typeof value === 'number' || typeof value === 'bigint') return `the number ${value}`
  if (typeof value === 'boolean' || value === null) return String(value)
  return isList(value) ? 'a list' : 'an object'
}
