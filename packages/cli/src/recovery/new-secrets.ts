import type { FlagValues } from '../arguments/flag.ts'
import type { Invocation } from '../command.ts'
import { CliError } from '../errors.ts'
import { checkSecretOutput, writeSecretOutput } from '../output/files.ts'

/** Recovery secrets that a Coordinator has just made: it gives them once. */

const what = 'the recovery secrets'

/** That the file of `--recoverydata` can be written; for before they are made. */
export function checkRecoveryOutput(flags: FlagValues): void {
  const file = flags.string('recoverydata')
  if (file !== undefined) checkSecretOutput(file, what, flags.bool('force'))
}

/**
 * One line of JSON on stdout, or in the file of `--recoverydata`.
 * @param done what has happened already, for the error if they can't be saved: they are on stdout then
 */
export function handOverRecoverySecrets(
  { flags, stdout }: Invocation,
  secrets: ReadonlyMap<string, string>,
  done: string,
): void {
  const sorted = [...secrets].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const json = JSON.stringify({ RecoverySecrets: Object.fromEntries(sorted) })
  const file = flags.string('recoverydata')
  if (file === undefined) {
    stdout(`${json}\n`)
    return
  }
  try {
    writeSecretOutput(file, json, what, flags.bool('force'))
  } catch (error) {
    stdout(`${json}\n`)
    const reason = error instanceof Error ? error.message : String(error)
    throw new CliError(
      `${done}, but its recovery secrets could not be saved: they are on stdout; keep them. ${reason}`,
      { cause: error },
    )
  }
  stdout(`The recovery secrets are in ${file}\n`)
}
