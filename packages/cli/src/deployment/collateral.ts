import { nodeCrypto } from '@taw/attestation/node'
import type { QuoteVerifierOptions } from '@taw/client'
import { createCollateralService } from '@taw/collateral'
import type { ConnectionOptions } from '@taw/collateral'
import type { Invocation } from '../command.ts'
import { CliError } from '../errors.ts'
import { readCollateral } from '../evidence/collateral-files.ts'
import { readInput } from '../output/files.ts'

/** A source of collateral, and what ends its connections. */
export interface OpenedCollateral extends Disposable {
  readonly source: QuoteVerifierOptions['collateral']
}

const nothingToEnd = { [Symbol.dispose]: () => undefined }

/**
 * Where a command that verifies a Coordinator gets collateral from: `TAW_COLLATERAL` (a file or folder, or the word
 * `coordinator` for what the Coordinator gives along; then nothing is fetched), else the services of `TAW_PCCS_URL` and
 * `TAW_KDS_URL`, by default the vendors' own. None stands in for another.
 *
 * @throws CliError
 */
export function openCollateral({ env, stderr }: Invocation): OpenedCollateral {
  const place = env['TAW_COLLATERAL']
  if (place === 'coordinator') return { source: 'from-coordinator', ...nothingToEnd }
  if (place !== undefined && place !== '') {
    const collateral = readCollateral([place], new Date(), stderr)
    return { source: { forEvidence: () => Promise.resolve(collateral) }, ...nothingToEnd }
  }
  const caFile = env['TAW_COLLATERAL_CA_FILE']
  const connection: ConnectionOptions = {
    ca: caFile === undefined ? undefined : readInput(caFile, 'the CA certificates').toString('utf8'),
    proxy: {
      httpsProxy: env['HTTPS_PROXY'] ?? env['https_proxy'],
      noProxy: env['NO_PROXY'] ?? env['no_proxy'],
    },
  }
  try {
    const service = createCollateralService({
      crypto: nodeCrypto,
      intel: { ...connection, url: env['TAW_PCCS_URL'] },
      amd: { ...connection, url: env['TAW_KDS_URL'] },
    })
    return {
      source: service,
      [Symbol.dispose]: () => {
        service.close()
      },
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new CliError(`TAW_PCCS_URL or TAW_KDS_URL can't be used: ${error.message}`, { cause: error })
  }
}
