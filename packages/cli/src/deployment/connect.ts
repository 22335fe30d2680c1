import { randomBytes } from 'node:crypto'
import {
  CoordinatorClient,
  createQuoteVerifier,
  formatAddress,
  printable,
  requestEvidence,
  verifyEvidence,
} from '@taw/client'
import type { Address, Appraisal, UserIdentity, VerifiedCoordinator } from '@taw/client'
import type { Invocation } from '../command.ts'
import { writeOutput } from '../output/files.ts'
import { readPinnedChain } from './chain-file.ts'
import { openCollateral } from './collateral.ts'
import { readPolicy } from './policy.ts'

/** Bytes of a fresh nonce: as much as the digest that it goes into. */
const nonceBytes = 32

/**
 * For commands that trust the chain that `manifest set` or `manifest verify` pinned. With --insecure TLS is not
 * verified at all, and no pinned chain is read.
 */
export function connectPinned(
  invocation: Invocation,
  address: Address,
  identity?: UserIdentity,
): CoordinatorClient {
  if (invocation.flags.bool('insecure')) {
    invocation.stderr(
      `Warning: INSECURE: --insecure is given, so nothing is verified, and whoever answers at ${formatAddress(address)} is trusted`,
    )
    return new CoordinatorClient(address, 'unverified', identity)
  }
  return new CoordinatorClient(address, { pinned: readPinnedChain(invocation, address) }, identity)
}

/** For commands that verify the Coordinator anew. Says on stderr what was verified, and what was not. */
export async function verifyDeployment(
  invocation: Invocation,
  address: Address,
): Promise<VerifiedCoordinator> {
  const { flags } = invocation
  if (flags.bool('insecure')) return verify(invocation, address, { insecure: true })
  const policy = readPolicy(invocation)
  using collateral = openCollateral(invocation)
  const { source, acceptFromCoordinator } = collateral
  const verifyQuote = createQuoteVerifier({
    collateral: source,
    acceptFromCoordinator,
    notice: (reason) => {
      invocation.stderr(printable(fromCoordinator(reason)))
    },
  })
  return await verify(invocation, address, { insecure: false, policy, verifyQuote })
}

const fromCoordinator = (reason: Error | undefined): string =>
  'Using the collateral that the Coordinator gives along, which its CPU vendor signed and which is valid now; whether ' +
  `there is a newer one is not known${reason === undefined ? '' : `: ${reason.message}`}`

async function verify(
  invocation: Invocation,
  address: Address,
  appraisal: Appraisal,
): Promise<VerifiedCoordinator> {
  const { flags } = invocation
  const quoteFile = flags.string('save-sgx-quote')
  const nonce = chooseNonce(flags.string('nonce'), quoteFile)
  const evidence = await requestEvidence(address, nonce)
  // Saved before it is judged: a quote that fails is the one that somebody wants to look at.
  if (quoteFile !== undefined) writeOutput(quoteFile, evidence.quote, 'the quote')
  const coordinator = await verifyEvidence(address, evidence, nonce, appraisal)
  report(invocation, coordinator)
  return coordinator
}

/**
 * Random, so that the quote is known to be fresh. Not for a quote that is saved: whoever verifies it later computes
 * its report data from the root certificate and what they know, which is --nonce or nothing.
 */
function chooseNonce(given: string | undefined, quoteFile: string | undefined): Uint8Array {
  if (given !== undefined) return Buffer.from(given, 'utf8')
  return quoteFile === undefined ? randomBytes(nonceBytes) : new Uint8Array()
}

function report(invocation: Invocation, { address, assurance, showsRoot }: VerifiedCoordinator): void {
  const where = formatAddress(address)
  const text = {
    attested: `Verified the Coordinator at ${where}: its quote, and that it is bound to its root certificate`,
    simulation: `Warning: INSECURE, SIMULATION: the Coordinator at ${where} has no quote, so nothing proves what it is`,
    unverified: `Warning: INSECURE: the quote of the Coordinator at ${where} is not verified, since --insecure is given`,
  }
  invocation.stderr(text[assurance])
  if (!showsRoot) {
    invocation.stderr(
      `Warning: INSECURE: the server at ${where} shows another certificate than the root of its chain; someone is in between`,
    )
  }
}
