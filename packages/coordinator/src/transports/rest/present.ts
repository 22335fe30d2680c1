import type { Evidence } from '@taw/evidence'
import type { QuoteCollateral } from '../../evidence/quote-collateral.ts'
import type { ReadableSecret } from '../../operations/read-secrets.ts'
import type { UpdateProgress } from '../../operations/update-manifest.ts'
import { pemEncode } from '../../pki/pem.ts'
import { shownValidFor } from '../../pki/secret-certificate.ts'

// What operations give, once, in the shape of either version (spec/client-api.md; golden/rest/README.md).

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

export const presentChain = (chain: readonly Uint8Array[]): string =>
  chain.map((certificate) => pemEncode('CERTIFICATE', certificate)).join('')

/** `kind` and `certificateTable` are Taw's own: what kind of evidence it is, and what the host gave along with it. */
export function presentEvidence(evidence: Evidence | undefined): Record<string, unknown> {
  if (evidence === undefined) return { quote: null }
  const { auxblob } = evidence
  return {
    quote: base64(evidence.evidence),
    kind: evidence.kind,
    ...(auxblob !== undefined && { certificateTable: base64(auxblob) }),
  }
}

/**
 * Taw's own too: a bundle of what vouches for the evidence, which can be saved and used as it is, or why there is none
 * (docs/collateral.md).
 */
export const presentCollateral = (collateral: QuoteCollateral | undefined): Record<string, unknown> => {
  if (collateral === undefined) return {}
  return 'bundle' in collateral
    ? { collateral: collateral.bundle }
    : { collateralUnavailable: collateral.unavailable }
}

export const presentRecoverySecrets = (secrets: ReadonlyMap<string, Uint8Array>): Record<string, string> =>
  Object.fromEntries([...secrets].map(([name, secret]) => [name, base64(secret)]))

export function presentSecrets(secrets: ReadonlyMap<string, ReadableSecret>): Record<string, unknown> {
  return Object.fromEntries([...secrets].map(([name, secret]) => [name, presentSecret(secret)]))
}

function presentSecret({ definition, value }: ReadableSecret): Record<string, unknown> {
  const { certificate } = value ?? {}
  // A certificate that was uploaded without its key has none; an empty plain secret is an empty one.
  const keyAbsent = value === undefined || (certificate !== undefined && value.private.length === 0)
  return {
    Type: definition.type,
    Size: definition.size,
    Shared: definition.shared,
    UserDefined: definition.userDefined,
    Cert: certificate === undefined ? null : base64(certificate),
    ValidFor: shownValidFor(definition),
    Private: keyAbsent ? null : base64(value.private.reveal()),
    Public: value === undefined ? null : base64(value.public.reveal()),
  }
}

export function presentProgress({ missingAcknowledgments, missingUsers, recoverySecrets }: UpdateProgress) {
  return {
    missingAcknowledgments,
    missingUsers: missingUsers.length === 0 ? null : missingUsers,
    ...(recoverySecrets !== undefined && { recoverySecrets: presentRecoverySecrets(recoverySecrets) }),
  }
}

export const describeProgress = ({ missingAcknowledgments }: UpdateProgress): string =>
  missingAcknowledgments === 0
    ? 'Acknowledged; the new manifest is in force.'
    : `Acknowledged; ${missingAcknowledgments} more must agree before the new manifest is in force.`
