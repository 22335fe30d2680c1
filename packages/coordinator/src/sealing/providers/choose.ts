import { existsSync } from 'node:fs'
import { type Config, ConfigError, type SealingKind, sealingKinds } from '../../config.ts'
import type { RollbackProtection } from '../../ledger/adoption.ts'
import type { SealingProvider } from '../provider.ts'
import { gramineKeyDirectory, gramineKeyFiles, gramineSealing } from './gramine.ts'
import { noSealing } from './none.ts'
import { simulationSealing } from './simulation.ts'
import { tpmCounter } from './tpm/nv-counter.ts'
import { Tpm } from './tpm/tools.ts'
import { defaultPcrBinding, tpmSealing } from './tpm.ts'

/** The part of the configuration that says what protects the seal directory. */
export type ProtectionConfig = Pick<
  Config,
  'simulation' | 'sealing' | 'tpmTcti' | 'tpmPcrs' | 'rollbackAnchor' | 'tpmCounterIndex' | 'adoptedLedger'
>

export interface Protection {
  readonly sealing: SealingProvider
  readonly rollback: RollbackProtection | undefined
}

/**
 * What protects the seal directory: as configured, else as detected. Nothing falls back to something weaker, and
 * simulation's open key is never used outside of simulation.
 *
 * @param gramineKeys folder of Gramine's keys; for tests
 * @throws {@link ConfigError} when nothing was chosen and nothing detected
 */
export function chooseProtection(config: ProtectionConfig, gramineKeys = gramineKeyDirectory): Protection {
  const tpm = new Tpm({ tcti: config.tpmTcti })
  return {
    sealing: providerOf(chooseSealing(config, gramineKeys), config, tpm, gramineKeys),
    rollback:
      config.rollbackAnchor === 'none'
        ? undefined
        : { anchor: tpmCounter(tpm, config.tpmCounterIndex), adopt: config.adoptedLedger },
  }
}

function chooseSealing({ simulation, sealing }: ProtectionConfig, gramineKeys: string): SealingKind {
  if (sealing === 'simulation' && !simulation) {
    throw new ConfigError(
      'TAW_SEALING is "simulation", which protects nothing and needs OE_SIMULATION=1; in a TEE it must be one of ' +
        protectingKinds,
    )
  }
  if (sealing !== undefined) return sealing
  if (simulation) return 'simulation'
  if (gramineKeyFiles(gramineKeys).every((file) => existsSync(file))) return 'gramine'
  throw new ConfigError(
    `TAW_SEALING is not set, and "${gramineKeys}" has no keys of Gramine, so nothing says what the state is to be ` +
      `sealed with; set it to one of ${protectingKinds} (docs/sealing.md tells what each protects from)`,
  )
}

const protectingKinds = sealingKinds.filter((kind) => kind !== 'simulation').join(', ')

function providerOf(
  kind: SealingKind,
  { tpmPcrs }: ProtectionConfig,
  tpm: Tpm,
  gramineKeys: string,
): SealingProvider {
  switch (kind) {
    case 'simulation':
      return simulationSealing
    case 'none':
      return noSealing
    case 'gramine':
      return gramineSealing(gramineKeys)
    case 'tpm':
      return tpmSealing(tpm, {
        ProductKey: tpmPcrs.ProductKey ?? defaultPcrBinding.ProductKey,
        UniqueKey: tpmPcrs.UniqueKey ?? defaultPcrBinding.UniqueKey,
      })
  }
}
