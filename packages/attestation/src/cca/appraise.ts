import { Appraisal } from '../core/appraisal.ts'
import type { Check, Verified } from '../core/result.ts'
import type { CcaClaims, CcaLifecycleState } from './verify.ts'

/**
 * What a realm and its platform have to be. Fields that are absent are not compared, except `lifecycleStates`. Byte strings
 * are hex of either case; of a list, one has to match.
 */
export interface CcaPolicy {
  /** Default: `secured` alone. */
  readonly lifecycleStates?: readonly CcaLifecycleState[] | undefined
  readonly implementationIds?: readonly string[] | undefined
  readonly instanceIds?: readonly string[] | undefined
  readonly platformConfigs?: readonly string[] | undefined
  /** Each component of the platform has to be among these, by type, and with one of the measurements. */
  readonly softwareComponents?: Readonly<Record<string, readonly string[]>> | undefined
  readonly initialMeasurements?: readonly string[] | undefined
  /** By index, 0 to 3. */
  readonly extensibleMeasurements?: Readonly<Record<string, readonly string[]>> | undefined
  readonly personalizationValues?: readonly string[] | undefined
  /** 64 bytes: binds the token to a key or a nonce. */
  readonly challenges?: readonly string[] | undefined
}

const OTHER_REALM = 'run the realm that the policy names, or add this value to the policy'
const OTHER_PLATFORM = 'use another machine, or add this value to the policy'

/**
 * Compares a verified token with a policy.
 *
 * @returns the comparisons, all of them passed
 * @throws PolicyMismatch at the first that fails
 */
export function appraiseCca(
  { platform, lifecycleState, realm }: Verified<CcaClaims>,
  policy: CcaPolicy,
): readonly Check[] {
  const appraisal = new Appraisal()
  const ofPlatform = (name: string, what: string) => ({ name, what, remedy: OTHER_PLATFORM })
  const ofRealm = (name: string, what: string) => ({ name, what, remedy: OTHER_REALM })
  const states = policy.lifecycleStates ?? ['secured']
  appraisal.oneOf(ofPlatform('lifecycle', 'the lifecycle state of the platform'), states, lifecycleState)
  appraisal.oneOf(
    ofPlatform('implementation-id', 'the implementation id'),
    policy.implementationIds,
    platform.implementationId,
  )
  appraisal.oneOf(ofPlatform('instance-id', 'the instance id'), policy.instanceIds, platform.instanceId)
  appraisal.oneOf(ofPlatform('platform-config', 'the configuration'), policy.platformConfigs, platform.config)
  if (policy.softwareComponents) {
    const allowed = new Map(Object.entries(policy.softwareComponents))
    for (const { type = '', measurement } of platform.softwareComponents) {
      const field = ofPlatform('software-component', `the software component '${type}'`)
      appraisal.oneOf(field, allowed.get(type) ?? [], measurement)
    }
  }
  appraisal.oneOf(
    ofRealm('initial-measurement', 'the initial measurement'),
    policy.initialMeasurements,
    realm.initialMeasurement,
  )
  for (const [index, allowed] of Object.entries(policy.extensibleMeasurements ?? {})) {
    const found = realm.extensibleMeasurements[Number(index)] ?? 'none'
    appraisal.oneOf(
      ofRealm(`extensible-measurement-${index}`, `extensible measurement ${index}`),
      allowed,
      found,
    )
  }
  appraisal.oneOf(
    ofRealm('personalization-value', 'the personalization value'),
    policy.personalizationValues,
    realm.personalizationValue,
  )
  appraisal.oneOf(ofRealm('challenge', 'the challenge'), policy.challenges, realm.challenge)
  return appraisal.checks
}
