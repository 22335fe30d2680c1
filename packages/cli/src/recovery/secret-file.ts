import { decryptRecoverySecret, isPlainRecoverySecret } from '@taw/client'
import { CliError } from '../errors.ts'
import { readInput } from '../output/files.ts'
import type { RecoveryKey } from './recovery-key.ts'

const what = 'the recovery secret'

/** What a file with recovery secrets holds. */
export type SecretFile =
  /** The secret of one party: plain, or encrypted to whomever. */
  | { readonly kind: 'single'; readonly secret: Uint8Array }
  /** What `manifest set` gave: by the name of the recovery key, each encrypted to that key. */
  | { readonly kind: 'parties'; readonly secrets: ReadonlyMap<string, Uint8Array> }

export const readSecretFile = (file: string): SecretFile => parseSecretFile(readInput(file, what), file)

/**
 * The secret in the form in which somebody may have kept it: raw bytes, base64, or the JSON of `manifest set`
 * (`{"RecoverySecrets": {name: base64}}`). The forms can't be confused: raw secrets have few lengths, which none of the
 * others has, and encrypted ones are random bytes.
 * @throws CliError for JSON of another shape
 */
export function parseSecretFile(bytes: Uint8Array, file: string): SecretFile {
  if (isPlainRecoverySecret(bytes)) return { kind: 'single', secret: bytes }
  const text = Buffer.from(bytes).toString('utf8').trim()
  if (text.startsWith('{')) {
    const secrets = parseParties(text, file)
    if (secrets !== undefined) return { kind: 'parties', secrets }
  }
  return { kind: 'single', secret: fromBase64(text.replaceAll(/\s/g, '')) ?? bytes }
}

/** Undefined: this is no JSON, but bytes that happen to begin like it. */
function parseParties(text: string, file: string): ReadonlyMap<string, Uint8Array> | undefined {
  const where = `The file ${JSON.stringify(file)}`
  const expected = 'what \'manifest set\' prints: {"RecoverySecrets":{"<name>":"<base64>"}}'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (!text.includes('RecoverySecrets')) return undefined
    throw new CliError(`${where} holds damaged JSON; it should be ${expected}`, { cause: error })
  }
  const secrets =
    typeof value === 'object' && value !== null && 'RecoverySecrets' in value
      ? value.RecoverySecrets
      : undefined
  if (typeof secrets !== 'object' || secrets === null || Array.isArray(secrets)) {
    throw new CliError(`${where} holds JSON, but not ${expected}`)
  }
  const entries = Object.entries(secrets).map(([name, secret]: [string, unknown]) => {
    const decoded = typeof secret === 'string' ? fromBase64(secret) : undefined
    if (decoded !== undefined) return [name, decoded] as const
    throw new CliError(`${where} holds no base64 as the recovery secret of ${JSON.stringify(name)}`)
  })
  return new Map(entries)
}

/** Padded standard base64 of at least one byte, else undefined. */
function fromBase64(text: string): Uint8Array | undefined {
  const decoded = Buffer.from(text, 'base64')
  return decoded.length > 0 && decoded.toString('base64') === text ? decoded : undefined
}

/**
 * The secret of the party that has this key, decrypted if need be.
 * @param report gets a line that says whose secret is used, where the file holds several
 * @throws CliError when the key does not fit
 */
export function openSecret(
  content: SecretFile,
  file: string,
  key: RecoveryKey,
  report: (line: string) => void,
): Uint8Array {
  const where = `the file ${JSON.stringify(file)}`
  const keyIs = `the recovery key in ${JSON.stringify(key.file)}`
  if (content.kind === 'single') {
    if (isPlainRecoverySecret(content.secret)) return content.secret
    const secret = decryptRecoverySecret(content.secret, key.key)
    if (secret !== undefined) return secret
    throw new CliError(
      `Decrypting ${what}: the ${content.secret.length} bytes in ${where} are not encrypted to ${keyIs} ` +
        '(RSA-OAEP, SHA-256), and are no plain secret (16, 32 or 33 bytes) either. Is this the key of the same party?',
    )
  }
  const opened = [...content.secrets].flatMap(([name, encrypted]) => {
    const secret = decryptRecoverySecret(encrypted, key.key)
    return secret === undefined ? [] : [{ name, secret }]
  })
  const [first, ...others] = opened
  const quote = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(', ')
  if (first === undefined) {
    throw new CliError(
      `Decrypting ${what}: none of those in ${where} (${quote([...content.secrets.keys()])}) is encrypted to ${keyIs}`,
    )
  }
  if (others.length > 0) {
    throw new CliError(
      `Decrypting ${what}: several in ${where} are encrypted to ${keyIs} (${quote(opened.map(({ name }) => name))}); ` +
        'put the base64 of each into a file of its own, and use one after the other',
    )
  }
  report(`Using the recovery secret of ${JSON.stringify(first.name)}`)
  return first.secret
}

/** For commands without a recovery key: one secret, which must be usable as it is. */
export function singleSecret(content: SecretFile, file: string): Uint8Array {
  if (content.kind === 'single') return content.secret
  throw new CliError(
    `The file ${JSON.stringify(file)} holds recovery secrets that are encrypted to the recovery keys of their parties; ` +
      "decrypt one with the party's key: 'taw recover', or for a key that is kept offline " +
      "'taw recover-with-signature encrypt-secret -k' and 'sign-secret -k'",
  )
}
