import { parseAddress, signRecoverySecret } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { verifyDeployment } from '../deployment/connect.ts'
import { handOver } from '../recovery/hand-over.ts'
import { readRecoveryKey } from '../recovery/recovery-key.ts'
import { openSecret, readSecretFile } from '../recovery/secret-file.ts'

/** Decrypt the secret if need be, sign it, verify the Coordinator, hand the secret over. */
export const recover: CommandHandler = async (invocation) => {
  const { args, flags, stderr } = invocation
  const [file = '', host = ''] = args
  const address = parseAddress(host)
  const key = readRecoveryKey(flags)
  const secret = openSecret(readSecretFile(file), file, key, stderr)
  const coordinator = await verifyDeployment(invocation, address)
  await handOver(invocation, coordinator, secret, signRecoverySecret(secret, key.key))
  return 0
}
