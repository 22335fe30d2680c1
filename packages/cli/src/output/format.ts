import type { FlagValues } from '../arguments/flag.ts'
import { CliError } from '../errors.ts'

export type Format = 'text' | 'json'

/**
 * What `--format` of a command that prints facts asks for, or `--output`, its former name.
 *
 * @param exitCode for another format than these
 * @throws CliError
 */
export function printedFormat(flags: FlagValues, exitCode = 1): Format {
  const [format, former] = [flags.string('format'), flags.string('output')]
  if (format !== undefined && former !== undefined && format !== former) {
    throw new CliError(
      `--format is ${JSON.stringify(format)}, but --output, its former name, ${JSON.stringify(former)}; give --format alone`,
      { exitCode },
    )
  }
  const flag = format === undefined && former !== undefined ? '--output' : '--format'
  return readFormat(flag, format ?? former ?? 'text', exitCode)
}

/** @throws CliError for another format than `text` and `json` */
export function readFormat(flag: string, format: string, exitCode = 1): Format {
  if (format === 'text' || format === 'json') return format
  const file = flag === '--output' ? '; here it names no file: to save the result, redirect stdout' : ''
  throw new CliError(`${flag} is ${JSON.stringify(format)}; it must be text or json${file}`, { exitCode })
}
