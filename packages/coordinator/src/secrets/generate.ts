import { createHmac, hkdfSync, randomBytes } from 'node:crypto'
import type { SecretDefinition } from '../manifest/model.ts'
import type { Issuer } from '../pki/authority.ts'
import type { KeyKind, KeyPair } from '../pki/key-pair.ts'
import { checkCertificateTemplate, issueSecretCertificate } from '../pki/secret-certificate.ts'
import { Refusal } from '../refusal.ts'
import { keyKindOf, sizeProblem } from './size.ts'
import { SecretBytes } from './secret-bytes.ts'
import type { SecretValue } from './value.ts'

/** Why a secret can't be generated; `path` is relative to `Secrets.<name>`. */
export interface SecretProblem {
  readonly path: readonly string[]
  readonly message: string
}

/**
 * Tells why a secret can't be generated; empty when it can, and for secrets that users upload. It is the code that
 * generates, so what passes here can be generated.
 */
export function checkSecret(definition: SecretDefinition, now: Date): readonly SecretProblem[] {
  if (definition.userDefined) return []
  const problem = sizeProblem(definition)
  return [
    ...(problem === undefined ? [] : [{ path: ['Size'], message: problem }]),
    ...checkCertificateTemplate(definition, now),
  ]
}

/**
 * A new random symmetric key, for a shared secret.
 *
 * @param bits a positive multiple of 8.
 */
export const generateSymmetricKey = (bits: number): SecretValue => symmetricKey(randomBytes(bits / 8))

function symmetricKey(key: Uint8Array): SecretValue {
  const bytes = new SecretBytes(key)
  return { certificate: undefined, private: bytes, public: bytes }
}

/** What a private symmetric key depends on. */
export interface KeyDerivation {
  /** 32 bytes. */
  readonly rootSecret: SecretBytes
  /** The marble's UUID in canonical form. */
  readonly uuid: string
  /** Of the secret. */
  readonly name: string
  /** Empty for a marble with `DisableSecretBinding`. */
  readonly marbleType: string
  /** A positive multiple of 8, at most 65,280. */
  readonly bits: number
}

/**
 * The symmetric key of a private secret: the same for the same marble, at every activation.
 *
 * HKDF-SHA-256 (RFC 5869). Salt and info are as the original has them (spec/secrets.md), so that data encrypted with
 * its keys stays readable; this is the one derivation here whose inputs carry no labels and lengths.
 */
export function deriveSymmetricKey({ rootSecret, uuid, name, marbleType, bits }: KeyDerivation): SecretValue {
  const salt = Buffer.from(uuid + name, 'utf8')
  const info = Buffer.from(marbleType, 'utf8')
  return symmetricKey(hkdfSha256(rootSecret.reveal(), salt, info, bits / 8))
}

/** OpenSSL takes no longer info; names of marble types may be longer. */
const longestOpenSslInfo = 1024

function hkdfSha256(key: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (info.length <= longestOpenSslInfo) return new Uint8Array(hkdfSync('sha256', key, salt, info, length))
  const hmac = (secret: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array =>
    parts.reduce((state, part) => state.update(part), createHmac('sha256', secret)).digest()
  const pseudoRandomKey = hmac(salt, key)
  const output = new Uint8Array(length)
  let block: Uint8Array = new Uint8Array()
  for (let filled = 0, counter = 1; filled < length; filled += block.length, counter++) {
    block = hmac(pseudoRandomKey, block, info, Uint8Array.of(counter))
    output.set(block.subarray(0, length - filled), filled)
  }
  return output
}

export interface CertificatePorts {
  readonly issuer: Issuer
  readonly keyPool: { take(kind: KeyKind): Promise<KeyPair> }
  readonly now: Date
}

/**
 * A new key pair with its certificate, for a shared or a private secret.
 *
 * @throws Refusal `secret_invalid` when {@link checkSecret} finds a problem.
 */
export async function generateCertificateSecret(
  definition: SecretDefinition,
  { issuer, keyPool, now }: CertificatePorts,
): Promise<SecretValue> {
  const kind = keyKindOf(definition)
  if (kind === undefined) {
    throw new Refusal(
      'secret_invalid',
      `A secret of type "${definition.type}" and size ${definition.size} can't be generated: ` +
        `${sizeProblem(definition) ?? 'it is no certificate'}. Change the manifest.`,
    )
  }
  const { publicKey, privateKey } = await keyPool.take(kind)
  const certificate = await issueSecretCertificate(issuer, definition, publicKey, now)
  return { certificate, private: privateKey, public: new SecretBytes(publicKey) }
}
