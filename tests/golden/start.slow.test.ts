import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import net, { type AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { CoordinatorProcess } from '../support/coordinator-process.ts'
import { fromBinary } from '@bufbuild/protobuf'
import { ActivationRespSchema } from '@taw/protocol'
import { freePort } from '../support/coordinator.ts'
import {
  activate,
  activateHeaders,
  clientIdentity,
  connectMesh,
  encodeActivation,
  frame,
  manifestWith,
} from '../support/mesh-client.ts'
import { readShared, skipWithoutShared } from '../support/shared.ts'

/** golden/environment: how the Coordinator starts, logs and ends; each case is a process of its own. */

interface Outcome {
  readonly state?: number
  readonly exitCode?: number
}

interface StartCase {
  readonly id: string
  readonly environment: Readonly<Record<string, string>>
  readonly expect: Outcome
}

const refused: Outcome = { exitCode: 1 }
const noTee = 'simulation is entered only when asked for (spec/README.md, "Simulation")'
const bothListeners = 'either listener failing ends the start (spec/quirks.md)'

/** Where ours differs on purpose. */
const divergences: Readonly<Record<string, { readonly expect: Outcome; readonly reason: string }>> = {
  'simulation-off-without-tee': { expect: refused, reason: noTee },
  'simulation-0': { expect: refused, reason: noTee },
  'client-addr-bad-port': { expect: refused, reason: bothListeners },
  'client-addr-no-port': { expect: refused, reason: bothListeners },
  'client-port-taken': { expect: refused, reason: bothListeners },
  'prometheus-addr-bad': {
    expect: refused,
    reason:
      'who asks for metrics and gets none would notice too late; the same rule as for the other listeners',
  },
  'startup-manifest-again': {
    expect: { state: 3 },
    reason: 'used only when nothing was ever set; else a warning, and the sealed state wins (spec/quirks.md)',
  },
  'startup-manifest-in-recovery': {
    expect: { state: 1 },
    reason: 'used only when nothing was ever set; else a warning, and the sealed state wins (spec/quirks.md)',
  },
}

/** What clones without the recordings test, and what was not recorded. */
const ownCases: readonly StartCase[] = [
  { id: 'defaults-simulation', environment: {}, expect: { state: 2 } },
  { id: 'simulation-off-without-tee', environment: { OE_SIMULATION: 'unset' }, expect: refused },
  { id: 'simulation-true', environment: { OE_SIMULATION: 'true' }, expect: refused },
  {
    id: 'mesh-addr-bad-port',
    environment: { EDG_COORDINATOR_MESH_ADDR: 'localhost:notaport' },
    expect: refused,
  },
  { id: 'client-addr-no-port', environment: { EDG_COORDINATOR_CLIENT_ADDR: 'localhost' }, expect: refused },
  { id: 'mesh-port-taken', environment: { EDG_COORDINATOR_MESH_ADDR: '<a port in use>' }, expect: refused },
  {
    id: 'client-port-taken',
    environment: { EDG_COORDINATOR_CLIENT_ADDR: '<a port in use>' },
    expect: refused,
  },
  { id: 'client-addr-foreign', environment: { EDG_COORDINATOR_CLIENT_ADDR: '192.0.2.1:0' }, expect: refused },
  {
    id: 'startup-manifest-valid',
    environment: { EDG_STARTUP_MANIFEST: '<a valid manifest>' },
    expect: { state: 3 },
  },
  {
    id: 'startup-manifest-invalid',
    environment: { EDG_STARTUP_MANIFEST: '<a manifest without packages>' },
    expect: refused,
  },
  {
    id: 'startup-manifest-missing',
    environment: { EDG_STARTUP_MANIFEST: '<no such file>' },
    expect: refused,
  },
  {
    id: 'seal-dir-is-a-file',
    environment: { EDG_COORDINATOR_SEAL_DIR: '<a regular file>' },
    expect: refused,
  },
  { id: 'curve-unknown', environment: { TAW_PKI_CURVE: 'P-521' }, expect: refused },
  { id: 'curve-p384', environment: { TAW_PKI_CURVE: 'P-384' }, expect: { state: 2 } },
  { id: 'dns-names-utf8', environment: { EDG_COORDINATOR_DNS_NAMES: 'bücher.example' }, expect: refused },
]

const recorded =
  skipWithoutShared === false ? (readShared('golden/environment/start.json') as StartCase[]) : []
const recordedIds = new Set(recorded.map(({ id }) => id))
const cases = [...recorded, ...ownCases.filter(({ id }) => !recordedIds.has(id))]

let folder: string
const holder = net.createServer()
before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'taw-start-'))
  await once(holder.listen(0, '127.0.0.1'), 'listening')
})
after(() => {
  holder.close()
  rmSync(folder, { recursive: true, force: true })
})

