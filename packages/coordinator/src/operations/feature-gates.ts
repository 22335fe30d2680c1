import type { FeatureGate } from '../manifest/model.ts'
import { Refusal } from '../refusal.ts'
import type { State } from '../state/state.ts'

/** @throws {@link Refusal} `feature_disabled` unless the manifest in force opens the gate */
export function requireGate({ manifest }: State, gate: FeatureGate): void {
  if (manifest?.manifest.config.featureGates.has(gate) === true) return
  throw new Refusal(
    'feature_disabled',
    `the manifest in force does not have "${gate}" in Config.FeatureGates`,
  )
}
