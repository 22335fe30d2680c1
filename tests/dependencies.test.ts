/** What runs inside the TEE besides our own code: pinned, whole, and nothing that runs when it is installed. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

interface LockedPackage {
  readonly version?: string
  readonly integrity?: string
  readonly link?: boolean
  readonly resolved?: string
  readonly dev?: boolean
  readonly hasInstallScript?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
}

const root = path.resolve(import.meta.dirname, '..')
const read = (file: string): unknown => JSON.parse(readFileSync(path.join(root, file), 'utf8'))
const { packages } = read('package-lock.json') as {
  readonly packages: Readonly<Record<string, LockedPackage>>
}

/** Names of all packages that one of ours brings along, itself included. */
function broughtBy(name: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(name)) return found
  found.add(name)
  const locked = packages[`node_modules/${name}`]
  assert.ok(locked, `"${name}" is not locked`)
  const source = locked.link === true ? packages[locked.resolved ?? ''] : locked
  for (const dependency of Object.keys(source?.dependencies ?? {})) broughtBy(dependency, found)
  return found
}

const others = (name: string): readonly (readonly [string, LockedPackage])[] =>
  [...broughtBy(name)].flatMap((dependency) => {
    const locked = packages[`node_modules/${dependency}`]
    return locked === undefined || locked.link === true ? [] : [[dependency, locked] as const]
  })

test('every package is locked with the hash of its contents', () => {
  for (const [place, { link, integrity }] of Object.entries(packages)) {
    if (place.includes('node_modules/') && link !== true) assert.match(integrity ?? '', /^sha512-/, place)
  }
})

test('nothing that ships runs a program when it is installed', () => {
  for (const name of ['@taw/coordinator', '@taw/cli', '@taw/marble', '@taw/client']) {
    for (const [dependency, locked] of others(name)) assert.ok(locked.hasInstallScript !== true, dependency)
  }
})

test('what the Coordinator depends on is named by its exact version', () => {
  for (const name of [
    'coordinator',
    'attestation',
    'collateral',
    'evidence',
    'protocol',
    'marble',
    'client',
    'cli',
  ]) {
    const { dependencies = {} } = read(`packages/${name}/package.json`) as LockedPackage
    for (const [dependency, version] of Object.entries(dependencies)) {
      assert.match(version, /^\d+\.\d+\.\d+$/, `${name}: ${dependency}`)
    }
  }
})

test('a new package in the Coordinator’s TEE is a decision, not an accident', () => {
  assert.deepEqual(
    others('@taw/coordinator')
      .map(([name]) => name)
      .sort(),
    [
      ...[
        '@bufbuild/protobuf',
        '@opentelemetry/api',
        '@pinojs/redact',
        '@prometheus-io/client',
        'atomic-sleep',
      ],
      ...[
        'bintrees',
        'cborg',
        'on-exit-leak-free',
        'pino',
        'pino-abstract-transport',
        'pino-std-serializers',
      ],
      ...['process-warning', 'quick-format-unescaped', 'real-require', 'safe-stable-stringify'],
      ...['shamir-secret-sharing', 'sonic-boom', 'split2', 'tdigest', 'thread-stream'],
    ],
  )
})
