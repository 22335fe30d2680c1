/**
 * `npm run demo [-- --keep]`: the main job for real, in simulation. A Coordinator gets a manifest, two services come
 * up with their own credentials and secrets, talk to each other over mutual TLS, and a stranger is refused.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import tls from 'node:tls'
import { parseArgs, styleText } from 'node:util'
import { makeIdentity } from '../packages/marble/src/identity/identity.ts'
import { parseMarbleNames } from '../packages/marble/src/identity/names.ts'
import { freePort, get } from '../tests/support/coordinator.ts'
import { buildAll } from './build.ts'

const root = path.resolve(import.meta.dirname, '..')
const bin = (name: string): string => path.join(root, 'node_modules/.bin', name)
const { values } = parseArgs({ options: { keep: { type: 'boolean', default: false } } })
const folder = mkdtempSync(path.join(os.tmpdir(), 'taw-demo-'))
const running = new Set<ChildProcess>()

function step(text: string): void {
  console.log(`\n${styleText('bold', text)}`)
}

const show = (text: string): void => {
  for (const line of text.trimEnd().split('\n')) console.log(`  ${styleText('dim', line)}`)
}

interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end. */
async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  const [code] = (await once(child, 'close')) as [number | null]
  running.delete(child)
  return { code, ...output }
}

/** A taw command, shown as a user would type it; it must succeed. */
async function taw(args: readonly string[]): Promise<string> {
  show(`$ taw ${args.join(' ')}`)
  const { code, stdout, stderr } = await run(bin('taw'), args, {
    XDG_CONFIG_HOME: path.join(folder, 'config'),
  })
  if (code !== 0) throw new Error(`taw ${args.join(' ')} ended with ${code}:\n${stderr}${stdout}`)
  return stdout
}

async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen within 20 seconds`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** PEM files of a certificate that signs itself, for a user or a stranger. */
async function makeCertificate(name: string): Promise<{ cert: string; key: string }> {
  const { certificate, privateKey } = await makeIdentity(parseMarbleNames(name), 'P-256', new Date())
  const lines = Buffer.from(certificate)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n')
  const cert = `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  writeFileSync(path.join(folder, `${name}.crt`), cert)
  writeFileSync(path.join(folder, `${name}.key`), key, { mode: 0o600 })
  return { cert, key }
}

interface Deployment {
  readonly meshPort: number
  readonly clientPort: number
  readonly ordersPort: number
}

async function startCoordinator({ meshPort, clientPort }: Deployment): Promise<void> {
  const child = spawn(bin('taw-coordinator'), {
    cwd: folder,
    stdio: 'ignore',
    detached: values.keep,
    env: {
      PATH: process.env['PATH'],
      OE_SIMULATION: '1',
      EDG_COORDINATOR_MESH_ADDR: `127.0.0.1:${meshPort}`,
      EDG_COORDINATOR_CLIENT_ADDR: `127.0.0.1:${clientPort}`,
      EDG_COORDINATOR_SEAL_DIR: path.join(folder, 'sealed'),
    },
  })
  running.add(child)
  await until('the start of the Coordinator', async () => {
    if (child.exitCode !== null) throw new Error(`the Coordinator ended with ${child.exitCode}`)
    return (await get(clientPort, '/api/v2/status').catch(() => undefined))?.status === 200
  })
}

/** Environment and arguments of `taw run` for one of the demo's services. */
function marble(
  type: string,
  { meshPort, ordersPort }: Deployment,
): { args: string[]; env: NodeJS.ProcessEnv } {
  mkdirSync(path.join(folder, type), { recursive: true })
  return {
    args: [
      'run',
      '--',
      bin('node'),
      '--disable-warning=ExperimentalWarning',
      path.join(root, 'demo', `${type}.ts`),
    ],
    env: {
      EDG_MARBLE_COORDINATOR_ADDR: `127.0.0.1:${meshPort}`,
      EDG_MARBLE_TYPE: type,
      EDG_MARBLE_UUID_FILE: path.join(folder, type, 'uuid'),
      ORDERS_PORT: String(ordersPort),
    },
  }
}

async function startOrders(deployment: Deployment): Promise<ChildProcess> {
  const { args, env } = marble('orders', deployment)
  const child = spawn(bin('taw'), args, {
    cwd: folder,
    detached: values.keep,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  await until('the start of "orders"', () => {
    if (child.exitCode !== null) throw new Error(`"orders" ended with ${child.exitCode}:\n${output}`)
    return output.includes('orders: ready')
  })
  return child
}

async function askOrders(deployment: Deployment): Promise<OrdersAnswer> {
  const { args, env } = marble('web', deployment)
  const { code, stdout, stderr } = await run(bin('taw'), args, env)
  if (code !== 0) throw new Error(`"web" ended with ${code}:\n${stderr}${stdout}`)
  return JSON.parse(stdout.trim()) as OrdersAnswer
}

/** What demo/web.ts prints. */
interface OrdersAnswer {
  readonly answer: Readonly<Record<'servedTo' | 'databasePassword' | 'diskKey' | 'sessionKey', string>>
  readonly ownSessionKey: string
}

/** Whether a TLS server lets this client certificate in. */
function isAdmitted(port: number, identity: { cert: string; key: string }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...identity })
    socket.on('error', () => {
      resolve(false)
    })
    socket.on('close', () => {
      resolve(false)
    })
    socket.on('data', () => {
      resolve(true)
      socket.destroy()
    })
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'))
  })
}

