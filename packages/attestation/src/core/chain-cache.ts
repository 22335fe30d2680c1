import { BoundedCache } from './cache.ts'
import type { SignedChain } from './chain.ts'
import { contentKey } from './content-key.ts'
import type { CryptoPort, PublicKey, SignatureScheme } from './crypto.ts'

/** A chain whose signatures were verified, and its leaf's key. */
export interface KeyedChain {
  readonly chain: SignedChain
  readonly key: PublicKey
}

/** A chain is some 6 KB. */
const ENTRIES = 1024

/**
 * Remembers verified chains by the bytes that they were made from, for one verifier with one set of anchors. Dates and
 * revocation are for the caller to look at, each time.
 */
export class ChainCache {
  readonly #crypto: CryptoPort
  readonly #scheme: SignatureScheme
  readonly #entries: BoundedCache<KeyedChain | 'no-key'>

  /** @param scheme of the leaves' keys */
  constructor(crypto: CryptoPort, scheme: SignatureScheme, entries: number = ENTRIES) {
    this.#crypto = crypto
    this.#scheme = scheme
    this.#entries = new BoundedCache(entries)
  }

  /**
   * @param parts everything that `verify` depends on
   * @returns undefined when the leaf's key is none of the scheme
   */
  async chainOf(
    parts: readonly Uint8Array[],
    verify: () => Promise<SignedChain>,
  ): Promise<KeyedChain | undefined> {
    const entry = await this.#entries.getOrMake(await contentKey(this.#crypto, parts), async () => {
      const chain = await verify()
      const key = await this.#crypto.importKey(this.#scheme, chain.leaf.spki)
      return key ? { chain, key } : 'no-key'
    })
    return entry === 'no-key' ? undefined : entry
  }
}
