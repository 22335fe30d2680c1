import { parseAddress } from '@taw/client'
import type { CommandHandler, Invocation } from '../command.ts'
import { chainFile, pinChain } from '../deployment/chain-file.ts'
import { verifyDeployment } from '../deployment/connect.ts'
import { CliError } from '../errors.ts'
import { fingerprint, readManifest } from '../manifest/manifest-file.ts'
import { checkSecretOutput, writeSecretOutput } from '../output/files.ts'

const what = 'the recovery secrets'

/** Verify, upload, pin the chain, hand over the recovery secrets. Nothing is saved if the upload fails. */
export const manifestSet: CommandHandler = async (invocation) => {
  const { args, flags, stdout, stderr } = invocation
  const [file = '', host = ''] = args
  const address = parseAddress(host)
  const recoveryFile = flags.string('recoverydata')
  // What would make the command fail later comes before the upload: the Coordinator gives these secrets once.
  if (recoveryFile !== undefined) checkSecretOutput(recoveryFile, what, flags.bool('force'))
  chainFile(invocation, address)
  const coordinator = await verifyDeployment(invocation, address)
  const manifest = await readManifest(file)
  stdout(`Manifest signature: ${fingerprint(manifest)}\n`)
  const { recoverySecrets: secrets, warnings } = await coordinator.client().setManifest(manifest)
  stdout('The manifest is set\n')
  for (const warning of warnings) stderr(`Warning: ${warning}`)
  // First the secrets: they are lost if the command fails before, while the chain can be pinned again.
  if (secrets.size > 0) handOver(invocation, secrets, recoveryFile)
  pinChain(invocation, coordinator)
  return 0
}

function handOver(
  { flags, stdout }: Invocation,
  secrets: ReadonlyMap<string, string>,
  file: string | undefined,
): void {
  const sorted = [...secrets].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const json = JSON.stringify({ RecoverySecrets: Object.fromEntries(sorted) })
  if (file === undefined) {
    stdout(`${json}\n`)
    return
  }
  try {
    writeSecretOutput(file, json, what, flags.bool('force'))
  } catch (error) {
    stdout(`${json}\n`)
    const reason = error instanceof Error ? error.message : String(error)
    throw new CliError(
      `The manifest is set, but its recovery secrets could not be saved: they are on stdout; keep them. ${reason}`,
      { cause: error },
    )
  }
  stdout(`The recovery secrets are in ${file}\n`)
}
