import { foldName } from '@taw/attestation'
import type { JsonMember, JsonObject, JsonValue } from './json.ts'
import type { Path } from './path.ts'

/** An object that is looked into more often than this gets an index of its members. */
const searchesWithoutIndex = 16

/** Finds where the value at a path stands in a document, in a time that doesn't grow with the number of questions. */
export class Locator {
  readonly #root: JsonValue
  readonly #searches = new WeakMap<JsonObject, number>()
  readonly #indexes = new WeakMap<JsonObject, ReadonlyMap<string, readonly JsonMember[]>>()

  constructor(root: JsonValue) {
    this.#root = root
  }

  /** Byte offset of the value, or of the nearest value around it that is there. */
  offsetOf(path: Path): number {
    let candidates: readonly JsonValue[] = [this.#root]
    for (const key of path) {
      const next = candidates.flatMap((value) => this.#children(value, key))
      if (next.length === 0) break
      candidates = next
    }
    // Of members given twice the last one counts.
    return candidates.at(-1)?.start ?? 0
  }

  #children(value: JsonValue, key: string | number): readonly JsonValue[] {
    if (typeof key === 'number') {
      const item = value.kind === 'array' ? value.items[key] : undefined
      return item === undefined ? [] : [item]
    }
    if (value.kind !== 'object') return []
    const members = this.#membersNamed(foldName(key), value)
    const exact = members.filter(({ name }) => name === key)
    return (exact.length > 0 ? exact : members).map((member) => member.value)
  }

  #membersNamed(folded: string, object: JsonObject): readonly JsonMember[] {
    const searches = (this.#searches.get(object) ?? 0) + 1
    this.#searches.set(object, searches)
    if (searches > searchesWithoutIndex) return this.#index(object).get(folded) ?? []
    return object.members.filter(({ name }) => name.length === folded.length && foldName(name) === folded)
  }

  #index(object: JsonObject): ReadonlyMap<string, readonly JsonMember[]> {
    const known = this.#indexes.get(object)
    if (known !== undefined) return known
    const index = new Map<string, JsonMember[]>()
    for (const member of object.members) {
      const name = foldName(member.name)
      const same = index.get(name)
      if (same === undefined) index.set(name, [member])
      else same.push(member)
    }
    this.#indexes.set(object, index)
    return index
  }
}
