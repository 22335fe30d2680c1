import { constants, generateKeyPairSync, type KeyObject, privateDecrypt, sign } from 'node:crypto'
import { get } from './coordinator.ts'

/** Somebody with a recovery key. */
export interface Party {
  readonly name: string
  /** PEM, SubjectPublicKeyInfo. */
  readonly publicPem: string
  readonly privateKey: KeyObject
}

export function makeParty(name: string): Party {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { name, publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(), privateKey }
}

/** Parties' secrets by name, decrypted. @param answered base64 by name, as `RecoverySecrets` of an answer */
export function decryptShares(
  parties: readonly Party[],
  answered: Readonly<Record<string, string>>,
): ReadonlyMap<string, Buffer> {
  return new Map(
    parties.map(({ name, privateKey }) => [
      name,
      privateDecrypt(
        { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
        Buffer.from(answered[name] ?? '', 'base64'),
      ),
    ]),
  )
}

export const signShare = (share: Uint8Array, { privateKey }: Party): Buffer =>
  sign('sha256', share, privateKey)

export interface Upload {
  readonly status: number
  /** Undefined when it was refused. */
  readonly remaining: number | undefined
  readonly message: string
}

/** Uploads a secret with a signature to a Coordinator in state 1. */
export async function uploadShare(port: number, share: Uint8Array, signature: Uint8Array): Promise<Upload> {
  const body = JSON.stringify({
    recoverySecret: Buffer.from(share).toString('base64'),
    recoverySecretSignature: Buffer.from(signature).toString('base64'),
  })
  const { status, text } = await get(port, '/api/v2/recover', { method: 'POST', body })
  const answer = JSON.parse(text) as { data: { remaining: number; message: string } | null; message?: string }
  if (status !== 200 || answer.data === null) {
    return { status, remaining: undefined, message: answer.message ?? '' }
  }
  return { status, remaining: answer.data.remaining, message: answer.data.message }
}
