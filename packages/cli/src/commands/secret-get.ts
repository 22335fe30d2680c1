import { parseAddress } from '@taw/client'
import type { SecretAnswer } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { connectPinned } from '../deployment/connect.ts'
import { readUserIdentity } from '../deployment/user.ts'
import { checkSecretOutput, writeSecretOutput } from '../output/files.ts'
import { describeSecret } from '../secret/describe-secret.ts'

const what = 'the secrets'

/** Shown for people on stdout, or as JSON in the file of `-o`. */
export const secretGet: CommandHandler = async (invocation) => {
  const { args, flags, stdout } = invocation
  const names = args.slice(0, -1)
  const address = parseAddress(args.at(-1) ?? '')
  const identity = readUserIdentity(flags)
  const file = flags.string('output')
  const force = flags.bool('force')
  if (file !== undefined) checkSecretOutput(file, what, force)
  const secrets = await connectPinned(invocation, address, identity).secrets(names)
  if (file === undefined) {
    stdout([...secrets].map(([name, secret]) => describeSecret(name, secret)).join(''))
    return 0
  }
  writeSecretOutput(file, toJson(secrets), what, force)
  stdout(`The secrets are in ${file}\n`)
  return 0
}

/** Compact, the members in the recorded order. */
function toJson(secrets: ReadonlyMap<string, SecretAnswer>): string {
  const base64 = (bytes: Uint8Array | undefined): string | null =>
    bytes ? Buffer.from(bytes).toString('base64') : null
  const entries = [...secrets].map(([name, secret]) => [
    name,
    {
      Type: secret.type,
      Size: secret.size,
      Shared: secret.shared,
      UserDefined: secret.userDefined,
      Cert: base64(secret.certificate),
      ValidFor: secret.validFor,
      Private: base64(secret.privateKey),
      Public: base64(secret.publicKey),
    },
  ])
  return JSON.stringify(Object.fromEntries(entries))
}
