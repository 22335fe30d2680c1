/** Buckets of a map; copying one, and the list of all, is what a change costs. */
const bucketCount = 1024

/**
 * An immutable map for many entries that change one at a time: a change costs a thousandth of a copy. Order of
 * entries is not kept.
 */
export class PersistentMap<V> implements Iterable<readonly [string, V]> {
  readonly size: number
  readonly #buckets: readonly (ReadonlyMap<string, V> | undefined)[]

  private constructor(buckets: readonly (ReadonlyMap<string, V> | undefined)[], size: number) {
    this.#buckets = buckets
    this.size = size
  }

  static empty<V>(): PersistentMap<V> {
    return new PersistentMap<V>([], 0)
  }

  get(key: string): V | undefined {
    return this.#buckets[bucketOf(key)]?.get(key)
  }

  /** The map with this entry besides, or instead of the one with the same key. */
  with(key: string, value: V): PersistentMap<V> {
    const index = bucketOf(key)
    const bucket = new Map(this.#buckets[index])
    const added = bucket.has(key) ? 0 : 1
    bucket.set(key, value)
    const buckets = Array.from({ length: bucketCount }, (_, at) =>
      at === index ? bucket : this.#buckets[at],
    )
    return new PersistentMap(buckets, this.size + added)
  }

  *[Symbol.iterator](): IterableIterator<readonly [string, V]> {
    for (const bucket of this.#buckets) if (bucket !== undefined) yield* bucket
  }
}

/** FNV-1a over UTF-16 units (Fowler, Noll, Vo). Keys come from attested marbles, and a full bucket is only slow. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  }
  return (hash >>> 0) % bucketCount
}
