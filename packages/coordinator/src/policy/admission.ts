import { createHash, timingSafeEqual } from 'node:crypto'
import {
  appraiseCollateral,
  appraiseInfrastructures,
  appraisePackage,
  type CollateralPolicy,
  failureSentence,
  type InfrastructurePolicy,
  type PackagePolicy,
  PolicyMismatch,
  type VerifiedClaims,
} from '@taw/attestation'
import { Refusal } from '../refusal.ts'

/** What a manifest demands of a marble's workload and platform. */
export interface AdmissionPolicy {
  /** The package's name, for messages. */
  readonly packageName: string
  readonly package: PackagePolicy
  readonly infrastructures: ReadonlyMap<string, InfrastructurePolicy>
  /** How recent what vouches for the evidence must be. */
  readonly collateral: CollateralPolicy
}

/**
 * Says whether a workload whose evidence verified is the one that a manifest means, on a platform that it allows, and at
 * the other end of this very connection.
 *
 * @param tlsCertificate DER of the client's certificate
 * @throws {@link Refusal} `evidence_invalid` when the evidence belongs to another connection, `policy_mismatch`
 */
export function requireAdmitted(
  claims: VerifiedClaims,
  tlsCertificate: Uint8Array,
  { packageName, package: policy, infrastructures, collateral }: AdmissionPolicy,
): void {
  try {
    appraisePackage(claims, policy)
    requireBound(claims, tlsCertificate)
    appraiseInfrastructures(claims, infrastructures)
    appraiseCollateral(claims, collateral)
  } catch (error) {
    if (!(error instanceof PolicyMismatch)) throw error
    throw new Refusal(
      'policy_mismatch',
      `comparing the marble with package "${packageName}": ${failureSentence(error)}`,
      { cause: error },
    )
  }
}

/**
 * The data that a marble chose begins with SHA-256 over its TLS certificate (spec/marble-api.md); what follows is not
 * looked at, as clients in the field put their own there.
 */
function requireBound(claims: VerifiedClaims, tlsCertificate: Uint8Array): void {
  const expected = createHash('sha256').update(tlsCertificate).digest()
  const { name, data } = chosenData(claims)
  const found = Buffer.from(data ?? '', 'hex').subarray(0, expected.length)
  if (found.length === expected.length && timingSafeEqual(found, expected)) return
  throw new Refusal(
    'evidence_invalid',
    `verifying the evidence of the marble: it is not bound to this TLS connection: its ${name} must begin with SHA-256 ` +
      `over the client certificate, ${expected.toString('hex')}, and begins with ${found.toString('hex') || 'nothing'}; ` +
      'make new evidence for the certificate that the connection uses',
  )
}

/** What whoever requested the evidence could put into it, as hex. */
function chosenData(claims: VerifiedClaims): { readonly name: string; readonly data: string | undefined } {
  switch (claims.kind) {
    case 'sgx-quote':
    case 'tdx-quote':
      return { name: 'report data', data: Buffer.from(claims.quote.body.reportData).toString('hex') }
    case 'snp-report':
      return { name: 'report data', data: claims.report.reportData }
    case 'nitro-document':
      return { name: 'user data', data: claims.userData }
    case 'azure-vtpm':
      return { name: 'nonce', data: claims.nonce }
    case 'cca-token':
      return { name: 'challenge', data: claims.realm.challenge }
  }
}
