import { existsSync } from 'node:fs'
import { parseEraConfig, parseTcbStatus } from '@taw/client'
import type { CoordinatorPolicy } from '@taw/client'
import type { Invocation } from '../command.ts'
import { CliError } from '../errors.ts'
import { readInput } from '../output/files.ts'

/** Looked at when --era-config is not given, as in the original. */
const defaultEraConfig = 'era-config.json'

/** What the Coordinator must be, from the flags. Nothing is downloaded: the file is the user's own word. */
export function readPolicy({ flags, stderr }: Invocation): CoordinatorPolicy {
  const policy = parseEraConfig(...eraConfig(flags.string('era-config'), stderr))
  const statuses = flags.strings('accepted-tcb-statuses')?.map(parseTcbStatus)
  const advisories = flags.strings('accepted-advisories')
  // Flags go before what the file says.
  const tolerated = {
    ...(statuses !== undefined && { acceptedTcbStatuses: statuses }),
    ...(advisories !== undefined && { acceptedAdvisories: advisories }),
  }
  return {
    package: {
      ...policy,
      ...(policy.sgx && { sgx: { ...policy.sgx, ...tolerated } }),
      ...(policy.tdx && { tdx: { ...policy.tdx, ...tolerated } }),
    },
  }
}

function eraConfig(
  given: string | undefined,
  stderr: (line: string) => void,
): [text: string, source: string] {
  if (given === undefined && !existsSync(defaultEraConfig)) {
    throw new CliError(
      'What the Coordinator must be is unknown: give an era config with --era-config FILE ' +
        `(there is no ./${defaultEraConfig}); for a Coordinator in simulation, --insecure`,
    )
  }
  if (given === undefined) stderr(`Using the era config in ./${defaultEraConfig}`)
  const file = given ?? defaultEraConfig
  return [readInput(file, 'the era config').toString('utf8'), `the file ${JSON.stringify(file)}`]
}
