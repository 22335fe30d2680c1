/** A JSON value with exact integers and ordered maps. */
export type JsonValue =
  null | boolean | number | bigint | string | readonly JsonValue[] | ReadonlyMap<string, JsonValue>

export function isMap(value: JsonValue): value is ReadonlyMap<string, JsonValue> {
  return value instanceof Map
}

/** Levels of nesting; conversion recurses, and an alias in YAML may lead back to where it stands. */
const maxDepth = 1000

/**
 * Narrows what a parser made: integers may be bigint, maps are Map, `undefined` counts as null.
 * @param fail is called with what JSON can't say
 */
export function toJsonValue(value: unknown, fail: (problem: string) => never, depth = 0): JsonValue {
  if (depth > maxDepth) return fail(`it is nested more than ${maxDepth} levels deep`)
  const nested = (item: unknown): JsonValue => toJsonValue(item, fail, depth + 1)
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : fail(`JSON has no number ${value}`)
  // What YAML's `!!binary` gives: the bytes, as text.
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  if (Array.isArray(value)) return value.map(nested)
  if (value instanceof Set) return nested(new Map([...value].map((name: unknown) => [name, null])))
  if (!(value instanceof Map)) return fail('it holds a value of a type that JSON has not')
  const members = new Map<string, JsonValue>()
  for (const [name, item] of value) {
    const text = memberName(name) ?? fail('a member name is a list or a map')
    if (members.has(text)) fail(`the member ${JSON.stringify(text)} is there twice`)
    members.set(text, nested(item))
  }
  return members
}

/** Names that are numbers, Booleans or null become text. */
function memberName(name: unknown): string | undefined {
  if (typeof name === 'string') return name
  if (name === null || typeof name === 'bigint' || typeof name === 'number' || typeof name === 'boolean')
    return String(name)
  return undefined
}
