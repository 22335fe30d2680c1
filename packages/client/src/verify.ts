import { createHash } from 'node:crypto'
import type { CollateralPolicy, PackagePolicy } from '@taw/attestation'
import type { X509Certificate } from 'node:crypto'
import { formatAddress } from './address.ts'
import type { Address } from './address.ts'
import type { CertificateChain } from './certificate-chain.ts'
import { CoordinatorClient } from './client.ts'
import type { CoordinatorEvidence } from './answers.ts'
import type { Trust, UserIdentity } from './connection.ts'
import { ClientError } from './errors.ts'

/** What the Coordinator's evidence must show. */
export interface CoordinatorPolicy {
  /** Which workload it must be, on each kind of TEE that it may run on. */
  readonly package: PackagePolicy
  /** How recent what vouches for the evidence must be, and what is forgiven; default: valid now, nothing forgiven. */
  readonly collateral?: CollateralPolicy
}

export interface ExpectedQuote {
  readonly reportData: Uint8Array
  readonly policy: CoordinatorPolicy
  /** A bundle that came with the evidence, from the same side. Nobody vouches for it but the CPU's vendor. */
  readonly collateral?: Uint8Array | undefined
}

/**
 * Resolves when the evidence is genuine, is bound to `reportData`, and satisfies the policy; throws otherwise. Gets what
 * collateral it needs.
 */
export type QuoteVerifier = (evidence: Uint8Array, expected: ExpectedQuote) => Promise<void>

/** How the Coordinator is to be judged: by its quote, or (for simulation and tests) not at all. */
export type Appraisal =
  | { readonly insecure: true }
  | {
      readonly insecure: false
      readonly policy: CoordinatorPolicy
      /** Undefined: a quote can't be verified, so a Coordinator that has one is refused. */
      readonly verifyQuote: QuoteVerifier | undefined
    }

/** The quote is bound to the root certificate and the nonce (spec/client-api.md): SHA-256(root DER ‖ nonce). */
export function reportData(root: X509Certificate, nonce: Uint8Array): Uint8Array {
  return createHash('sha256').update(root.raw).update(nonce).digest()
}

/** What was found out about a Coordinator; only {@link verifyEvidence} makes one. */
export class VerifiedCoordinator {
  readonly address: Address
  readonly chain: CertificateChain
  /**
   * `attested`: the quote was verified. `simulation`: there is no quote, and that was asked for. `unverified`: there
   * is one, and it was not looked at, as asked for.
   */
  readonly assurance: 'attested' | 'simulation' | 'unverified'
  /** Whether the TLS connection showed the chain's root. Always so when attested. */
  readonly showsRoot: boolean
  readonly #trust: Trust

  /** For {@link verifyEvidence} only. */
  constructor(
    address: Address,
    chain: CertificateChain,
    assurance: VerifiedCoordinator['assurance'],
    showsRoot: boolean,
  ) {
    this.address = address
    this.chain = chain
    this.assurance = assurance
    this.showsRoot = showsRoot
    this.#trust = assurance === 'attested' ? { pinned: chain } : 'unverified'
  }

  /** Attested: talks to that chain's root only. Otherwise TLS is not verified, as asked for. */
  client(identity?: UserIdentity): CoordinatorClient {
    return new CoordinatorClient(this.address, this.#trust, identity)
  }
}

/**
 * Asks a Coordinator for its evidence and verifies it.
 * @param nonce bound into the quote: random bytes prove that the quote is fresh; empty: none
 * @throws ClientError as {@link verifyEvidence}, and those of the connection
 */
export async function verifyCoordinator(
  address: Address,
  nonce: Uint8Array,
  appraisal: Appraisal,
): Promise<VerifiedCoordinator> {
  return verifyEvidence(address, await requestEvidence(address, nonce), nonce, appraisal)
}

/** Asks for the evidence over a connection that nothing is known about yet. */
export function requestEvidence(address: Address, nonce: Uint8Array): Promise<CoordinatorEvidence> {
  return new CoordinatorClient(address, 'unverified').evidence(nonce)
}

/**
 * @param nonce the one that the evidence was requested with
 * @throws ClientError `certificate_mismatch` (the connection did not show the chain's root), `quote_missing`
 * (simulation), `attestation_unavailable`, and what `verifyQuote` throws
 */
export async function verifyEvidence(
  address: Address,
  evidence: CoordinatorEvidence,
  nonce: Uint8Array,
  appraisal: Appraisal,
): Promise<VerifiedCoordinator> {
  const { chain, quote, collateral, serverCertificate } = evidence
  const where = formatAddress(address)
  const showsRoot = chain.isRoot(serverCertificate)
  if (appraisal.insecure) {
    return new VerifiedCoordinator(
      address,
      chain,
      quote.length === 0 ? 'simulation' : 'unverified',
      showsRoot,
    )
  }
  if (!showsRoot) {
    throw new ClientError(
      'certificate_mismatch',
      `The server at ${where} does not show the root certificate of the chain that it claims: someone is in between`,
    )
  }
  if (quote.length === 0) {
    throw new ClientError(
      'quote_missing',
      `The Coordinator at ${where} gives no quote: it runs in simulation, and nothing proves what it is. ` +
        'If that is intended, skip the verification (--insecure)',
    )
  }
  if (appraisal.verifyQuote === undefined) {
    throw new ClientError(
      'attestation_unavailable',
      `The Coordinator at ${where} gives a quote, and nothing to verify it with was given, so it is not trusted`,
    )
  }
  const { policy } = appraisal
  await appraisal.verifyQuote(quote, { reportData: reportData(chain.root, nonce), policy, collateral })
  return new VerifiedCoordinator(address, chain, 'attested', showsRoot)
}
