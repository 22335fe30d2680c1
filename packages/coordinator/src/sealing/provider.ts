import type { SealMode } from '../manifest/model.ts'
import type { SecretBytes } from '../secrets/secret-bytes.ts'

/** What a sealed key is bound to: the exact build, or whoever signed it, so that newer builds open it too. */
export type SealBinding = Exclude<SealMode, 'Disabled'>

export interface SealContext {
  readonly binding: SealBinding
  /** Bytes that are not secret, and must be the same at {@link SealingProvider.unseal}. */
  readonly associatedData: Uint8Array
}

/** Seals bytes under a key that only this TEE can derive (spec/recovery.md, "KEK"). One file a kind, in `providers/`. */
export interface SealingProvider {
  /** Name of the kind, stored next to what it sealed: a provider opens nothing of another kind. */
  readonly kind: string
  /** @throws {@link SealingError} when the TEE gives no key now */
  seal(plaintext: SecretBytes, context: SealContext): Promise<Uint8Array>
  /** @throws {@link SealingError} when the bytes were not sealed by this TEE with this context, or were altered */
  unseal(sealed: Uint8Array, context: SealContext): Promise<SecretBytes>
}

/** Sealing or unsealing failed. The message says what was found; never a key. */
export class SealingError extends Error {
  override readonly name = 'SealingError'
}
