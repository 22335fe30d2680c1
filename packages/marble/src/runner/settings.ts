import path from 'node:path'

import { parseAddress, type Address } from '../activation/address.ts'
import { MarbleError } from '../errors.ts'
import { EVIDENCE_CHOICES, type EvidenceChoice } from '@taw/evidence'
import { parseMarbleNames, type MarbleNames } from '../identity/names.ts'

/** Environment variables as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** What `taw run` reads from its environment. */
export interface RunnerSettings {
  readonly coordinator: Address
  readonly marbleType: string
  readonly uuidFile: string
  readonly names: MarbleNames
  readonly evidence: EvidenceChoice
  /** Where Gramine's and the kernel's folders are; undefined: where they usually are. */
  readonly gramineRoot: string | undefined
  readonly tsmRoot: string | undefined
  /** How long to go on asking a Coordinator that isn't ready, in milliseconds. */
  readonly retryMs: number
  /** Whether the application itself reads `MARBLE_TTLS_CONFIG`. */
  readonly applicationDoesTtls: boolean
}

/** One day: whoever wants to wait longer wants to be told that nothing happens. */
const longestRetrySeconds = 86_400

/**
 * Reads the settings; an empty variable counts as absent.
 *
 * @param workingFolder the default folder of the UUID file, and where relative paths begin
 * @throws {@link MarbleError} `configuration_invalid`
 */
export function readSettings(environment: Environment, workingFolder: string): RunnerSettings {
  const value = (name: string): string | undefined =>
    environment[name] === '' ? undefined : environment[name]
  const marbleType = value('EDG_MARBLE_TYPE')
  if (marbleType === undefined) {
    throw new MarbleError(
      'configuration_invalid',
      'reading the environment: EDG_MARBLE_TYPE is not set; it must name the marble type in the manifest',
    )
  }
  return {
    coordinator: parseAddress(value('EDG_MARBLE_COORDINATOR_ADDR') ?? 'localhost:2001'),
    marbleType,
    uuidFile: path.resolve(workingFolder, value('EDG_MARBLE_UUID_FILE') ?? 'uuid'),
    names: parseMarbleNames(value('EDG_MARBLE_DNS_NAMES')),
    evidence: readChoice('TAW_MARBLE_EVIDENCE', value('TAW_MARBLE_EVIDENCE') ?? 'auto', EVIDENCE_CHOICES),
    gramineRoot: value('TAW_MARBLE_EVIDENCE_GRAMINE_DIR'),
    tsmRoot: value('TAW_MARBLE_EVIDENCE_TSM_DIR'),
    retryMs: readSeconds('TAW_MARBLE_RETRY_SECONDS', value('TAW_MARBLE_RETRY_SECONDS') ?? '30') * 1000,
    applicationDoesTtls:
      readChoice('TAW_MARBLE_TTLS', value('TAW_MARBLE_TTLS') ?? 'refuse', ['refuse', 'application']) ===
      'application',
  }
}

function readChoice<T extends string>(name: string, text: string, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === text)
  if (choice !== undefined) return choice
  throw new MarbleError(
    'configuration_invalid',
    `reading the environment: ${name} is "${text}"; it should be one of ${choices.join(', ')}`,
  )
}

function readSeconds(name: string, text: string): number {
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (seconds <= longestRetrySeconds) return seconds
  throw new MarbleError(
    'configuration_invalid',
    `reading the environment: ${name} is "${text}"; it should be a whole number of seconds from 0 (one attempt) ` +
      `to ${longestRetrySeconds}`,
  )
}
