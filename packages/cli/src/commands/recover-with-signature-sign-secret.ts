import { signRecoverySecret } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { CliError } from '../errors.ts'
import { checkSecretOutput, writeSecretOutput } from '../output/files.ts'
import { readRecoveryKey } from '../recovery/recovery-key.ts'
import { openSecret, readSecretFile } from '../recovery/secret-file.ts'

const what = 'the signature'

/** Sign the plain secret with the party's recovery key, and save the signature (binary). No network. */
export const recoverWithSignatureSignSecret: CommandHandler = async ({ args, flags, stderr }) => {
  const [file = ''] = args
  const output = flags.string('output')
  if (output === undefined) throw new CliError(`The file for ${what} is not given: name it with --output`)
  const force = flags.bool('force')
  checkSecretOutput(output, what, force)
  const key = readRecoveryKey(flags)
  const secret = openSecret(readSecretFile(file), file, key, stderr)
  writeSecretOutput(output, signRecoverySecret(secret, key.key), what, force)
  return Promise.resolve(0)
}
