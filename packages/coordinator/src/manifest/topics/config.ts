import { readCollateralPolicy } from '@taw/attestation'
import { manifestUpdaters } from '../../access/index.ts'
import type { FeatureGate, ManifestConfig, RoleDefinition, SealMode, UserDefinition } from '../model.ts'
import { quoteName } from '../path.ts'
import { curves } from '../../pki/curve.ts'
import type { Report } from '../report.ts'
import type { ConfigSource } from '../schema.ts'
import { listNames, matchName, tellFindings, type TopicContext } from './topic.ts'

const sealModes: readonly SealMode[] = ['ProductKey', 'UniqueKey', 'Disabled']
const featureGates: readonly FeatureGate[] = ['SignQuoteEndpoint', 'MonotonicCounter', 'AzureHSMSealing']

interface Parties {
  readonly users: ReadonlyMap<string, UserDefinition>
  readonly roles: ReadonlyMap<string, RoleDefinition>
  readonly recoveryKeys: ReadonlyMap<string, string>
}

/** Decodes `Config`. */
export function configOf({ source, report }: TopicContext, parties: Parties): ManifestConfig {
  const config: Partial<ConfigSource> = source.Config ?? {}
  checkThresholds(config, parties, report)
  return {
    sealMode: sealModeOf(config, report),
    featureGates: featureGatesOf(config, report),
    updateThreshold: Number(config.UpdateThreshold ?? 0n),
    recoveryThreshold: Number(config.RecoveryThreshold ?? 0n),
    rotateRootSecret: config.RotateRootSecret ?? false,
    minimumCurve: minimumCurveOf(config, report),
    collateral: collateralOf(config, report),
  }
}

function sealModeOf({ SealMode: given = '' }: Partial<ConfigSource>, report: Report): SealMode {
  if (given === '') return 'ProductKey'
  const known = sealModes.find((mode) => mode === given)
  if (known === undefined) {
    report.error(
      ['Config', 'SealMode'],
      `must be one of ${listNames(sealModes)} (exactly so), but is ${quoteName(given)}`,
    )
  }
  return known ?? 'ProductKey'
}

function featureGatesOf(
  { FeatureGates: given = [] }: Partial<ConfigSource>,
  report: Report,
): ReadonlySet<FeatureGate> {
  const gates = new Set<FeatureGate>()
  for (const [index, name] of given.entries()) {
    const path = ['Config', 'FeatureGates', index]
    const gate = matchName(name, featureGates)
    if (gate === undefined)
      report.error(path, `no such feature gate ${quoteName(name)}; known are ${listNames(featureGates)}`)
    else if (gate === 'AzureHSMSealing') {
      report.error(
        path,
        'this Coordinator does not support "AzureHSMSealing": leave it out, or the state would be sealed otherwise than you expect',
      )
    } else gates.add(gate)
  }
  return gates
}

function checkThresholds(config: Partial<ConfigSource>, parties: Parties, report: Report): void {
  const update = config.UpdateThreshold ?? 0n
  const updaters = manifestUpdaters(parties).length
  if (update > updaters && report.isComplete('Users') && report.isComplete('Roles')) {
    report.error(
      ['Config', 'UpdateThreshold'],
      `is ${update}, but only ${updaters} of the users may "UpdateManifest": no update could ever be completed`,
    )
  }
  const recovery = config.RecoveryThreshold ?? 0n
  const keys = parties.recoveryKeys.size
  if (recovery === 1n) {
    report.error(
      ['Config', 'RecoveryThreshold'],
      'must not be 1: leave it out for a single recovery key, or demand at least 2 of several',
    )
  } else if (recovery > keys && report.isComplete('RecoveryKeys')) {
    report.error(['Config', 'RecoveryThreshold'], `is ${recovery}, but there are only ${keys} recovery keys`)
  }
}

function collateralOf({ Collateral }: Partial<ConfigSource>, report: Report): ManifestConfig['collateral'] {
  const reading = readCollateralPolicy(Collateral ?? {})
  tellFindings(reading, ['Config', 'Collateral'], report)
  return reading.policy
}

/** Whether this Coordinator has such a curve is for whoever sets the manifest to see. */
function minimumCurveOf(
  { MinimumCurve: given = '' }: Partial<ConfigSource>,
  report: Report,
): ManifestConfig['minimumCurve'] {
  if (given === '') return undefined
  const known = curves.find((curve) => curve === given)
  if (known === undefined) {
    report.error(
      ['Config', 'MinimumCurve'],
      `must be one of ${listNames(curves)}, but is ${quoteName(given)}`,
    )
  }
  return known
}
