import { parseAddress } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { verifyDeployment } from '../deployment/connect.ts'
import { CliError } from '../errors.ts'
import { readInput } from '../output/files.ts'
import { handOver } from '../recovery/hand-over.ts'
import { readSecretFile, singleSecret } from '../recovery/secret-file.ts'

/** Hand over what `encrypt-secret` and `sign-secret` made where the recovery key is. */
export const recoverWithSignature: CommandHandler = async (invocation) => {
  const [file = '', host = ''] = invocation.args
  const signatureFile = invocation.flags.string('signature')
  if (signatureFile === undefined) {
    throw new CliError(
      "The signature is not given: name the file that 'recover-with-signature sign-secret' made with --signature",
    )
  }
  const address = parseAddress(host)
  const secret = singleSecret(readSecretFile(file), file)
  const signature = readInput(signatureFile, 'the signature')
  const coordinator = await verifyDeployment(invocation, address)
  await handOver(invocation, coordinator, secret, signature)
  return 0
}
