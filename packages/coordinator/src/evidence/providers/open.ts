import { readFileSync } from 'node:fs'
import { EvidenceInvalid, evidenceVerifier, failureSentence, type VendorRoots } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import {
  type CollateralNotice,
  type CollateralService,
  type ConnectionOptions,
  createCollateralService,
} from '@taw/collateral'
import { EvidenceUnavailable, type EvidenceProvider, openEvidenceProvider } from '@taw/evidence'
import { type CollateralConfig, type Config, ConfigError, type EvidenceConfig } from '../../config.ts'
import type { Logger } from '../../logger.ts'
import { limits } from '../../limits.ts'
import { OwnCollateral } from '../quote-collateral.ts'
import { EvidenceVerification } from '../verification.ts'

export interface Attestation {
  /** Of this Coordinator. */
  readonly evidence: EvidenceProvider
  /** Of others. */
  readonly verification: EvidenceVerification
  readonly collateral: OwnCollateral
}

export interface AttestationPorts {
  /** Undefined: the CPU vendors' own. */
  readonly roots: VendorRoots | undefined
  readonly now: () => Date
  readonly log: Logger
}

/**
 * Opens what gives this Coordinator's evidence, and what verifies that of others.
 *
 * @throws {@link ConfigError} when this machine has no TEE that answers, or the configuration of collateral can't be used
 */
export async function openAttestation(
  { evidence, collateral }: Pick<Config, 'evidence' | 'collateral'>,
  ports: AttestationPorts,
): Promise<Attestation> {
  const { roots, now } = ports
  // First, since it is what a wrong machine fails at.
  const provider = await openProvider(evidence)
  const service = await openCollateral(collateral, ports)
  const verifier = evidenceVerifier({ crypto: nodeCrypto, revocation: 'required', roots })
  return {
    evidence: provider,
    verification: new EvidenceVerification(verifier, service, now),
    collateral: new OwnCollateral(service, limits.quoteCollateralMs, ports.log),
  }
}

async function openProvider({ provider, gramineRoot, tsmRoot }: EvidenceConfig): Promise<EvidenceProvider> {
  try {
    return await openEvidenceProvider(provider, { gramineRoot, tsmRoot })
  } catch (error) {
    if (!(error instanceof EvidenceUnavailable)) throw error
    const simulation = 'to try things out without any protection, set OE_SIMULATION=1'
    throw new ConfigError(`nothing can vouch for this Coordinator: ${error.message}; ${simulation}`, {
      cause: error,
    })
  }
}

async function openCollateral(
  config: CollateralConfig,
  { roots, now, log }: AttestationPorts,
): Promise<CollateralService> {
  const { directory } = config
  const service = usable(() =>
    createCollateralService({
      crypto: nodeCrypto,
      intel: config.pccsUrl === 'off' ? 'off' : { ...connectionOptions(config), url: config.pccsUrl },
      amd: config.kdsUrl === 'off' ? 'off' : { ...connectionOptions(config), url: config.kdsUrl },
      directory,
      now,
      notice: (notice) => {
        report(notice, log)
      },
      intelAnchors: roots?.intel,
      amdAnchors: roots?.amd,
    }),
  )
  if (config.bundleFile !== undefined) await importBundle(service, config.bundleFile, log)
  return service
}

const connectionOptions = ({ caFile, httpsProxy, noProxy }: CollateralConfig): ConnectionOptions => ({
  ca: caFile === undefined ? undefined : readFileSync(caFile, 'utf8'),
  proxy: { httpsProxy, noProxy },
})

async function importBundle(service: CollateralService, file: string, log: Logger): Promise<void> {
  try {
    const documents = await service.importBundle(readFileSync(file))
    log.info({ file, documents: documents.length }, 'collateral imported')
  } catch (error) {
    if (!(error instanceof EvidenceInvalid) && !isSystemError(error)) throw error
    const reason = error instanceof EvidenceInvalid ? failureSentence(error) : error.message
    throw new ConfigError(`TAW_COLLATERAL_BUNDLE: "${file}" can't be used: ${reason}`, { cause: error })
  }
}

/** Files that can't be read, folders that can't be made, URLs that are malformed. */
function usable<T>(open: () => T): T {
  try {
    return open()
  } catch (error) {
    if (!isSystemError(error) && !(error instanceof TypeError)) throw error
    throw new ConfigError(
      `collateral can't be had as TAW_PCCS_URL, TAW_COLLATERAL_CA_FILE, TAW_KDS_URL and TAW_COLLATERAL_DIR say: ${error.message}`,
      { cause: error },
    )
  }
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'code' in error && 'syscall' in error

const routine: ReadonlySet<CollateralNotice['kind']> = new Set(['stored', 'dropped'])

function report({ kind, document, message }: CollateralNotice, log: Logger): void {
  const fields = { document, notice: kind }
  if (routine.has(kind)) log.info(fields, message)
  else log.warn(fields, message)
}
