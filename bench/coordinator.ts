/**
 * What the Coordinator costs: `npm run bench -- coordinator`. Every figure is also given as a ratio to this machine's
 * own signature rate, measured in the same run; compare ratios, not times. `TAW_BENCH_MARBLES` says how many marbles start
 * at once (otherwise 1,000); this process makes all their connections, and with many more it is the one that is late.
 */
import { generateKeyPairSync, sign, randomUUID, type KeyObject } from 'node:crypto'
import http2 from 'node:http2'
import https from 'node:https'
import { create, toBinary } from '@bufbuild/protobuf'
import { ActivationReqSchema } from '@taw/protocol'
import { makeIdentity } from '../packages/marble/src/identity/identity.ts'
import { parseMarbleNames } from '../packages/marble/src/identity/names.ts'
import { pemEncode } from '../packages/coordinator/src/pki/pem.ts'
import { get, TestCoordinator } from '../tests/support/coordinator.ts'
import { cpuOf, residentMiB } from '../tests/support/process-cost.ts'

const seconds = 3
const manyMarbles = Number(process.env['TAW_BENCH_MARBLES'] ?? 1000)
type Curve = 'P-256' | 'P-384'

/** Microseconds of CPU for one signature. */
function signatureCost(curve: Curve): number {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: curve })
  const digest = curve === 'P-256' ? 'sha256' : 'sha384'
  const data = Buffer.alloc(300)
  const start = process.cpuUsage()
  let count = 0
  const end = performance.now() + 500
  while (performance.now() < end) {
    sign(digest, data, privateKey)
    count++
  }
  const { user, system } = process.cpuUsage(start)
  return (user + system) / count
}

interface Marble {
  readonly cert: string
  readonly key: KeyObject
  readonly frame: Buffer
}

async function makeMarble(curve: Curve, type: string): Promise<Marble> {
  const { certificate, certificateRequest, privateKey } = await makeIdentity(
    parseMarbleNames('localhost'),
    curve,
    new Date(),
  )
  const message = toBinary(
    ActivationReqSchema,
    create(ActivationReqSchema, { CSR: certificateRequest, MarbleType: type, UUID: randomUUID() }),
  )
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return {
    cert: pemEncode('CERTIFICATE', certificate),
    key: privateKey,
    frame: Buffer.concat([prefix, message]),
  }
}

/** One activation on a connection of its own. */
function activate(port: number, { cert, key, frame }: Marble): Promise<void> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`https://127.0.0.1:${port}`, {
      cert,
      key: key.export({ type: 'pkcs8', format: 'pem' }),
      rejectUnauthorized: false,
      servername: 'localhost',
    })
    session.on('error', reject)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/rpc.Marble/Activate',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    let status: unknown
    const take = (headers: http2.IncomingHttpHeaders): void => {
      status = headers['grpc-status'] ?? status
    }
    stream.on('response', take).on('trailers', take).on('error', reject).resume()
    stream.on('end', () => {
      session.close()
      if (status === '0') resolve()
      else reject(new Error(`the activation ended with gRPC status ${String(status)}`))
    })
    stream.end(frame)
  })
}

interface Measured {
  readonly perSecond: number
  readonly cpuMicroseconds: number
}

async function measure(pid: number, clients: number, work: () => Promise<void>): Promise<Measured> {
  const loop = async (until: number): Promise<number> => {
    let done = 0
    while (performance.now() < until) {
      await work()
      done++
    }
    return done
  }
  const all = async (duration: number): Promise<number> => {
    const until = performance.now() + duration
    const counts = await Promise.all(Array.from({ length: clients }, () => loop(until)))
    return counts.reduce((sum, count) => sum + count, 0)
  }
  await all(1000)
  const cpu = cpuOf(pid)
  const start = performance.now()
  const done = await all(seconds * 1000)
  const elapsed = (performance.now() - start) / 1000
  return { perSecond: done / elapsed, cpuMicroseconds: (cpuOf(pid) - cpu) / done }
}

function row(name: string, { perSecond, cpuMicroseconds }: Measured): void {
  console.log(
    `${name.padEnd(58)} ${perSecond.toFixed(0).padStart(6)}/s  ${(cpuMicroseconds / 1000).toFixed(2).padStart(6)} ms CPU` +
      `  = ${(cpuMicroseconds / cost['P-256']).toFixed(0).padStart(4)} P-256` +
      ` or ${(cpuMicroseconds / cost['P-384']).toFixed(2).padStart(5)} P-384 signatures`,
  )
}

/**
 * A thousand marbles that start at once on a Coordinator that has just started itself, as after an outage. Connections
 * are made as fast as this process can, which takes part of the machine.
 */
