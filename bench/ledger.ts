/**
 * What durability costs: `npm run bench -- ledger`. Rates are also given as ratios to this machine's own rate of
 * append and fdatasync, measured in the same folder and the same run; compare ratios, not rates. `TMPDIR` says on which
 * disk; `TAW_BENCH_ENTRIES` how long the long history is (otherwise 1,000,000).
 */
import { randomUUID } from 'node:crypto'
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Ledger } from '../packages/coordinator/src/ledger/ledger.ts'
import { activation, open, withoutMaintenance } from '../packages/coordinator/src/ledger/test-ledger.ts'
import { ClientConnection } from '../tests/campaigns/client.ts'
import { get, TestCoordinator } from '../tests/support/coordinator.ts'
import {
  activate,
  activationOn,
  clientIdentity,
  connectMesh,
  grpcCode,
  manifestWith,
  setManifest,
  textOf,
} from '../tests/support/mesh-client.ts'
import { cpuOf, residentMiB } from '../tests/support/process-cost.ts'

const seconds = 3
const manyEntries = Number(process.env['TAW_BENCH_ENTRIES'] ?? 1_000_000)
const base = mkdtempSync(path.join(tmpdir(), 'taw-bench-'))
const marble = await clientIdentity()

/** Appends of 4 KiB, each made durable, in a second. */
function syncRate(): number {
  const file = path.join(base, 'sync')
  const descriptor = openSync(file, 'w')
  const block = Buffer.alloc(4096, 1)
  const start = performance.now()
  let count = 0
  for (; performance.now() < start + 1000; count++) {
    writeSync(descriptor, block)
    fdatasyncSync(descriptor)
  }
  const rate = (count / (performance.now() - start)) * 1000
  closeSync(descriptor)
  rmSync(file)
  return rate
}

/** Changes a second that so many writers make, each waiting for its answer. */
async function rateOf(writers: number, change: () => Promise<unknown>): Promise<number> {
  const until = performance.now() + seconds * 1000
  let count = 0
  const start = performance.now()
  const writer = async (): Promise<void> => {
    for (; performance.now() < until; count++) await change()
  }
  await Promise.all(Array.from({ length: writers }, writer))
  return (count / (performance.now() - start)) * 1000
}

/** Measured between two measurements of the disk, which others may use too. */
async function rateRow(name: string, writers: number, change: () => Promise<unknown>): Promise<void> {
  const before = syncRate()
  const rate = await rateOf(writers, change)
  const sync = (before + syncRate()) / 2
  console.log(
    `${name.padEnd(46)} ${rate.toFixed(0).padStart(6)}/s = ${(rate / sync).toFixed(2).padStart(6)} × ` +
      `${sync.toFixed(0)} fdatasync/s`,
  )
}

/** A seal directory in which a Coordinator has set a manifest. */
async function newDirectory(name: string): Promise<string> {
  const sealDirectory = path.join(base, name)
  await using coordinator = await TestCoordinator.start({ sealDirectory })
  const manifest = manifestWith({
    Marbles: { web: { Package: 'pkg', MaxActivations: 1_000_000_000 }, counting: { Package: 'pkg' } },
    Config: { FeatureGates: ['MonotonicCounter'] },
  })
  await setManifest(coordinator.clientPort, manifest)
  await coordinator.stop()
  return sealDirectory
}

async function changesPerSecond(): Promise<void> {
  const sealDirectory = await newDirectory('rates')
  {
    const { ledger } = await open(sealDirectory)
    for (const writers of [1, 64]) {
      await rateRow(`ledger.transact, ${writers} at once`, writers, () => ledger.transact(activation))
    }
    await ledger.close()
  }
  await using coordinator = await TestCoordinator.start({ sealDirectory })
  const { Env: env } = await activate(coordinator.meshPort, marble, { marbleType: 'counting' })
  using client = await ClientConnection.open(coordinator.clientPort, {
    cert: textOf(env, 'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN'),
    key: textOf(env, 'MARBLE_PREDEFINED_PRIVATE_KEY'),
  })
  let value = 0
  for (const writers of [1, 64]) {
    await rateRow(`counter over HTTP/2, ${writers} at once`, writers, async () => {
      const body = { name: `n${value % 64}`, value: ++value }
      const { status } = await client.request('POST', '/api/v2/monotonic-counter', body)
      if (status !== 200) throw new Error(`a counter was answered ${status}`)
    })
  }
}

async function fill(ledger: Ledger, entries: number): Promise<void> {
  const atOnce = 4096
  for (let made = 0; made < entries; made += atOnce) {
    const length = Math.min(atOnce, entries - made)
    await Promise.all(Array.from({ length }, () => ledger.transact(activation)))
  }
}

const sizeOf = (folder: string): number =>
  readdirSync(folder).reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0)

