import { constants, privateDecrypt, publicEncrypt, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** Bytes of a recovery secret that is not encrypted: a key or XOR share, a Shamir share, and an older form (spec/recovery.md). */
const plainLengths: ReadonlySet<number> = new Set([32, 33, 16])

/** Whether these bytes are the secret itself. The Coordinator takes all other lengths as encrypted to its ephemeral key. */
export const isPlainRecoverySecret = (secret: Uint8Array): boolean => plainLengths.has(secret.length)

/**
 * Opens a recovery secret as `manifest set` gives it: encrypted to its party's RSA key (RSA-OAEP with SHA-256, no label).
 * @returns undefined if it is not encrypted to this key, or holds no recovery secret
 */
export function decryptRecoverySecret(encrypted: Uint8Array, recoveryKey: KeyObject): Uint8Array | undefined {
  let secret: Uint8Array
  try {
    secret = privateDecrypt({ key: recoveryKey, ...oaep }, encrypted)
  } catch {
    return undefined
  }
  return isPlainRecoverySecret(secret) ? secret : undefined
}

/** For the Coordinator alone: RSA-OAEP with SHA-256 to its ephemeral key. */
export function encryptRecoverySecret(secret: Uint8Array, ephemeralKey: KeyObject): Uint8Array {
  return publicEncrypt({ key: ephemeralKey, ...oaep }, secret)
}

/** By the party's RSA key, over the plain secret: RSA PKCS #1 v1.5 with SHA-256. */
export function signRecoverySecret(secret: Uint8Array, recoveryKey: KeyObject): Uint8Array {
  return sign('sha256', secret, { key: recoveryKey, padding: constants.RSA_PKCS1_PADDING })
}

const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const
