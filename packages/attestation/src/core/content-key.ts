import { concatBytes } from './bytes.ts'
import type { CryptoPort } from './crypto.ts'
import { toHex } from './encoding.ts'

/** SHA-256 over length-prefixed parts, in hex: a cache key that stands for exactly these bytes in this order. */
export async function contentKey(crypto: CryptoPort, parts: readonly Uint8Array[]): Promise<string> {
  const framed = parts.flatMap((part) => {
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, part.length)
    return [length, part]
  })
  return toHex(await crypto.sha256(concatBytes(...framed)))
}
