import { randomUUID } from 'node:crypto'
import { connectMesh } from '../support/mesh-client.ts'
import { ClientConnection, manifestBody } from './client.ts'
import type { Deployment } from './deployment.ts'
import type { Load, Ports } from './load.ts'
import { limitOf, type People } from './manifests.ts'

type Report = (problem: string) => void

/**
 * Asks a Coordinator that has come back, and on which nobody else works, for everything that it should still know.
 *
 * @throws Lost when it ends meanwhile
 */
export async function checkService(
  deployment: Deployment,
  people: People,
  ports: Ports,
  load: Load,
  report: Report,
): Promise<void> {
  using client = await ClientConnection.open(ports.client, people.admins[0])
  await checkManifests(deployment, client, report)
  await checkPackages(deployment, client, report)
  await checkUpdateLog(deployment, client, report)
  deployment.pair.settle(await load.readPair(client))
  const identity = await load.comeBack()
  if (identity === undefined) {
    report('a marble without a limit is refused')
    return
  }
  using marble = await ClientConnection.open(ports.client, identity)
  await checkCounters(deployment, marble, report)
  await checkLimits(deployment, people, ports, load, report)
}

async function checkManifests(
  { replay }: Deployment,
  client: ClientConnection,
  report: Report,
): Promise<void> {
  const { data } = await client.request('GET', '/api/v2/manifest')
  const { manifestFingerprint } = data as { readonly manifestFingerprint: string }
  if (manifestFingerprint !== replay.manifest?.fingerprint) {
    report(
      `the manifest in force is ${manifestFingerprint}, by the records ${replay.manifest?.fingerprint ?? 'none'}`,
    )
  }
  const pending = await client.request('GET', '/api/v2/update-manifest')
  if (replay.pending === undefined) {
    if (pending.status !== 404)
      report(`an update is pending (${pending.status}) that the records know nothing of`)
    return
  }
  const { manifest, missingUsers } = pending.data as { manifest: string; missingUsers: readonly string[] }
  const missing = ['admin0', 'admin1'].filter((name) => replay.pending?.agreed.has(name) !== true)
  if (manifest !== replay.pending.manifest.raw.toString('base64') || missingUsers.join() !== missing.join()) {
    report(`the pending update waits for ${missingUsers.join()}, by the records for ${missing.join()}`)
  }
}

/** A downgrade is refused, and the refusal names the minimum. */
async function checkPackages(
  { replay }: Deployment,
  client: ClientConnection,
  report: Report,
): Promise<void> {
  if (replay.pending !== undefined) return
  for (const name of ['pkg', 'side']) {
    const raw = Buffer.from(JSON.stringify({ Packages: { [name]: { SecurityVersion: 0 } } }))
    const { status, message } = await client.request('POST', '/api/v2/update', manifestBody(raw))
    if (status === 200 || !message.includes(`from SecurityVersion ${replay.versionOf(name)} down to 0`)) {
      report(
        `package "${name}" should be at ${replay.versionOf(name)}; a downgrade is answered ${status}: ${message}`,
      )
    }
  }
}

async function checkUpdateLog(
  { replay }: Deployment,
  client: ClientConnection,
  report: Report,
): Promise<void> {
  const { data } = await client.request('GET', '/api/v2/update')
  const { updateLog } = data as { readonly updateLog: readonly string[] }
  const times = updateLog.map((line) => Date.parse((JSON.parse(line) as { time: string }).time))
  if (times.join() !== replay.logTimes.join()) {
    report(
      `the update log has ${times.length} lines, by the records ${replay.logTimes.length}, or other times`,
    )
  }
}

/** A value of 0 changes nothing, and is answered with the one that is there. */
async function checkCounters(
  { replay }: Deployment,
  marble: ClientConnection,
  report: Report,
): Promise<void> {
  await Promise.all(
    [...replay.counters].map(async ([counter, value]) => {
      const name = counter.slice(counter.indexOf(' ') + 1)
      const { status, data } = await marble.request('POST', '/api/v2/monotonic-counter', { name, value: 0 })
      const found = status === 200 ? (data as { readonly value: number }).value : `refused (${status})`
      if (found !== Number(value)) report(`counter "${counter}" is ${found}, by the records ${value}`)
    }),
  )
}

/** Whoever has no activation left is refused. */
async function checkLimits(
  { replay }: Deployment,
  people: People,
  ports: Ports,
  load: Load,
  report: Report,
): Promise<void> {
  const session = await connectMesh(ports.mesh, people.marble)
  try {
    for (const type of ['single', 'limited']) {
      const limit = replay.manifest === undefined ? 0 : (limitOf(replay.manifest, type) ?? Infinity)
      if ((replay.activations.get(type) ?? 0) < limit) continue
      if ((await load.activate(session, type, randomUUID())) !== undefined) {
        report(`"${type}" was activated beyond its limit of ${limit}`)
      }
    }
  } finally {
    session.destroy()
  }
}