async function restartRow(marbles: number, curve: Curve): Promise<void> {
  await using coordinator = await TestCoordinator.start()
  const { pid, meshPort } = coordinator
  await setManifest(coordinator)
  const marble = await makeMarble(curve, 'plain')
  const before = residentMiB(pid)
  const cpu = cpuOf(pid)
  let peak = before
  const watch = setInterval(() => {
    peak = Math.max(peak, residentMiB(pid))
  }, 20)
  const start = performance.now()
  const ended = await Promise.allSettled(
    Array.from({ length: marbles }, async () => {
      await activate(meshPort, marble)
      return performance.now() - start
    }),
  )
  clearInterval(watch)
  const wall = performance.now() - start
  const times = ended
    .flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    .toSorted((a, b) => a - b)
  const at = (share: number): string =>
    ((times[Math.ceil(times.length * share) - 1] ?? Number.NaN) / 1000).toFixed(2)
  const each = (cpuOf(pid) - cpu) / marbles
  console.log(
    `${marbles} marbles at once, ${curve} clients: all answered after ${(wall / 1000).toFixed(2)} s ` +
      `= ${(((wall / marbles) * 1000) / cost['P-256']).toFixed(0)} P-256 signatures each; ` +
      `half after ${at(0.5)} s, 99 of 100 after ${at(0.99)} s; ${(each / 1000).toFixed(2)} ms CPU each ` +
      `= ${(each / cost['P-256']).toFixed(0)} P-256 signatures; ` +
      `resident ${before.toFixed(0)} MiB before, ${peak.toFixed(0)} MiB at most; ${marbles - times.length} failed`,
  )
  const failures = new Set(ended.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : [])))
  for (const failure of failures) console.log(`  ${failure}`)
}

async function setManifest({ clientPort }: TestCoordinator): Promise<void> {
  const body = JSON.stringify({ manifest: Buffer.from(JSON.stringify(manifest)).toString('base64') })
  const set = await get(clientPort, '/api/v2/manifest', { method: 'POST', body })
  if (set.status !== 200) throw new Error(`the manifest was refused: ${set.text}`)
}

const cost = { 'P-256': signatureCost('P-256'), 'P-384': signatureCost('P-384') }
console.log(
  `This machine signs at ${cost['P-256'].toFixed(1)} µs (P-256) and ${cost['P-384'].toFixed(0)} µs (P-384) of CPU.`,
)

const user = await makeMarble('P-256', '')
const userKey = user.key.export({ type: 'pkcs8', format: 'pem' }).toString()
const manifest = {
  Packages: { app: { SignerID: 'a1'.repeat(32), ProductID: 1, SecurityVersion: 1 } },
  Marbles: {
    plain: {
      Package: 'app',
      Parameters: { Env: { KEY: '{{ hex .Secrets.key }}', CERT: '{{ pem .MarbleRun.MarbleCert.Cert }}' } },
    },
    limited: { Package: 'app', MaxActivations: 1_000_000_000 },
  },
  Secrets: {
    key: { Type: 'symmetric-key', Size: 128, Shared: true },
    unusedRsa: { Type: 'cert-rsa', Size: 2048 },
    ...Object.fromEntries(
      Array.from({ length: 10 }, (_, index) => [
        `s${index}`,
        { Type: 'symmetric-key', Size: 128, Shared: true },
      ]),
    ),
  },
  Users: { reader: { Certificate: user.cert, Roles: ['read'] } },
  Roles: {
    read: {
      ResourceType: 'Secrets',
      ResourceNames: Array.from({ length: 10 }, (_, index) => `s${index}`),
      Actions: ['ReadSecret'],
    },
  },
}

for (const curve of ['P-256', 'P-384'] as const) await restartRow(manyMarbles, curve)

const began = performance.now()
await using coordinator = await TestCoordinator.start()
const startMs = performance.now() - began
const { pid, meshPort, clientPort } = coordinator
console.log(`start to first answer: ${startMs.toFixed(0)} ms, ${residentMiB(pid).toFixed(0)} MiB resident`)
await setManifest(coordinator)

for (const curve of ['P-256', 'P-384'] as const) {
  for (const clients of [1, 8]) {
    const marble = await makeMarble(curve, 'plain')
    const name = `activation, ${curve} client, ${clients} at once`
    row(name, await measure(pid, clients, () => activate(meshPort, marble)))
  }
}
const limited = await makeMarble('P-256', 'limited')
row(
  'activation with MaxActivations, P-256 client, 8 at once',
  await measure(pid, 8, () => activate(meshPort, limited)),
)

const agent = new https.Agent({ keepAlive: true, cert: user.cert, key: userKey, rejectUnauthorized: false })
const names = Array.from({ length: 10 }, (_, index) => `s=s${index}`).join('&')
row(
  'ten secrets read over a kept connection, 4 at once',
  await measure(
    pid,
    4,
    () =>
      new Promise<void>((resolve, reject) => {
        const options = { host: '127.0.0.1', port: clientPort, path: `/api/v2/secrets?${names}`, agent }
        https
          .get(options, (response) => {
            response.resume().on('end', () => {
              if (response.statusCode === 200) resolve()
              else reject(new Error(`reading secrets was answered ${response.statusCode}`))
            })
          })
          .on('error', reject)
      }),
  ),
)
agent.destroy()
console.log(`resident at the end: ${residentMiB(pid).toFixed(0)} MiB`)
