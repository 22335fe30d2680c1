import { compareManifests, IncomparableManifest } from '@taw/coordinator/compare'
import type { ManifestFile } from '@taw/coordinator/compare'
import type { CommandHandler } from '../command.ts'
import { CliError } from '../errors.ts'
import { readManifest } from '../manifest/manifest-file.ts'
import { showComparison } from '../manifest/show-plan.ts'
import { printedFormat } from '../output/format.ts'
import { indentedJson } from '../output/indented-json.ts'

/** As of diff(1): scripts tell a difference from a failure. */
const exitCodes = { same: 0, different: 1, failure: 2 }

/** Two manifests in JSON or YAML, compared by what they mean. No network. */
export const manifestDiff: CommandHandler = async ({ args, flags, stdout, stderr }) => {
  const [before = '', after = ''] = args
  try {
    const format = printedFormat(flags)
    const comparison = compareManifests(await read(before), await read(after), new Date())
    stdout(format === 'json' ? indentedJson(comparison) : showComparison(comparison))
    return comparison.differences.length === 0 ? exitCodes.same : exitCodes.different
  } catch (error) {
    if (!(error instanceof CliError || error instanceof IncomparableManifest)) throw error
    stderr(`Error: ${error.message}`)
    return exitCodes.failure
  }
}

const read = async (name: string): Promise<ManifestFile> => ({ name, raw: await readManifest(name) })