async function uploadPassword(password: string, host: string): Promise<void> {
  const file = path.join(folder, 'password.json')
  const secret = { databasePassword: { Key: Buffer.from(password).toString('base64') } }
  writeFileSync(file, JSON.stringify(secret), { mode: 0o600 })
  await taw(['secret', 'set', 'password.json', host, '--cert', 'alice.crt', '--key', 'alice.key', '-i'])
  rmSync(file)
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`the demo went wrong: ${what}`)
}

async function stop(child: ChildProcess): Promise<void> {
  running.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

async function story(): Promise<Deployment> {
  const deployment = {
    meshPort: await freePort(),
    clientPort: await freePort(),
    ordersPort: await freePort(),
  }
  const host = `127.0.0.1:${deployment.clientPort}`

  step('1. A Coordinator starts, in simulation: no TEE protects it, so nothing here is secret')
  await startCoordinator(deployment)
  show(await taw(['status', host, '-i']))

  step(
    '2. It gets its manifest: two services of one package, three secrets, and alice, who may set the password',
  )
  const { cert } = await makeCertificate('alice')
  const manifest = JSON.parse(readFileSync(path.join(root, 'demo/manifest.json'), 'utf8')) as {
    Users: { alice: { Certificate: string } }
  }
  manifest.Users.alice.Certificate = cert
  writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify(manifest, undefined, 2))
  show(await taw(['manifest', 'set', 'manifest.json', host, '-i']))

  step('3. alice uploads the database password')
  await uploadPassword('correct horse', host)

  step(
    '4. "orders" starts under taw run: it activates, gets its secrets, and serves with its own certificate',
  )
  const orders = await startOrders(deployment)
  show('orders: ready')

  step('5. "web" activates and asks "orders", each proving to the other what it is')
  const first = await askOrders(deployment)
  show(JSON.stringify(first.answer))
  expect(first.answer.servedTo === 'web', '"orders" did not see who asked')
  expect(first.answer.sessionKey === first.ownSessionKey, 'the shared key is not the same in both services')

  step('6. A stranger with a certificate of its own asks "orders"')
  const isIn = await isAdmitted(deployment.ordersPort, await makeCertificate('stranger'))
  expect(!isIn, 'the stranger was let in')
  show('refused in the TLS handshake')

  step('7. alice uploads a new password, and "orders" is restarted')
  await uploadPassword('battery staple', host)
  await stop(orders)
  await startOrders(deployment)
  const second = await askOrders(deployment)
  show(JSON.stringify(second.answer))
  expect(
    second.answer.databasePassword !== first.answer.databasePassword,
    'the password is still the old one',
  )
  expect(second.answer.diskKey === first.answer.diskKey, 'the key of the disk changed with the restart')
  show('a new password; the key of its disk, derived for this marble alone, is the same as before')

  step('8. The update log names who did what')
  await taw(['manifest', 'log', host, '-i', '-o', 'log.json'])
  const log = readFileSync(path.join(folder, 'log.json'), 'utf8')
  show(log)
  expect(log.includes('"user":"alice"'), 'the log does not name alice')
  return deployment
}

function printHowToGoOn({ meshPort, clientPort, ordersPort }: Deployment): void {
  const pids = [...running].map((child) => child.pid).join(' ')
  step('It goes on running. To look around:')
  console.log(`  export PATH=${path.join(root, 'node_modules/.bin')}:$PATH XDG_CONFIG_HOME=${folder}/config
  cd ${folder}
  taw status 127.0.0.1:${clientPort} -i
  taw manifest get 127.0.0.1:${clientPort} -i
  taw manifest log 127.0.0.1:${clientPort} -i
  EDG_MARBLE_COORDINATOR_ADDR=127.0.0.1:${meshPort} EDG_MARBLE_TYPE=web EDG_MARBLE_UUID_FILE=web/uuid \\
    ORDERS_PORT=${ordersPort} taw run -- node ${path.join(root, 'demo/web.ts')}
To end it: kill ${pids}; rm -r ${folder}`)
}

async function cleanUp(): Promise<void> {
  await Promise.all([...running].map(stop))
  rmSync(folder, { recursive: true, force: true })
}

process.once('SIGINT', () => {
  void cleanUp().then(() => process.exit(130))
})
try {
  await buildAll()
  const deployment = await story()
  if (values.keep) {
    printHowToGoOn(deployment)
    for (const child of running) {
      child.unref()
      child.stdout?.destroy()
      child.stderr?.destroy()
    }
    process.exit(0)
  }
  await cleanUp()
  console.log(`\n${styleText('bold', 'Done.')} Everything was stopped and removed; --keep leaves it running.`)
} catch (error) {
  await cleanUp()
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
