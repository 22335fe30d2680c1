import { parseAddress } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { verifyDeployment } from '../deployment/connect.ts'
import { checkSecretOutput, writeSecretOutput } from '../output/files.ts'
import { keyFingerprint } from '../recovery/fingerprint.ts'

const what = "the Coordinator's public key"

/** The ephemeral key to which secrets are encrypted, PEM. It is as trustworthy as the verification before it. */
export const recoverWithSignaturePublicKey: CommandHandler = async (invocation) => {
  const { args, flags, stdout, stderr } = invocation
  const [host = ''] = args
  const address = parseAddress(host)
  const file = flags.string('output')
  const force = flags.bool('force')
  if (file !== undefined) checkSecretOutput(file, what, force)
  const coordinator = await verifyDeployment(invocation, address)
  const key = await coordinator.client().recoveryPublicKey()
  const pem = key.export({ type: 'spki', format: 'pem' })
  if (file === undefined) stdout(pem)
  else writeSecretOutput(file, pem, what, force)
  stderr(`SHA-256 of the public key: ${keyFingerprint(key)}`)
  return 0
}
