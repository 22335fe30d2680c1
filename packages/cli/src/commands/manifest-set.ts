import { parseAddress } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { chainFile, pinChain } from '../deployment/chain-file.ts'
import { verifyDeployment } from '../deployment/connect.ts'
import { fingerprint, readManifest } from '../manifest/manifest-file.ts'
import { checkRecoveryOutput, handOverRecoverySecrets } from '../recovery/new-secrets.ts'

/** Verify, upload, pin the chain, hand over the recovery secrets. Nothing is saved if the upload fails. */
export const manifestSet: CommandHandler = async (invocation) => {
  const { args, flags, stdout, stderr } = invocation
  const [file = '', host = ''] = args
  const address = parseAddress(host)
  // What would make the command fail later comes before the upload: the Coordinator gives these secrets once.
  checkRecoveryOutput(flags)
  chainFile(invocation, address)
  const coordinator = await verifyDeployment(invocation, address)
  const manifest = await readManifest(file)
  stdout(`Manifest signature: ${fingerprint(manifest)}\n`)
  const { recoverySecrets: secrets, warnings } = await coordinator.client().setManifest(manifest)
  stdout('The manifest is set\n')
  for (const warning of warnings) stderr(`Warning: ${warning}`)
  // First the secrets: they are lost if the command fails before, while the chain can be pinned again.
  if (secrets.size > 0) handOverRecoverySecrets(invocation, secrets, 'The manifest is set')
  pinChain(invocation, coordinator)
  return 0
}
