import { readPackagePolicy } from '@taw/attestation'
import type { PackagePolicy } from '@taw/attestation'
import type { FlagValues } from '../arguments/flag.ts'
import { CliError } from '../errors.ts'
import { readManifest } from '../manifest/manifest-file.ts'
import { UNUSABLE } from './exit-codes.ts'

/**
 * The policy of `--policy FILE`: an entry of a manifest's `Packages` as JSON or YAML, or a manifest of which `--package`
 * names one.
 *
 * @returns undefined when none is given
 * @throws CliError (exit code 2)
 */
export async function readPolicyFile(
  flags: FlagValues,
  warn: (line: string) => void,
): Promise<PackagePolicy | undefined> {
  const file = flags.string('policy')
  const name = flags.string('package')
  if (file === undefined) {
    if (name !== undefined) throw unusable('--package is for the manifest of --policy: give one')
    return undefined
  }
  const where = JSON.stringify(file)
  const entry = packageIn(await parse(file), name, where)
  const { policy, problems, warnings } = readPackagePolicy(entry)
  const sentence = ({ path, message }: (typeof problems)[number]): string =>
    `${path.length > 0 ? JSON.stringify(path.join('.')) : 'the package'} ${message}`
  if (problems.length > 0)
    throw unusable(`The policy in ${where} can't be used: ${problems.map(sentence).join('; ')}`)
  for (const warning of warnings) warn(`Warning: in the policy ${where} ${sentence(warning)}`)
  return policy
}

async function parse(file: string): Promise<unknown> {
  try {
    return JSON.parse(Buffer.from(await readManifest(file)).toString('utf8'))
  } catch (error) {
    if (error instanceof CliError) throw new CliError(error.message, { exitCode: UNUSABLE, cause: error })
    throw error
  }
}

function packageIn(content: unknown, name: string | undefined, where: string): unknown {
  const packages = memberOf(content, 'Packages')
  if (packages === undefined) {
    if (name === undefined) return content
    throw unusable(`--package ${JSON.stringify(name)}: the file ${where} is no manifest, it has no Packages`)
  }
  const names = isObject(packages) ? Object.keys(packages) : []
  const shown = names.map((one) => JSON.stringify(one)).join(', ') || 'none'
  if (name === undefined) {
    throw unusable(
      `The policy in ${where} is a manifest: say with --package which of its packages; it has ${shown}`,
    )
  }
  const found = names.includes(name) ? memberOf(packages, name) : undefined
  if (found !== undefined) return found
  throw unusable(
    `--package ${JSON.stringify(name)}: the manifest in ${where} has no such package; it has ${shown}`,
  )
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const memberOf = (value: unknown, name: string): unknown =>
  isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined

const unusable = (message: string): CliError => new CliError(message, { exitCode: UNUSABLE })