const validManifest = manifestWith({ Marbles: { m: { Package: 'pkg' } } })

const largeFile = 'x'.repeat(3_000_000)

interface Prepared {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clientPort: number
  readonly sealDirectory: string
}

/** The usual environment, on free ports, with a folder for this case alone. */
async function prepare(
  id: string,
  environment: StartCase['environment'],
): Promise<Prepared & { home: string }> {
  const home = path.join(folder, id)
  mkdirSync(home)
  const clientPort = await freePort()
  const usual: Record<string, string> = {
    OE_SIMULATION: '1',
    EDG_COORDINATOR_MESH_ADDR: `127.0.0.1:${await freePort()}`,
    EDG_COORDINATOR_CLIENT_ADDR: `127.0.0.1:${clientPort}`,
    EDG_COORDINATOR_SEAL_DIR: path.join(home, 'seal'),
  }
  const env: Record<string, string | undefined> = { ...usual }
  for (const [name, value] of Object.entries(environment)) env[name] = meaning(value, home)
  return { env, clientPort, sealDirectory: env['EDG_COORDINATOR_SEAL_DIR'] ?? '', home }
}

const portOf = (env: Prepared['env'], name: string): number => Number(env[name]?.split(':').at(-1))

/** What a value of the recordings in angle brackets stands for. */
function meaning(value: string, home: string): string | undefined {
  const file = (name: string, text: string): string => {
    const location = path.join(home, name)
    writeFileSync(location, text)
    return location
  }
  if (value === 'unset') return undefined
  if (!value.startsWith('<')) return value
  switch (value) {
    case '<a valid manifest>':
    case '<a valid manifest, state already sealed>':
    case '<a valid manifest, sealed state without its key>':
      return file('manifest.json', validManifest)
    case '<a manifest without packages>':
      return file('manifest.json', '{"Marbles":{"m":{"Package":"pkg"}}}')
    case '<a manifest with a large file>':
      return file(
        'manifest.json',
        manifestWith({ Marbles: { m: { Package: 'pkg', Parameters: { Files: { '/large': largeFile } } } } }),
      )
    case '<a file that is not JSON>':
      return file('manifest.json', 'Packages: {}')
    case '<no such file>':
      return path.join(home, 'missing.json')
    case '<a folder>':
      return home
    case '<a regular file>':
      return file('file', '')
    case '<a path below a regular file>':
      return path.join(file('file', ''), 'below')
    case '<a path where no folder can be made>':
      // Even root can't make a folder there.
      return '/proc/taw-seal'
    case '<two levels that do not exist>':
      return path.join(home, 'one/two')
    case '<a port in use>':
      return `127.0.0.1:${(holder.address() as AddressInfo).port}`
    default:
      throw new Error(`the test does not know what ${value} means`)
  }
}

