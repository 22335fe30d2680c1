import { allowedNameProblem } from '../../pki/allowed-names.ts'
import { manifestLimits } from '../limits.ts'
import type { MarbleDefinition, PackagePolicy, ParameterValue, TlsTag } from '../model.ts'
import { quoteName } from '../path.ts'
import type { Report } from '../report.ts'
import type { MarbleSource } from '../schema.ts'
import { entriesOf, listNames, mapEntries, type TopicContext } from './topic.ts'

/** Variables that every activation sets, over what the manifest says (spec/secrets.md). */
const predefinedVariables = [
  'MARBLE_PREDEFINED_ROOT_CA',
  'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN',
  'MARBLE_PREDEFINED_PRIVATE_KEY',
  'MARBLE_PREDEFINED_COORDINATOR_ROOT_CA',
]
const tlsVariable = 'MARBLE_TTLS_CONFIG'

/** Decodes `Marbles`. */
export function marblesOf(
  { source, report }: TopicContext,
  packages: ReadonlyMap<string, PackagePolicy>,
  tlsTags: ReadonlyMap<string, TlsTag>,
): ReadonlyMap<string, MarbleDefinition> {
  const entries = entriesOf('Marbles', source.Marbles, 'marbles', report)
  if (entries.size === 0) report.error(['Marbles'], 'the manifest needs at least one marble, but has none')
  const values = [...entries.values()].reduce(
    (sum, { Parameters }) => sum + (Parameters?.Files?.size ?? 0) + (Parameters?.Env?.size ?? 0),
    0,
  )
  if (values > manifestLimits.parameterValues) {
    report.undecodable(
      ['Marbles'],
      `has ${values} files and variables, but may have at most ${manifestLimits.parameterValues}`,
    )
    return new Map()
  }
  return mapEntries(entries, (entry, name) => {
    checkNames(entry, name, packages, tlsTags, report)
    const env = entry.Parameters?.Env ?? new Map<string, ParameterValue>()
    checkEnvironment(env, entry, name, report)
    checkAllowedNames(entry, name, report)
    return {
      package: entry.Package ?? '',
      maxActivations: Number(entry.MaxActivations ?? 0n),
      disableSecretBinding: entry.DisableSecretBinding ?? false,
      allowedNames: entry.AllowedNames,
      tls: entry.TLS ?? [],
      files: entry.Parameters?.Files ?? new Map<string, ParameterValue>(),
      env,
      argv: entry.Parameters?.Argv ?? [],
    }
  })
}

function checkNames(
  entry: MarbleSource,
  marble: string,
  packages: ReadonlyMap<string, PackagePolicy>,
  tlsTags: ReadonlyMap<string, TlsTag>,
  report: Report,
): void {
  const name = entry.Package ?? ''
  if (name === '' && !packages.has('')) {
    report.error(['Marbles', marble, 'Package'], 'must name a package of "Packages", but is missing')
  } else if (!packages.has(name) && report.isComplete('Packages')) {
    const hint = report.didYouMean(name, packages)
    report.error(['Marbles', marble, 'Package'], `no such package ${quoteName(name)} in "Packages"${hint}`)
  }
  for (const [index, tag] of (entry.TLS ?? []).entries()) {
    if (tlsTags.has(tag) || !report.isComplete('TLS')) continue
    const hint = report.didYouMean(tag, tlsTags)
    report.error(['Marbles', marble, 'TLS', index], `no such tag ${quoteName(tag)} in "TLS"${hint}`)
  }
}

function checkAllowedNames({ AllowedNames = [] }: MarbleSource, marble: string, report: Report): void {
  for (const [index, entry] of AllowedNames.entries()) {
    const problem = allowedNameProblem(entry)
    if (problem === undefined) continue
    report.error(['Marbles', marble, 'AllowedNames', index], `is ${quoteName(entry)}, but ${problem}`)
  }
}

function checkEnvironment(
  env: ReadonlyMap<string, ParameterValue>,
  { TLS }: MarbleSource,
  marble: string,
  report: Report,
): void {
  for (const [name, { data }] of env) {
    const path = ['Marbles', marble, 'Parameters', 'Env', name]
    if (data.includes(0)) {
      report.error(
        path,
        'an environment variable can hold no NUL character, but this value has one: use "Files" for binary data',
      )
    }
    if (name === '' || /[=\0]/.test(name)) {
      report.warn(
        path,
        'no system has a variable of this name: names are not empty and hold neither "=" nor NUL',
      )
    }
  }
  const overwritten = predefinedVariables.filter((name) => env.has(name))
  if (env.has(tlsVariable) && (TLS ?? []).length > 0) overwritten.push(tlsVariable)
  if (overwritten.length > 0) {
    report.warn(
      ['Marbles', marble, 'Parameters', 'Env'],
      `every activation sets ${listNames(overwritten)} itself: the values here have no effect`,
    )
  }
}
