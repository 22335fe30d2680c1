import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import { decrypt, decryptFailure, encrypt } from './aead.ts'
import { type SealContext, SealingError } from './provider.ts'

/** Encrypts for providers whose TEE gives them a key, but no sealing operation of its own. */
export function sealBox(key: Uint8Array, plaintext: SecretBytes, context: SealContext): Uint8Array {
  return encrypt(kekOf(key, context), plaintext.reveal(), context.associatedData)
}

/** @throws {@link SealingError} on another version, another key or context, or altered bytes */
export function openBox(key: Uint8Array, sealed: Uint8Array, context: SealContext): SecretBytes {
  const plaintext = decrypt(kekOf(key, context), sealed, context.associatedData)
  if (plaintext !== undefined) return new SecretBytes(plaintext)
  throw new SealingError(`it ${decryptFailure(sealed)}: another TEE or build sealed it, or it was altered`)
}

/** The key that encrypts (spec/recovery.md, "KEK"): never the TEE's key itself, and another one for each binding. */
function kekOf(key: Uint8Array, { binding }: SealContext): KeyObject {
  const kek = new Uint8Array(hkdfSync('sha256', key, new Uint8Array(), `taw sealed key v1 ${binding}`, 32))
  const imported = createSecretKey(kek)
  kek.fill(0)
  return imported
}
