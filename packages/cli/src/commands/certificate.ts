import { formatAddress, parseAddress } from '@taw/client'
import type { CertificateChain } from '@taw/client'
import { certificateFiles } from '../arguments/flags.ts'
import type { CommandHandler } from '../command.ts'
import { checkAgainstPinned } from '../deployment/chain-file.ts'
import { verifyDeployment } from '../deployment/connect.ts'
import { CliError } from '../errors.ts'
import { writeOutput } from '../output/files.ts'

export const certificateRoot = saving('root', (chain) => chain.rootPem)
export const certificateIntermediate = saving('intermediate', (chain) => chain.intermediatePem)
export const certificateChain = saving('chain', (chain) => chain.pem)

/** Verify, then save the PEM to a file: always to a file, never to stdout. */
function saving(
  kind: keyof typeof certificateFiles,
  select: (chain: CertificateChain) => string | undefined,
): CommandHandler {
  return async (invocation) => {
    const [host = ''] = invocation.args
    const address = parseAddress(host)
    const coordinator = await verifyDeployment(invocation, address)
    checkAgainstPinned(invocation, coordinator)
    const pem = select(coordinator.chain)
    if (pem === undefined) {
      throw new CliError(
        `The Coordinator at ${formatAddress(address)} gives no intermediate certificate, only a root`,
      )
    }
    const file = invocation.flags.string('output') ?? certificateFiles[kind]
    writeOutput(file, pem, `the ${kind} certificate`)
    invocation.stdout(`The ${kind} certificate is in ${file}\n`)
    return 0
  }
}
