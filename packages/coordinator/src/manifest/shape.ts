import { foldName } from '@taw/attestation'
import type { JsonObject, JsonValue } from './json.ts'
import { pathOf, quoteName, type Place } from './path.ts'
import type { Report } from './report.ts'
import { decodeBase64 } from './text-encodings.ts'

/**
 * Shapes say what may stand at a place of the manifest and what is made of it. Decoding follows Go's JSON decoder,
 * for which users' manifests were written (spec/manifest.md): names match without case, members are assigned in the
 * order of the document, null changes nothing, objects and maps given twice are filled further.
 */
export interface Shape<T> {
  /** For messages, with article: "a string". */
  readonly expects: string
  /** What stands for null as an entry of a map or list. */
  empty(): T
  /**
   * Decodes a value that is not null. What is wrong goes to the report; the value returned is then only a stand-in.
   * @param former what an earlier member of the same name gave, to be filled further
   */
  read(value: JsonValue, place: Place | undefined, former: T | undefined, context: DecodeContext): T
}

export interface DecodeContext {
  readonly report: Report
  /** The document as uploaded. */
  readonly raw: Uint8Array
}

export function reportWrongKind(
  shape: Pick<Shape<unknown>, 'expects'>,
  value: JsonValue,
  place: Place | undefined,
  context: DecodeContext,
): void {
  context.report.undecodable(
    pathOf(place),
    `must be ${shape.expects}, but is ${describeKind(value)}`,
    value.start,
  )
}

function describeKind(value: JsonValue): string {
  switch (value.kind) {
    case 'object':
      return 'an object'
    case 'array':
      return 'an array'
    case 'string':
      return 'a string'
    case 'number':
      return value.text.length <= 40
        ? `the number ${value.text}`
        : `a number of ${value.text.length} characters`
    case 'boolean':
      return String(value.value)
    case 'null':
      return 'null'
  }
}

export const text: Shape<string> = {
  expects: 'a string',
  empty: () => '',
  read(value, place, former, context) {
    if (value.kind === 'string') return value.value
    reportWrongKind(this, value, place, context)
    return former ?? ''
  },
}

export const flag: Shape<boolean> = {
  expects: 'true or false',
  empty: () => false,
  read(value, place, former, context) {
    if (value.kind === 'boolean') return value.value
    reportWrongKind(this, value, place, context)
    return former ?? false
  },
}

/** Anything at all; kept as it is. */
export const anything: Shape<JsonValue | undefined> = {
  expects: 'any value',
  empty: () => undefined,
  read: (value) => value,
}

/** A whole number in plain digits: Go takes neither `1.0` nor `1e2` for one. */
function integer(expects: string, lowest: bigint, highest: bigint): Shape<bigint> {
  // An unsigned number takes no sign at all, so not even -0.
  const form = lowest < 0n ? /^-?\d{1,19}$/ : /^\d{1,20}$/
  return {
    expects,
    empty: () => 0n,
    read(value, place, former, context) {
      if (value.kind === 'number' && form.test(value.text)) {
        const number = BigInt(value.text)
        if (number >= lowest && number <= highest) return number
      }
      reportWrongKind(this, value, place, context)
      return former ?? 0n
    },
  }
}

export const unsigned64 = integer('a whole number from 0 to 2^64-1, in plain digits', 0n, 2n ** 64n - 1n)
export const signed64 = integer(
  'a whole number from -2^63 to 2^63-1, in plain digits',
  -(2n ** 63n),
  2n ** 63n - 1n,
)

/** Bytes: standard base64 in which line breaks are skipped, or an array of numbers. */
export const bytes: Shape<Uint8Array> = {
  expects: 'bytes: a string in standard base64 with padding, or an array of numbers from 0 to 255',
  empty: () => new Uint8Array(),
  read(value, place, former, context) {
    if (value.kind === 'string') {
      const decoded = decodeBase64(value.value)
      if (decoded !== undefined) return decoded
      context.report.undecodable(
        pathOf(place),
        'must be standard base64 with padding, but is not',
        value.start,
      )
    } else if (value.kind === 'array') {
      return Uint8Array.from(octets.read(value, place, undefined, context), Number)
    } else reportWrongKind(this, value, place, context)
    return former ?? new Uint8Array()
  },
}

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return {
    expects: 'an array',
    empty: () => [],
    read(value, place, former, context) {
      if (value.kind !== 'array') {
        reportWrongKind(this, value, place, context)
        return former ?? []
      }
      return value.items.map((element, index) =>
        element.kind === 'null'
          ? item.empty()
          : item.read(element, { parent: place, key: index }, undefined, context),
      )
    },
  }
}

