import type { FlagValues } from '../arguments/flag.ts'
import { CliError } from '../errors.ts'

/** What `--output` of commands with a result for people or for programs asks for. @throws CliError */
export function outputFormat(flags: FlagValues): 'text' | 'json' {
  const given = flags.string('output') ?? 'text'
  if (given === 'text' || given === 'json') return given
  throw new CliError(
    `The flag --output of this command takes 'text' or 'json', but is ${JSON.stringify(given)}; to save the result, redirect stdout`,
  )
}
