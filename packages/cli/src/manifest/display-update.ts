import { CliError } from '../errors.ts'
import { encodeGoJson } from './go-json.ts'
import { isMap, toJsonValue } from './json-value.ts'
import type { JsonValue } from './json-value.ts'

/** Texts of the Coordinator's log (spec/client-api.md, "The update log"). */
const packageUpdated = 'SecurityVersion increased'
const manifestUpdated = 'Complete Manifest updated'

/** What a manifest without these members means (spec/manifest.md, `Config`). */
const configDefaults: readonly (readonly [string, JsonValue])[] = [
  ['SealMode', ''],
  ['FeatureGates', []],
  ['UpdateThreshold', 0],
  ['RecoveryThreshold', 0],
  ['RotateRootSecret', false],
]

/**
 * The manifest as it is in force: package updates of the log merged into it, `Config` filled in, members sorted, null
 * and empty ones left out, indented by 4 blanks, without final newline. For people: its fingerprint is another.
 */
export function displayUpdated(manifest: Uint8Array, log: readonly string[]): string {
  const document = parseExact(Buffer.from(manifest).toString('utf8'))
  if (!isMap(document)) throw new CliError('The manifest of the Coordinator is not a JSON object')
  const merged = new Map(document)
  const [packagesName, packages] = member(document, 'Packages')
  if (packages !== undefined && isMap(packages))
    merged.set(packagesName, withVersions(packages, raisedVersions(log)))
  const [configName, config] = member(document, 'Config')
  merged.set(configName, filledIn(config !== undefined && isMap(config) ? config : new Map()))
  return encodeGoJson(withoutEmpty(merged), 4)
}

/** The newest version of each package, by the log; a full update starts anew (spec/quirks.md). */
function raisedVersions(log: readonly string[]): ReadonlyMap<string, JsonValue> {
  const versions = new Map<string, JsonValue>()
  for (const line of log) {
    const entry = parseExact(line)
    if (!isMap(entry)) continue
    if (entry.get('update') === manifestUpdated) versions.clear()
    const name = entry.get('package')
    const version = entry.get('new version')
    if (entry.get('update') !== packageUpdated || typeof name !== 'string' || version === undefined) continue
    versions.set(name, version)
  }
  return versions
}

function withVersions(
  packages: ReadonlyMap<string, JsonValue>,
  versions: ReadonlyMap<string, JsonValue>,
): ReadonlyMap<string, JsonValue> {
  return new Map(
    [...packages].map(([name, definition]) => {
      const version = versions.get(name)
      if (version === undefined || !isMap(definition)) return [name, definition]
      return [name, new Map([...definition, [member(definition, 'SecurityVersion')[0], version]])]
    }),
  )
}

function filledIn(config: ReadonlyMap<string, JsonValue>): ReadonlyMap<string, JsonValue> {
  const absent = configDefaults.filter(([name]) => (member(config, name)[1] ?? null) === null)
  return new Map([...config, ...absent.map(([name, value]) => [member(config, name)[0], value] as const)])
}

/** Members match without case, as in the Coordinator; of several the last counts. */
function member(map: ReadonlyMap<string, JsonValue>, name: string): readonly [string, JsonValue | undefined] {
  const found = [...map].findLast(([key]) => key.toLowerCase() === name.toLowerCase())
  return found ?? [name, undefined]
}

/** Leaves out nulls, empty lists and empty maps. Empty text stays: a file or variable may be meant to be empty. */
function withoutEmpty(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value
  if (!isMap(value)) return value.map(withoutEmpty)
  const members = [...value].map(([name, item]) => [name, withoutEmpty(item)] as const)
  return new Map(members.filter(([, item]) => !isEmpty(item)))
}

function isEmpty(value: JsonValue): boolean {
  if (typeof value !== 'object' || value === null) return value === null
  return isMap(value) ? value.size === 0 : value.length === 0
}

/** JSON with members in order and integers exact: a 64-bit ProductID does not fit a JavaScript number. */
function parseExact(text: string): JsonValue {
  const revive = (_name: string, value: unknown, context?: { source?: string }): unknown => {
    const source = context?.source
    if (typeof value === 'number' && source !== undefined && /^-?\d+$/.test(source)) return BigInt(source)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? new Map(Object.entries(value))
      : value
  }
  const fail = (cause?: unknown): never => {
    throw new CliError('The Coordinator gave a manifest or log entry that is not JSON', { cause })
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(text, revive)
  } catch (error) {
    fail(error)
  }
  return toJsonValue(parsed, fail)
}
