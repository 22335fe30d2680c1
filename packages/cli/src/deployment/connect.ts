import { randomBytes } from 'node:crypto'
import {
  ClientError,
  CoordinatorClient,
  createQuoteVerifier,
  formatAddress,
  requestEvidence,
  verifyEvidence,
} from '@taw/client'
import type { Address, Appraisal, UserIdentity, VerifiedCoordinator } from '@taw/client'
import type { Invocation } from '../command.ts'
import { CliError } from '../errors.ts'
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
  if (collateral.source === 'from-coordinator') invocation.stderr(collateralOfCoordinator)
  const verifyQuote = createQuoteVerifier({ collateral: collateral.source })
  try {
    return await verify(invocation, address, { insecure: false, policy, verifyQuote })
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'collateral_unavailable') throw error
    throw new CliError(`${error.message}. ${otherCollateral}`, { cause: error })
  }
}

const collateralOfCoordinator =
  'Verifying with the collateral that the Coordinator gives along: its CPU vendor signed it, and it is valid now; ' +
  'whether there is a newer one is not known'
const otherCollateral =
  'Where no service can be reached: TAW_COLLATERAL names a file with collateral, or is "coordinator", ' +
  'to take what the Coordinator gives along'

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
