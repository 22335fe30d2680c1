import { existsSync } from 'node:fs'
import { checkManifestSignature, formatAddress, parseAddress } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { pinChain } from '../deployment/chain-file.ts'
import { verifyDeployment } from '../deployment/connect.ts'
import { CliError } from '../errors.ts'
import { fingerprint, readManifest } from '../manifest/manifest-file.ts'

/** `OK` on stdout, and the chain is pinned, when the Coordinator is verified and has this manifest. */
export const manifestVerify: CommandHandler = async (invocation) => {
  const [expectation = '', host = ''] = invocation.args
  const address = parseAddress(host)
  const expected = await expectedFingerprint(expectation)
  const coordinator = await verifyDeployment(invocation, address)
  const answer = await coordinator.client().manifest()
  checkManifestSignature(coordinator.chain.root, answer)
  if (answer.fingerprint !== expected) {
    throw new CliError(
      `The Coordinator at ${formatAddress(address)} has another manifest: its SHA-256 is ${answer.fingerprint}, expected is ${expected}`,
    )
  }
  pinChain(invocation, coordinator)
  invocation.stdout('OK\n')
  return 0
}

/** @param text name of a manifest file, or a fingerprint in hex */
async function expectedFingerprint(text: string): Promise<string> {
  if (existsSync(text)) return fingerprint(await readManifest(text))
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase()
  throw new CliError(
    `The manifest to verify ${JSON.stringify(text)} is neither a file nor a signature of 64 hex digits`,
  )
}
