/**
 * What metrics cost: `npm run bench -- metrics`. The size of `/metrics` and the time that it takes after 10,000
 * instances have activated, and the CPU of an activation with metrics and without.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import type { ClientHttp2Session } from 'node:http2'
import { freePort, TestCoordinator } from '../tests/support/coordinator.ts'
import {
  call,
  type ClientIdentity,
  clientIdentity,
  connectMesh,
  encodeActivation,
  frame,
  manifestWith,
  setManifest,
} from '../tests/support/mesh-client.ts'

const instances = 10_000
/** Activations of which the CPU is measured, in turns, so that what else the machine does meets both alike. */
const round = 1000
const rounds = 5

/** Microseconds of CPU that a process used so far, all threads (Linux, /proc/PID/task/TID/schedstat: nanoseconds). */
function cpuOf(pid: number): number {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [running = '0'] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
    nanoseconds += Number(running)
  }
  return nanoseconds / 1000
}

interface Subject {
  readonly coordinator: TestCoordinator
  readonly session: ClientHttp2Session
}

const identity: ClientIdentity = await clientIdentity()

async function begin(env: Readonly<Record<string, string>>): Promise<Subject> {
  const coordinator = await TestCoordinator.start({ env })
  await setManifest(coordinator.clientPort, manifestWith({ Marbles: { web: { Package: 'pkg' } } }))
  return { coordinator, session: await connectMesh(coordinator.meshPort, identity) }
}

async function activate({ session }: Subject, count: number): Promise<void> {
  for (let done = 0; done < count; done++) {
    const fields = { marbleType: 'web', uuid: randomUUID() }
    const { code, message } = await call(session, frame(encodeActivation(fields, identity)))
    if (code !== 0) throw new Error(`the activation ended with gRPC code ${code}: ${message}`)
  }
}

const metricsPort = await freePort()
const on = await begin({ EDG_COORDINATOR_PROMETHEUS_ADDR: `127.0.0.1:${metricsPort}` })
const off = await begin({})
await using processes = new AsyncDisposableStack()
processes.use(on.coordinator)
processes.use(off.coordinator)
const cpu = new Map<Subject, number[]>([
  [on, []],
  [off, []],
])
for (const subject of [on, off]) await activate(subject, round)
for (let turn = 0; turn < rounds; turn++) {
  for (const [subject, spent] of cpu) {
    const before = cpuOf(subject.coordinator.pid)
    await activate(subject, round)
    spent.push((cpuOf(subject.coordinator.pid) - before) / round)
  }
}
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
const [withMetrics, without] = [median(cpu.get(on) ?? []), median(cpu.get(off) ?? [])]
console.log(
  `CPU of an activation: ${withMetrics.toFixed(0)} µs with metrics, ${without.toFixed(0)} µs without (medians of ${rounds} rounds)`,
)

await activate(on, instances - round * (rounds + 1))
const times: number[] = []
let size = 0
for (let scrape = 0; scrape < 20; scrape++) {
  const start = performance.now()
  const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`)
  size = (await answer.arrayBuffer()).byteLength
  times.push(performance.now() - start)
}
console.log(
  `/metrics after ${instances} instances: ${(size / 1000).toFixed(1)} KB, ` +
    `${median(times).toFixed(1)} ms (median), ${Math.max(...times).toFixed(1)} ms (slowest, the first)`,
)
for (const { session } of [on, off]) session.destroy()
