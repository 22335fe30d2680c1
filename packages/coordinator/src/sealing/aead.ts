import { createCipheriv, createDecipheriv, type KeyObject, randomFillSync } from 'node:crypto'

/** First byte of what {@link encrypt} makes: AES-256-GCM, 12-byte random nonce, 16-byte tag at the end. */
const aeadVersion = 1
const nonceLength = 12
const tagLength = 16
const headLength = 1 + nonceLength

/** Bytes that {@link encrypt} adds. */
const aeadOverhead = headLength + tagLength

/**
 * Version, nonce, ciphertext, tag. Nonces are random: a key may be used 2³² times (NIST SP 800-38D, 8.3).
 *
 * @param key 32 bytes
 */
export function encrypt(key: KeyObject, plaintext: Uint8Array, associatedData: Uint8Array): Buffer {
  const box = Buffer.allocUnsafe(aeadOverhead + plaintext.length)
  box[0] = aeadVersion
  box.set(freshNonce(), 1)
  const cipher = createCipheriv('aes-256-gcm', key, box.subarray(1, headLength))
  cipher.setAAD(associatedData)
  // GCM is a stream mode: `update` yields all of the ciphertext, `final` only ends it.
  cipher.update(plaintext).copy(box, headLength)
  cipher.final()
  cipher.getAuthTag().copy(box, box.length - tagLength)
  return box
}

/** @returns undefined when the box is too short, of an unknown version, or does not authenticate */
export function decrypt(key: KeyObject, box: Uint8Array, associatedData: Uint8Array): Buffer | undefined {
  if (box.length < aeadOverhead || box[0] !== aeadVersion) return undefined
  const nonce = box.subarray(1, headLength)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength })
  decipher.setAAD(associatedData)
  decipher.setAuthTag(box.subarray(box.length - tagLength))
  const plaintext = decipher.update(box.subarray(headLength, box.length - tagLength))
  try {
    decipher.final()
  } catch {
    plaintext.fill(0)
    return undefined
  }
  return plaintext
}

/** Why {@link decrypt} gave nothing. */
export function decryptFailure(box: Uint8Array): string {
  if (box.length < aeadOverhead) return `has ${box.length} bytes, but needs at least ${aeadOverhead}`
  if (box[0] !== aeadVersion) return `has version ${box[0]}; this build reads version ${aeadVersion}`
  return 'does not authenticate'
}

/** Random bytes for many nonces at once: asking for each alone costs more than encrypting a short text. */
const nonces = Buffer.allocUnsafeSlow(nonceLength * 256)
let nextNonce = nonces.length

function freshNonce(): Uint8Array {
  if (nextNonce === nonces.length) {
    randomFillSync(nonces)
    nextNonce = 0
  }
  const nonce = nonces.subarray(nextNonce, nextNonce + nonceLength)
  nextNonce += nonceLength
  return nonce
}