/** Brings the seal directory into the state that some cases start from. */
async function sealBefore(
  environment: StartCase['environment'],
  prepared: Prepared,
  home: string,
  signal: AbortSignal,
): Promise<void> {
  const manifest = environment['EDG_STARTUP_MANIFEST']
  const isSealed = manifest === '<a valid manifest, state already sealed>'
  const isKeyless = manifest === '<a valid manifest, sealed state without its key>'
  if (!isSealed && !isKeyless) return
  await using first = new CoordinatorProcess(prepared.env, home, signal)
  assert.equal(await first.state(prepared.clientPort), 3)
  first.kill('SIGTERM')
  await first.ended
  if (isKeyless) rmSync(path.join(prepared.sealDirectory, 'sealed_key'))
}

/** Of one case on a busy machine; milliseconds. */
const timeout = 30_000

suite('start', { concurrency: 2 }, () => {
  for (const { id, environment, expect } of cases) {
    const divergence = divergences[id]
    const expected = divergence?.expect ?? expect
    test(
      divergence === undefined ? id : `${id} (differs: ${divergence.reason})`,
      { timeout },
      async ({ signal }) => {
        const { home, ...prepared } = await prepare(id, environment)
        await sealBefore(environment, prepared, home, signal)
        await using coordinator = new CoordinatorProcess(prepared.env, home, signal)
        if (expected.exitCode === undefined) {
          assert.equal(await coordinator.state(prepared.clientPort), expected.state)
          return
        }
        await Promise.race([coordinator.ended, coordinator.logged('listening').catch(() => undefined)])
        assert.doesNotMatch(coordinator.stderr, /\blistening\b/, 'it should not have started')
        const { exitCode } = await coordinator.ended
        assert.equal(exitCode, expected.exitCode, coordinator.stderr)
        checkFatal(coordinator, environment)
        assert.deepEqual(filesIn(prepared.sealDirectory), [], 'nothing half-written')
      },
    )
  }
})

test('a seal directory that another Coordinator uses is left to it', { timeout }, async ({ signal }) => {
  const { home, env, clientPort } = await prepare('seal-dir-taken', {
    EDG_STARTUP_MANIFEST: '<a valid manifest>',
  })
  await using first = new CoordinatorProcess(env, home, signal)
  assert.equal(await first.state(clientPort), 3)
  const { env: others } = await prepare('seal-dir-taken-second', {})
  const environment = { EDG_COORDINATOR_SEAL_DIR: env['EDG_COORDINATOR_SEAL_DIR'] ?? '' }
  await using second = new CoordinatorProcess({ ...others, ...environment }, home, signal)
  await Promise.race([second.ended, second.logged('listening').catch(() => undefined)])
  assert.doesNotMatch(second.stderr, /\blistening\b/)
  assert.equal((await second.ended).exitCode, 1)
  checkFatal(second, environment)
  assert.equal(await first.state(clientPort), 3)
})

/** One line of level fatal, the last one, that names the variable at fault; nothing on standard output. */
function checkFatal(coordinator: CoordinatorProcess, environment: StartCase['environment']): void {
  assert.equal(coordinator.stdout, '')
  const { log } = coordinator
  assert.deepEqual(
    log.filter(({ level }) => level === 'fatal'),
    log.slice(-1),
  )
  const message = String(log.at(-1)?.['msg'])
  const [variable = ''] = Object.keys(environment)
  assert.ok(message.includes(variable) || message.includes('the seal directory "'), message)
  // A stack belongs to a defect, not to a wrong setting.
  assert.doesNotMatch(coordinator.stderr, /\bat .*\.[jt]s:\d+/)
}

