import { COSE_ALGORITHMS } from '../core/cose.ts'
import { COMPONENT, LABEL, PLATFORM, REALM } from './token.ts'
import type { CcaPlatformClaims, CcaRealmClaims, CcaToken } from './token.ts'
import type { CcaClaims } from './verify.ts'

/** What stands in a token, for people and tools that look into it. Byte fields are lower-case hex. Nothing is verified. */
export function ccaFacts({ platform, realm }: CcaToken) {
  const algorithmName = (algorithm: number): string =>
    COSE_ALGORITHMS.get(algorithm)?.name ?? String(algorithm)
  return {
    platform_algorithm: algorithmName(platform.cose.algorithm),
    platform: platformFacts(platform.claims),
    realm_algorithm: algorithmName(realm.cose.algorithm),
    realm: realmFacts(realm.claims),
  }
}

/**
 * The same under the numbers that the claims have in the tokens (DEN0137, A7.2), as collections of evidence list them.
 * Claims that are absent are left out.
 */
export function ccaLabelledFacts({ platform, realm }: CcaToken) {
  return {
    outer_keys: [LABEL.platform, LABEL.realm],
    platform_claims: withoutUndefined({
      ...labelled(PLATFORM, platform.claims),
      [PLATFORM.softwareComponents]: platform.claims.softwareComponents.map((component) =>
        withoutUndefined(labelled(COMPONENT, component)),
      ),
    }),
    platform_alg: platform.cose.algorithm,
    realm_claims: withoutUndefined(labelled(REALM, realm.claims)),
    realm_alg: realm.cose.algorithm,
    rak_hash_alg: realm.claims.publicKeyHashAlgorithm,
  }
}

function labelled<Name extends string>(
  labels: Readonly<Record<Name, number>>,
  claims: Readonly<Record<Name, unknown>>,
): Record<string, unknown> {
  const names = Object.keys(labels).filter((name): name is Name => name in labels)
  return Object.fromEntries(names.map((name) => [String(labels[name]), claims[name]]))
}

const withoutUndefined = (members: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))

/** Verified claims as JSON, under the same names. */
export function ccaClaimsJson(claims: CcaClaims) {
  return {
    platform: platformFacts(claims.platform),
    lifecycle_state: claims.lifecycleState,
    realm: realmFacts(claims.realm),
  }
}

function platformFacts(claims: CcaPlatformClaims) {
  return {
    profile: claims.profile,
    challenge: claims.challenge,
    implementation_id: claims.implementationId,
    instance_id: claims.instanceId,
    config: claims.config,
    lifecycle: claims.lifecycle,
    software_components: claims.softwareComponents.map((component) => ({
      type: component.type ?? null,
      measurement: component.measurement,
      version: component.version ?? null,
      signer_id: component.signerId,
      hash_algorithm: component.hashAlgorithm ?? null,
    })),
    verification_service: claims.verificationService ?? null,
    hash_algorithm: claims.hashAlgorithm ?? null,
  }
}

function realmFacts(claims: CcaRealmClaims) {
  return {
    profile: claims.profile ?? null,
    challenge: claims.challenge,
    personalization_value: claims.personalizationValue,
    initial_measurement: claims.initialMeasurement,
    extensible_measurements: claims.extensibleMeasurements,
    hash_algorithm: claims.hashAlgorithm,
    public_key: claims.publicKey,
    public_key_hash_algorithm: claims.publicKeyHashAlgorithm,
  }
}