async function startRow(
  name: string,
  sealDirectory: string,
  afterwards?: (coordinator: TestCoordinator) => Promise<void>,
): Promise<void> {
  const start = performance.now()
  await using coordinator = await TestCoordinator.start({ sealDirectory, patience: 600_000 })
  const milliseconds = performance.now() - start
  const cpu = cpuOf(coordinator.pid) / 1000
  console.log(
    `${name.padEnd(46)} ${milliseconds.toFixed(0).padStart(6)} ms to the first answer (${cpu.toFixed(0)} ms CPU), ` +
      `${residentMiB(coordinator.pid).toFixed(0)} MiB resident, ${(sizeOf(sealDirectory) / 2 ** 20).toFixed(1)} MiB on disk`,
  )
  await afterwards?.(coordinator)
}

interface Cost {
  readonly cpu: number
  readonly wall: number
}

/** Microseconds of one activation with `MaxActivations`, one after the other on a kept connection. */
async function activationCost({ pid, meshPort }: TestCoordinator, activations: number): Promise<Cost> {
  const session = await connectMesh(meshPort, marble)
  const cpu = cpuOf(pid)
  const start = performance.now()
  for (let count = 0; count < activations; count++) {
    const { code, message } = await activationOn(session, marble, { marbleType: 'web', uuid: randomUUID() })
    if (code !== grpcCode.OK) throw new Error(message)
  }
  const wall = ((performance.now() - start) * 1000) / activations
  session.destroy()
  return { cpu: (cpuOf(pid) - cpu) / activations, wall }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

/** Until it has used less than a hundredth of a processor for three seconds. */
async function untilQuiet(pid: number): Promise<void> {
  for (let quiet = 0; quiet < 3;) {
    const before = cpuOf(pid)
    await setTimeout(1000)
    quiet = cpuOf(pid) - before < 10_000 ? quiet + 1 : 0
  }
}

/** In turns, so that what else the machine does meets both. */
async function activationRow(short: string, long: string): Promise<void> {
  await using few = await TestCoordinator.start({ sealDirectory: short })
  await using many = await TestCoordinator.start({ sealDirectory: long })
  const costs: { few: Cost; many: Cost }[] = []
  // V8 has compiled what activations need by then, and ledger.db was hashed for the first time.
  for (const coordinator of [few, many]) await activationCost(coordinator, 400)
  const early = await activationCost(many, 200)
  const alone = await activationCost(few, 200)
  console.log(
    `activation while the history is verified after a start, cpu: ${early.cpu.toFixed(0)} µs, ` +
      `${alone.cpu.toFixed(0)} µs without: ratio ${(early.cpu / alone.cpu).toFixed(2)} (at most 1.3)`,
  )
  const start = performance.now()
  await untilQuiet(many.pid)
  console.log(`quiet ${((performance.now() - start) / 1000).toFixed(0)} s later`)
  await Promise.all([activationCost(few, 300), activationCost(many, 300)])
  for (let turn = 0; turn < 15; turn++) {
    costs.push({ few: await activationCost(few, 100), many: await activationCost(many, 100) })
  }
  for (const kind of ['cpu', 'wall'] as const) {
    const [a, b] = [median(costs.map(({ few }) => few[kind])), median(costs.map(({ many }) => many[kind]))]
    console.log(
      `activation, ${kind}: ${a.toFixed(0)} µs with 10 entries, ${b.toFixed(0)} µs with ${manyEntries}: ` +
        `ratio ${(b / a).toFixed(2)} (at most 1.2)`,
    )
  }
}

async function longHistories(): Promise<void> {
  const short = await newDirectory('short')
  const long = await newDirectory('long')
  {
    const { ledger } = await open(short)
    await fill(ledger, 10)
    await ledger.close()
  }
  const start = performance.now()
  {
    const { ledger } = await open(long, { delays: withoutMaintenance })
    await fill(ledger, manyEntries)
    await ledger.close()
  }
  console.log(
    `made a history of ${manyEntries} entries in ${((performance.now() - start) / 1000).toFixed(0)} s`,
  )
  await startRow('start with 10 entries', short)
  await startRow(`start with ${manyEntries} entries, none compacted`, long, async (coordinator) => {
    const began = performance.now()
    await untilQuiet(coordinator.pid)
    console.log(`compacted within ${((performance.now() - began) / 1000).toFixed(0)} s, on its own`)
    await coordinator.stop()
  })
  await startRow(`start with ${manyEntries} entries, compacted`, long)
  await updateLogRow(long)
  await activationRow(short, long)
}

/** Whoever asks first has all records looked through. */
async function updateLogRow(sealDirectory: string): Promise<void> {
  await using coordinator = await TestCoordinator.start({ sealDirectory })
  const times: string[] = []
  for (let read = 0; read < 2; read++) {
    const start = performance.now()
    const { status } = await get(coordinator.clientPort, '/api/v2/update')
    if (status !== 200) throw new Error(`the update log was answered ${status}`)
    times.push((performance.now() - start).toFixed(0))
  }
  console.log(
    `update log with ${manyEntries} entries: ${times.join(' ms, then ')} ms; ` +
      `${residentMiB(coordinator.pid).toFixed(0)} MiB resident`,
  )
}

try {
  await changesPerSecond()
  await longHistories()
} finally {
  rmSync(base, { recursive: true })
}
