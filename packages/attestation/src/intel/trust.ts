import { BoundedCache } from '../core/cache.ts'
import { contentKey } from '../core/content-key.ts'
import type { CryptoPort, PublicKey } from '../core/crypto.ts'
import type { SignedChain } from '../core/chain.ts'
import type { Certificate } from '../core/x509.ts'
import type { PckExtensions } from './pck.ts'

/** A platform's certificate: its chain was verified, but for dates and revocation. */
export interface CertifiedPck {
  /** PCK certificate, PCK CA, root. */
  readonly chain: SignedChain
  readonly platform: PckExtensions
  readonly key: PublicKey
}

/** An attestation key, and the platform whose quoting enclave vouches for it; all but dates and revocation verified. */
export interface CertifiedKey {
  readonly pck: CertifiedPck
  readonly attestationKey: PublicKey
}

/**
 * Entries that each cache keeps: a fleet of some thousand platforms. An entry of the largest kind (a parsed chain) has
 * about 10 KB.
 */
const CACHE_ENTRIES = 4096

/**
 * What a verifier trusts and what it remembers. Caches hold only what the very same bytes gave before, and only what doesn't
 * depend on the time: dates and revocation are looked at for each quote.
 */
export class Trust {
  readonly crypto: CryptoPort
  readonly anchors: readonly Certificate[]
  /** By the certificates' bytes. */
  readonly pcks: BoundedCache<CertifiedPck>
  /** By all that stands behind the signature in a quote. A quoting enclave keeps its key, so quotes of a platform share this. */
  readonly attestationKeys: BoundedCache<CertifiedKey>
  /** Chains of documents and lists whose signatures were verified; by the bytes of both. */
  readonly issuers: BoundedCache<SignedChain>
  readonly #keys = new WeakMap<object, string>()
  readonly #texts = new WeakMap<object, string>()

  constructor(crypto: CryptoPort, anchors: readonly Certificate[], cacheEntries: number = CACHE_ENTRIES) {
    this.crypto = crypto
    this.anchors = anchors
    this.pcks = new BoundedCache(cacheEntries)
    this.attestationKeys = new BoundedCache(cacheEntries)
    this.issuers = new BoundedCache(cacheEntries)
  }

  /** The content key of an object that never changes, computed once. */
  async keyOf(owner: object, parts: () => readonly Uint8Array[]): Promise<string> {
    const known = this.#keys.get(owner)
    if (known !== undefined) return known
    const key = await contentKey(this.crypto, parts())
    this.#keys.set(owner, key)
    return key
  }

  /** How checks describe an object that never changes, put together once. */
  textOf(owner: object, describe: () => string): string {
    const known = this.#texts.get(owner)
    if (known !== undefined) return known
    const text = describe()
    this.#texts.set(owner, text)
    return text
  }
}
