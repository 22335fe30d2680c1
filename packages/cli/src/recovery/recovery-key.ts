import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { FlagValues } from '../arguments/flag.ts'
import { parsePrivateKey } from '../deployment/private-key.ts'
import { CliError } from '../errors.ts'
import { readInput } from '../output/files.ts'

/** A party's private RSA key. */
export interface RecoveryKey {
  readonly key: KeyObject
  readonly file: string
}

/** For commands that sign: the key must be given. */
export function readRecoveryKey(flags: FlagValues): RecoveryKey {
  const key = readRecoveryKeyIfGiven(flags)
  if (key !== undefined) return key
  throw new CliError("The party's recovery key is not given: name the file of the private key with --key")
}

/** PKCS #8 or PKCS #1, PEM. The rules for the flags are those of a user's (golden/cli/behaviour.json, `userFlags`). */
export function readRecoveryKeyIfGiven(flags: FlagValues): RecoveryKey | undefined {
  const file = flags.string('key')
  const token = ['pkcs11-config', 'pkcs11-key-id', 'pkcs11-key-label'].find(
    (name) => flags.string(name) !== undefined,
  )
  if (token !== undefined) {
    throw new CliError(
      file === undefined
        ? `The flag --${token}: PKCS #11 tokens are not supported yet; give the key as a file, with --key`
        : `The flag --${token} excludes --key: the key is in a file or in a token, not in both`,
    )
  }
  if (file === undefined) return undefined
  const key = parsePrivateKey(readInput(file, 'the recovery key').toString('utf8'), file)
  if (key.asymmetricKeyType === 'rsa') return { key, file }
  throw new CliError(
    `The key in ${JSON.stringify(file)} is of type "${key.asymmetricKeyType ?? 'unknown'}"; recovery keys are RSA keys`,
  )
}

/** The Coordinator's ephemeral key, as `recover-with-signature public-key` gives it. */
export function readEphemeralKey(file: string): KeyObject {
  const pem = readInput(file, "the Coordinator's public key").toString('utf8')
  const where = `The file ${JSON.stringify(file)}`
  const expected = "what 'taw recover-with-signature public-key' prints"
  // OpenSSL would also take a certificate, or derive the public key from a private one: both are somebody else's.
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) {
    throw new CliError(`${where} holds no PEM block PUBLIC KEY; it should be ${expected}`)
  }
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch (error) {
    throw new CliError(`${where} holds a public key that can't be read; it should be ${expected}`, {
      cause: error,
    })
  }
  if (key.asymmetricKeyType === 'rsa') return key
  throw new CliError(`${where} holds no RSA public key; it should be ${expected}`)
}
