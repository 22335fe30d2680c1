import { parseAddress } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { connectPinned } from '../deployment/connect.ts'
import { readUserIdentity } from '../deployment/user.ts'
import { CliError } from '../errors.ts'
import { readInput } from '../output/files.ts'

/** Uploads `{name: {Key} or {Cert, Private}}` from a JSON file, or one certificate and key from a PEM file. */
export const secretSet: CommandHandler = async (invocation) => {
  const { args, flags, stdout, stderr } = invocation
  const [file = '', host = ''] = args
  const address = parseAddress(host)
  const identity = readUserIdentity(flags)
  const text = readInput(file, 'the secrets').toString('utf8')
  const name = flags.string('from-pem')
  const secrets = name === undefined ? checkSecrets(text, file) : await secretsFromPem(name, text, file)
  const { warnings } = await connectPinned(invocation, address, identity).setSecrets(secrets)
  for (const warning of warnings) stderr(`Warning: ${warning}`)
  stdout('The secrets are set\n')
  return 0
}

/** The text goes out as it is; only that it can stand in a request is looked at here. */
function checkSecrets(text: string, file: string): string {
  let secrets: unknown
  try {
    secrets = JSON.parse(text)
  } catch {
    // The parser's own message quotes the text around the mistake, and that is secret.
    throw new CliError(
      `The secrets in ${JSON.stringify(file)} are not JSON; for a PEM file give --from-pem NAME`,
    )
  }
  if (typeof secrets === 'object' && secrets !== null && !Array.isArray(secrets)) return text
  throw new CliError(
    `The secrets in ${JSON.stringify(file)} are not a JSON object {"<name>": {"Key": "<base64>"}} or {"<name>": {"Cert": …, "Private": …}}`,
  )
}

async function secretsFromPem(name: string, text: string, file: string): Promise<string> {
  const { readPemSecret } = await import('../secret/pem-secret.ts')
  return JSON.stringify({ [name]: readPemSecret(text, file) })
}