const octets = list(integer('a byte: a whole number from 0 to 255', 0n, 255n))

/** An object whose members users name freely. An entry given twice is replaced as a whole. */
export function map<T>(entry: Shape<T>): Shape<ReadonlyMap<string, T>> {
  return {
    expects: 'an object',
    empty: () => new Map(),
    read(value, place, former, context) {
      const entries = new Map(former)
      if (value.kind !== 'object') {
        reportWrongKind(this, value, place, context)
        return entries
      }
      const seen = new Set<string>()
      for (const member of value.members) {
        const memberPlace: Place = { parent: place, key: member.name }
        if (seen.has(member.name)) {
          context.report.warn(
            pathOf(memberPlace),
            'is given twice: the later entry replaces the earlier',
            member.start,
          )
        }
        seen.add(member.name)
        entries.set(
          member.name,
          member.value.kind === 'null'
            ? entry.empty()
            : entry.read(member.value, memberPlace, undefined, context),
        )
      }
      return entries
    },
  }
}

export type Fields = Readonly<Record<string, Shape<unknown>>>
/** What an object decodes to. Members that are absent or null are undefined. */
export type RecordOf<F extends Fields> = {
  readonly [K in keyof F]: (F[K] extends Shape<infer T> ? T : never) | undefined
}

/** An object with known members. */
export function record<const F extends Fields>(fields: F): Shape<RecordOf<F>> & { readonly fields: F } {
  const names = new Map(Object.entries(fields).map(([name, shape]) => [foldName(name), { name, shape }]))
  const exact = new Map([...names.values()].map((field) => [field.name, field]))
  const empty = (): RecordOf<F> => ({ ...blank }) as RecordOf<F>
  const blank = Object.fromEntries([...exact.keys()].map((name) => [name, undefined]))
  return {
    fields,
    expects: 'an object',
    empty,
    read(value, place, former, context) {
      const decoded: Record<string, unknown> = { ...blank, ...former }
      if (value.kind !== 'object') reportWrongKind(this, value, place, context)
      else {
        const known = (name: string) => exact.get(name) ?? names.get(foldName(name))
        warnOfRepeated(value, place, context, (name) => known(name)?.name)
        for (const member of value.members) {
          const field = known(member.name)
          if (field === undefined) warnOfUnknown(member, place, exact, context)
          else if (member.value.kind !== 'null') {
            const { name, shape } = field
            decoded[name] = shape.read(member.value, { parent: place, key: name }, decoded[name], context)
          }
        }
      }
      // The loop above has put at each name what its own shape decodes to, which the compiler can't follow.
      return decoded as RecordOf<F>
    },
  }
}

function warnOfUnknown(
  member: JsonObject['members'][number],
  place: Place | undefined,
  known: ReadonlyMap<string, unknown>,
  { report }: DecodeContext,
): void {
  // Editors look for the JSON Schema of a document in this member.
  if (place === undefined && member.name === '$schema') return
  report.warn(
    pathOf({ parent: place, key: member.name }),
    `is no known member and has no effect${report.didYouMean(member.name, known)}`,
    member.start,
  )
}

function warnOfRepeated(
  value: JsonObject,
  place: Place | undefined,
  { report }: DecodeContext,
  canonical: (name: string) => string | undefined,
): void {
  const spellings = new Map<string, string>()
  for (const member of value.members) {
    const name = canonical(member.name)
    if (name === undefined) continue
    const former = spellings.get(name)
    if (former !== undefined) {
      const how =
        former === member.name
          ? 'is given twice'
          : `is given as ${quoteName(former)} and as ${quoteName(member.name)}`
      const rule = 'what the later one says counts; objects are joined'
      report.warn(pathOf({ parent: place, key: name }), `${how}: ${rule}`, member.start)
    }
    spellings.set(name, member.name)
  }
}
