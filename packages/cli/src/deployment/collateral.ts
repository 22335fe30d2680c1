import { nodeCrypto } from '@taw/attestation/node'
import type { CollateralSource } from '@taw/client'
import { createCollateralService } from '@taw/collateral'
import type { ConnectionOptions } from '@taw/collateral'
import type { Invocation } from '../command.ts'
import { CliError } from '../errors.ts'
import { readCollateral } from '../evidence/collateral-files.ts'
import { readInput } from '../output/files.ts'

/** A source of collateral, and what ends its connections. */
export interface OpenedCollateral extends Disposable {
  readonly source: CollateralSource
  /** Whether what the Coordinator gives along will do where the source has none. */
  readonly acceptFromCoordinator: boolean
}

/**
 * Where a command that verifies a Coordinator gets collateral from: `TAW_COLLATERAL` (a file or folder; then nothing is
 * fetched), else the services of `TAW_PCCS_URL` and `TAW_KDS_URL`, by default the vendors' own; `off`: none. Who names a
 * file or a service wants no other word than that one's; else the Coordinator's own collateral is the last resort.
 *
 * @throws CliError
 */
export function openCollateral({ env, stderr }: Invocation): OpenedCollateral {
  const place = env['TAW_COLLATERAL']
  if (place !== undefined && place !== '') {
    const collateral = readCollateral([place], new Date(), stderr)
    return {
      source: { forEvidence: () => Promise.resolve(collateral) },
      acceptFromCoordinator: false,
      [Symbol.dispose]: () => undefined,
    }
  }
  const caFile = env['TAW_COLLATERAL_CA_FILE']
  const connection: ConnectionOptions = {
    ca: caFile === undefined ? undefined : readInput(caFile, 'the CA certificates').toString('utf8'),
    proxy: {
      httpsProxy: env['HTTPS_PROXY'] ?? env['https_proxy'],
      noProxy: env['NO_PROXY'] ?? env['no_proxy'],
    },
  }
  const urls = [env['TAW_PCCS_URL'], env['TAW_KDS_URL']]
  const [intel, amd] = urls.map((url) => (url === 'off' ? url : { ...connection, url }))
  try {
    const service = createCollateralService({ crypto: nodeCrypto, intel, amd })
    return {
      source: service,
      acceptFromCoordinator: urls.every((url) => url === undefined || url === 'off'),
      [Symbol.dispose]: () => {
        service.close()
      },
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new CliError(`TAW_PCCS_URL or TAW_KDS_URL can't be used: ${error.message}`, { cause: error })
  }
}
