import { checkManifestSignature, parseAddress } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { checkAgainstPinned, pinChain } from '../deployment/chain-file.ts'
import { verifyDeployment } from '../deployment/connect.ts'
import { writeOutput } from '../output/files.ts'

/** The manifest as it was uploaded, then a newline; `-o` without it. */
export const manifestGet: CommandHandler = async (invocation) => {
  const { args, flags, stdout } = invocation
  const [host = ''] = args
  const coordinator = await verifyDeployment(invocation, parseAddress(host))
  if (!flags.bool('keep-cert')) checkAgainstPinned(invocation, coordinator)
  const client = coordinator.client()
  const answer = await client.manifest()
  checkManifestSignature(coordinator.chain.root, answer)
  let manifest: string | Uint8Array = answer.manifest
  if (flags.bool('display-update')) {
    const { displayUpdated } = await import('../manifest/display-update.ts')
    manifest = displayUpdated(answer.manifest, await client.updateLog())
  }
  const result = flags.bool('signature')
    ? Buffer.concat([
        Buffer.from(`{\n"ManifestSignature": "${answer.fingerprint}",\n"Manifest": `),
        Buffer.from(manifest),
        Buffer.from('}'),
      ])
    : manifest
  if (flags.bool('keep-cert')) pinChain(invocation, coordinator)
  const file = flags.string('output')
  if (file !== undefined) {
    writeOutput(file, result, 'the manifest')
    return 0
  }
  stdout(result)
  stdout('\n')
  return 0
}