const filesIn = (directory: string): readonly string[] => {
  if (!existsSync(directory)) return []
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

interface SignalCase {
  readonly signal: 'TERM' | 'INT' | 'HUP' | 'QUIT'
  readonly exitCode?: number
}

/** spec/quirks.md: SIGTERM and SIGINT end cleanly. The others as recorded. */
const cleanEnds: ReadonlySet<string> = new Set(['TERM', 'INT'])

const signalCases: readonly SignalCase[] =
  skipWithoutShared === false
    ? (readShared('golden/environment/signals.json') as SignalCase[])
    : [{ signal: 'TERM' }, { signal: 'INT' }, { signal: 'HUP' }, { signal: 'QUIT', exitCode: 2 }]

suite('signals', { concurrency: 2 }, () => {
  for (const { signal: name, exitCode: recordedCode } of signalCases) {
    const isClean = cleanEnds.has(name)
    test(`SIG${name}${isClean ? ' (differs: ends cleanly, 0)' : ''}`, { timeout }, async ({ signal }) => {
      const { home, env, clientPort } = await prepare(`signal-${name}`, {})
      await using coordinator = new CoordinatorProcess(env, home, signal)
      await coordinator.state(clientPort)
      coordinator.kill(`SIG${name}`)
      const expected = isClean ? 0 : (recordedCode ?? null)
      assert.deepEqual(await coordinator.ended, {
        exitCode: expected,
        signal: expected === null ? `SIG${name}` : null,
      })
    })
  }

  test('a request under way is answered before the end, idle connections are not waited for', async ({
    signal,
  }) => {
    const { home, env, clientPort } = await prepare('signal-request', {})
    await using coordinator = new CoordinatorProcess(env, home, signal)
    await coordinator.state(clientPort)
    const idle = net.connect(clientPort, '127.0.0.1')
    await once(idle, 'connect')
    const request = await startedManifest(clientPort)
    coordinator.kill('SIGTERM')
    await coordinator.logged('"ending"')
    assert.equal(await request.finish(), 200)
    assert.equal((await coordinator.ended).exitCode, 0)
    idle.destroy()
  })

  test('an answer that is being sent is sent whole', { timeout }, async ({ signal }) => {
    const { home, env, clientPort } = await prepare('signal-answer', {
      EDG_STARTUP_MANIFEST: '<a manifest with a large file>',
    })
    await using coordinator = new CoordinatorProcess(env, home, signal)
    await coordinator.state(clientPort)
    const identity = await clientIdentity()
    const session = await connectMesh(portOf(env, 'EDG_COORDINATOR_MESH_ADDR'), identity)
    const stream = session.request(activateHeaders)
    stream.end(frame(encodeActivation({ marbleType: 'm' }, identity)))
    // The window is 64 KiB as long as nobody reads, so nearly all of the answer is still to come.
    await once(stream, 'response')
    const read = https.get({ port: clientPort, path: '/manifest', rejectUnauthorized: false, agent: false })
    const [response] = (await once(read, 'response')) as [IncomingMessage]
    coordinator.kill('SIGTERM')
    await coordinator.logged('"ending"')
    const chunks = (await stream.toArray()) as Buffer[]
    const { Parameters } = fromBinary(ActivationRespSchema, Buffer.concat(chunks).subarray(5))
    assert.equal(Parameters?.Files['/large']?.length, largeFile.length)
    const body = Buffer.concat((await response.toArray()) as Buffer[])
    assert.equal(body.length, Number(response.headers['content-length']))
    assert.equal((await coordinator.ended).exitCode, 0)
  })

  test('the second signal ends at once', async ({ signal }) => {
    const { home, env, clientPort } = await prepare('signal-twice', {})
    await using coordinator = new CoordinatorProcess(env, home, signal)
    await coordinator.state(clientPort)
    const request = await startedManifest(clientPort)
    coordinator.kill('SIGTERM')
    await coordinator.logged('"ending"')
    coordinator.kill('SIGTERM')
    // Had it waited until the request was given up, it would have ended with 0.
    assert.equal((await coordinator.ended).exitCode, 143)
    request.abort()
  })
})

/** A request to set a manifest, of which only the first half of the body is sent so far. */
async function startedManifest(
  clientPort: number,
): Promise<{ readonly finish: () => Promise<number | undefined>; readonly abort: () => void }> {
  const body = JSON.stringify({ manifest: Buffer.from(validManifest).toString('base64') })
  const request = https.request({
    ...{ host: '127.0.0.1', port: clientPort, path: '/api/v2/manifest', method: 'POST' },
    ...{ rejectUnauthorized: false, agent: false },
    headers: { 'content-length': body.length, expect: '100-continue' },
  })
  const aborted = once(request, 'close')
  aborted.catch(() => undefined)
  request.on('error', () => undefined)
  request.flushHeaders()
  // Then the Coordinator has read the header, so the request is under way.
  await once(request, 'continue')
  request.write(body.slice(0, 10))
  return {
    finish: async () => {
      const answered = once(request, 'response') as Promise<[IncomingMessage]>
      request.end(body.slice(10))
      const [response] = await answered
      response.resume()
      await once(response, 'end')
      return response.statusCode
    },
    abort: () => request.destroy(),
  }
}

interface RecordedLogs {
  readonly alwaysPresent: readonly string[]
  readonly keys: Readonly<Record<string, readonly ('str' | 'int' | 'float' | 'bool')[]>>
  readonly order: readonly string[]
  readonly levels: readonly string[]
}

/** `caller` names a source line of the original (logs.json: "not to be kept"). */
const withoutCaller = (names: readonly string[]): readonly string[] =>
  names.filter((name) => name !== 'caller')

suite('log lines', () => {
  test('are JSON objects on standard error, of the recorded shape', { timeout }, async ({ signal }) => {
    const recordedLogs =
      skipWithoutShared === false ? (readShared('golden/environment/logs.json') as RecordedLogs) : ownLogs
    const { home, env, clientPort } = await prepare('logs', { EDG_STARTUP_MANIFEST: '<a valid manifest>' })
    await using coordinator = new CoordinatorProcess({ ...env, EDG_DEBUG_LOGGING: '1' }, home, signal)
    await coordinator.state(clientPort)
    await activate(portOf(env, 'EDG_COORDINATOR_MESH_ADDR'), await clientIdentity(), { marbleType: 'm' })
    coordinator.kill('SIGTERM')
    await coordinator.ended
    assert.equal(coordinator.stdout, '')
    const { log } = coordinator
    assert.ok(log.some(({ MarbleType, UUID }) => MarbleType === 'm' && typeof UUID === 'string'))
    for (const line of log) checkLine(line, recordedLogs)
  })

  test('are text with tabs in development mode, debug level on', { timeout }, async ({ signal }) => {
    const { home, env, clientPort } = await prepare('logs-development', { EDG_COORDINATOR_DEV_MODE: '1' })
    await using coordinator = new CoordinatorProcess(env, home, signal)
    await coordinator.state(clientPort)
    for (const line of coordinator.stderr.trimEnd().split('\n')) {
      assert.match(
        line,
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z\t(?:DEBUG|INFO|WARN|ERROR)\t[^\t]+(?:\t\{.*\})?$/,
      )
    }
    assert.equal(coordinator.stdout, '')
  })
})

const ownLogs: RecordedLogs = {
  alwaysPresent: ['level', 'msg', 'ts'],
  keys: { error: ['str'], MarbleType: ['str'], UUID: ['str'] },
  order: ['level', 'ts', 'msg'],
  levels: ['debug', 'error', 'info', 'warn'],
}

function checkLine(line: Readonly<Record<string, unknown>>, expected: RecordedLogs): void {
  const shown = JSON.stringify(line)
  for (const name of withoutCaller(expected.alwaysPresent)) assert.ok(name in line, `${name} in ${shown}`)
  const order = Object.keys(line).filter((name) => expected.order.includes(name))
  assert.deepEqual(order, withoutCaller(expected.order), shown)
  assert.ok(expected.levels.includes(String(line['level'])), shown)
  assert.ok(Math.abs(Number(line['ts']) - Date.now() / 1000) < 120, `seconds since 1970: ${shown}`)
  const kinds = { str: 'string', int: 'number', float: 'number', bool: 'boolean' } as const
  for (const [name, value] of Object.entries(line)) {
    const known = expected.keys[name]
    if (known !== undefined)
      assert.ok(
        known.some((kind) => typeof value === kinds[kind]),
        `${name} in ${shown}`,
      )
  }
}
