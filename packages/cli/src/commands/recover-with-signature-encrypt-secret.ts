import { encryptRecoverySecret, isPlainRecoverySecret } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { CliError } from '../errors.ts'
import { checkSecretOutput, writeSecretOutput } from '../output/files.ts'
import { keyFingerprint } from '../recovery/fingerprint.ts'
import { readEphemeralKey, readRecoveryKeyIfGiven } from '../recovery/recovery-key.ts'
import type { RecoveryKey } from '../recovery/recovery-key.ts'
import { openSecret, readSecretFile, singleSecret } from '../recovery/secret-file.ts'

const what = 'the encrypted recovery secret'

/** Encrypt a secret so that only this Coordinator, until its next stop, can read it. No network. */
export const recoverWithSignatureEncryptSecret: CommandHandler = async ({ args, flags, stderr }) => {
  const [file = ''] = args
  const output = flags.string('output')
  const publicKeyFile = flags.string('coordinator-pub-key')
  if (output === undefined) throw new CliError(`The file for ${what} is not given: name it with --output`)
  if (publicKeyFile === undefined) {
    throw new CliError("The Coordinator's public key is not given: name its file with --coordinator-pub-key")
  }
  const force = flags.bool('force')
  checkSecretOutput(output, what, force)
  const publicKey = readEphemeralKey(publicKeyFile)
  const secret = plainSecret(file, readRecoveryKeyIfGiven(flags), stderr)
  writeSecretOutput(output, encryptRecoverySecret(secret, publicKey), what, force)
  stderr(`Encrypted to the public key with SHA-256 ${keyFingerprint(publicKey)}`)
  return Promise.resolve(0)
}

function plainSecret(file: string, key: RecoveryKey | undefined, report: (line: string) => void): Uint8Array {
  const content = readSecretFile(file)
  if (key !== undefined) return openSecret(content, file, key, report)
  const secret = singleSecret(content, file)
  if (isPlainRecoverySecret(secret)) return secret
  throw new CliError(
    `The ${secret.length} bytes in ${JSON.stringify(file)} are no plain recovery secret (16, 32 or 33 bytes): ` +
      "give the party's recovery key with --key to decrypt it first",
  )
}
