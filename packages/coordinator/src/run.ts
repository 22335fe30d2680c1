import { readConfig, ConfigError, type Config, type Environment } from './config.ts'
import { startCoordinator, type RunningCoordinator } from './coordinator.ts'
import { createLogger, type Logger } from './logger.ts'
import { closeSideDoors, refuseHostInfluence } from './process-hardening.ts'
import { randomBytes } from 'node:crypto'
import { Activity } from './activity.ts'
import type { VendorRoots } from '@taw/attestation'
import { openAttestation } from './evidence/providers/open.ts'
import { openLedger, SealDirectoryUnusable } from './ledger/open.ts'
import { loadManifest } from './manifest/index.ts'
import { chooseProtection } from './sealing/providers/choose.ts'
import type { Ports } from './operations/ports.ts'
import {
  type Authority,
  authorityCurve,
  createAuthority,
  importIssuer,
  type Issuer,
} from './pki/authority.ts'
import { type AuthorityNames, parseAuthorityNames } from './pki/authority-names.ts'
import { KeyPool } from './secrets/key-pool.ts'
import { SecretBytes } from './secrets/secret-bytes.ts'
import { initialState, type State } from './state/state.ts'

const exitFailure = 1
/** 128 + SIGTERM, as shells show a process that died of it. */
const exitTerminated = 143
/** As the original ends on SIGQUIT. */
const exitQuit = 2

/** What a Coordinator runs by. */
export interface Surroundings {
  readonly env: Environment
  readonly workingDirectory: string
  /**
   * For tests with a TEE of their own: whom to believe instead of the CPU vendors. No variable and no option sets it:
   * what ships calls {@link runCoordinator} without.
   */
  readonly roots?: VendorRoots
  /** The same for Gramine's keys, which seal the state: the host must not choose the folder. */
  readonly gramineKeys?: string
}

/** Environment → config → wiring → listeners, until a signal ends the process. Where providers are chosen. */
export async function runCoordinator(surroundings: Surroundings): Promise<void> {
  const { env, workingDirectory } = surroundings
  const { EDG_COORDINATOR_DEV_MODE: development, EDG_DEBUG_LOGGING: debug } = env
  const log = createLogger({ development: development === '1', debug: debug === '1' })
  closeSideDoors(log)
  const stop = stopOnSignals(log)
  try {
    const config = readConfig(env, workingDirectory)
    if (!config.simulation) refuseHostInfluence(env)
    warnOfSimulation(config, log)
    const activity = new Activity()
    const ports = await wire(config, activity, log, surroundings)
    stop.running(await startCoordinator(config, ports, activity))
  } catch (error) {
    if (error instanceof ConfigError || error instanceof SealDirectoryUnusable) log.fatal(error.message)
    else log.fatal({ error }, 'the start met a defect')
    process.exit(exitFailure)
  }
}

async function wire(
  config: Config,
  activity: Activity,
  log: Logger,
  { roots, gramineKeys }: Surroundings,
): Promise<Ports> {
  const now = (): Date => new Date()
  const attestation = await openAttestation(config, { roots, now, log })
  const names = namesOf(config)
  const { ledger, sealed } = await openLedger({
    directory: config.sealDirectory,
    ...chooseProtection(config, gramineKeys),
    freshState: () => freshState(config, names, now()),
    prepareManifest: loadManifest,
    now,
    notices: {
      warn: (message) => {
        log.warn(message)
      },
      error: (message) => {
        log.error(message)
      },
    },
  })
  if (config.adoptedLedger !== undefined && ledger.recoveryReason === undefined) {
    log.warn('TAW_ROLLBACK_ANCHOR_ADOPT has done its work: remove it')
  }
  const curve = authorityCurve(ledger.state.authority)
  if (config.curve !== undefined && config.curve !== curve) {
    log.warn(`TAW_PKI_CURVE is not used: this deployment began with ${curve}`)
  }
  return {
    ledger,
    sealed,
    keyPool: new KeyPool({ isIdle: () => activity.isIdle }),
    ...attestation,
    issuer: issuers(),
    names,
    curve,
    simulation: config.simulation,
    now,
    log,
  }
}

function namesOf(config: Config): AuthorityNames {
  try {
    return parseAuthorityNames(config.dnsNames)
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : String(error))
  }
}

/** A Coordinator that was never given a manifest. */
async function freshState(config: Config, names: AuthorityNames, now: Date): Promise<State> {
  const authority = await createAuthority(config.curve ?? 'P-256', names, now)
  return initialState(authority, new SecretBytes(randomBytes(32)))
}

/** Imports the marble root once per authority. */
function issuers(): (authority: Authority) => Issuer {
  const known = new WeakMap<Authority, Issuer>()
  return (authority) => {
    const issuer = known.get(authority) ?? importIssuer(authority)
    known.set(authority, issuer)
    return issuer
  }
}

function warnOfSimulation(config: Config, log: Logger): void {
  if (!config.simulation) return
  log.warn(
    'SIMULATION: no TEE protects this Coordinator, it issues no quote and looks at none. Never give it real secrets.',
  )
}

/** The first signal ends in order, the second one at once. */
function stopOnSignals(log: Logger): { running: (coordinator: RunningCoordinator) => void } {
  let coordinator: RunningCoordinator | undefined
  let stopping = false
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(exitTerminated)
    stopping = true
    log.info({ signal }, 'ending')
    void (coordinator?.close() ?? Promise.resolve()).then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error }, 'ending met a defect')
        process.exit(exitFailure)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // At once, and without the core dump of the default, which would hold every secret.
  process.on('SIGQUIT', () => process.exit(exitQuit))
  return {
    running: (started) => {
      coordinator = started
    },
  }
}
