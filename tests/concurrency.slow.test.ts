// Many at once over real TLS against a real process: limits and thresholds are exact, and everybody learns the outcome.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { createAuthority } from '../packages/coordinator/src/pki/authority.ts'
import { pemEncode } from '../packages/coordinator/src/pki/pem.ts'
import { get, type RestAnswer, type RestOptions, TestCoordinator } from './support/coordinator.ts'
import {
  type ClientIdentity,
  clientIdentity,
  grpcCode,
  manifestWith,
  setManifest,
  tryActivation,
} from './support/mesh-client.ts'

const many = 50
const limit = 7
type User = NonNullable<RestOptions['user']>

let users: readonly User[] = []
let marble: ClientIdentity
const recoveryKeys = [1, 2].map(() =>
  generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' }),
)

before(async () => {
  users = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const names = { dnsNames: ['user'], ipAddresses: [] }
      const { rootCertificate, rootKey } = await createAuthority('P-256', names, new Date())
      return {
        cert: pemEncode('CERTIFICATE', rootCertificate),
        key: pemEncode('PRIVATE KEY', rootKey.reveal()),
      }
    }),
  )
  marble = await clientIdentity()
})

/** @param threshold of users who must agree; @param edition makes manifests that differ */
const manifest = (threshold: number, edition = 0): string =>
  manifestWith({
    Marbles: {
      web: { Package: 'pkg', MaxActivations: limit, Parameters: { Env: { EDITION: String(edition) } } },
    },
    Roles: { m: { ResourceType: 'Manifest', Actions: ['UpdateManifest'] } },
    Users: Object.fromEntries(
      users.map(({ cert }, index) => [`user${index}`, { Certificate: cert, Roles: ['m'] }]),
    ),
    RecoveryKeys: { party: recoveryKeys[edition === 0 ? 0 : 1] },
    Config: { UpdateThreshold: threshold },
  })

const post = ({ clientPort }: TestCoordinator, path: string, user: User | undefined, sent?: string) =>
  get(clientPort, `/api/v2${path}`, {
    method: 'POST',
    ...(user !== undefined && { user }),
    ...(sent !== undefined && { body: JSON.stringify({ manifest: Buffer.from(sent).toString('base64') }) }),
  })

const dataOf = ({ text }: RestAnswer): Readonly<Record<string, unknown>> =>
  (JSON.parse(text) as { data: Record<string, unknown> }).data

/** How many lines of the update log say this. */
async function logged({ clientPort }: TestCoordinator, update: RegExp): Promise<number> {
  const { updateLog } = dataOf(await get(clientPort, '/api/v2/update')) as { updateLog: string[] }
  return updateLog.filter((line) => update.test((JSON.parse(line) as { update: string }).update)).length
}

const times = <T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)))

/** By status, how many answers there are. */
const tally = (answers: readonly RestAnswer[]): Record<number, number> =>
  Object.fromEntries(
    [...Map.groupBy(answers, ({ status }) => status)].map(([status, all]) => [status, all.length]),
  )

async function start(threshold: number): Promise<TestCoordinator> {
  const coordinator = await TestCoordinator.start()
  await setManifest(coordinator.clientPort, manifest(threshold))
  return coordinator
}

describe(`${many} at once`, { timeout: 300_000 }, () => {
  test('uploads of different updates: one is pending, the others are told so', async () => {
    await using coordinator = await start(0)
    const answers = await times(many, (index) =>
      post(coordinator, '/update', users[index % users.length], manifest(0, index + 1)),
    )
    assert.deepEqual(tally(answers), { 200: 1, 500: many - 1 })
    const taken = answers.findIndex(({ status }) => status === 200)
    const pending = dataOf(await get(coordinator.clientPort, '/api/v2/update-manifest'))
    assert.equal(Buffer.from(String(pending['manifest']), 'base64').toString(), manifest(0, taken + 1))
    assert.equal(await logged(coordinator, /initiated by user/), 1)
  })

  test('acknowledgements: the update is in force once, and one answer has the recovery secrets', async () => {
    await using coordinator = await start(0)
    const next = manifest(1, 1)
    await post(coordinator, '/update', users[0], next)
    const answers = await times(many, (index) =>
      post(coordinator, '/update-manifest', users[1 + (index % (users.length - 1))], next),
    )
    const { 200: taken = 0, 404: late = 0 } = tally(answers)
    assert.equal(taken + late, many, JSON.stringify(tally(answers)))
    const done = answers.filter(({ status }) => status === 200).map(dataOf)
    const missing = done.map(({ missingAcknowledgments }) => Number(missingAcknowledgments))
    assert.deepEqual(
      [...new Set(missing)].sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
      'each agreement was counted once',
    )
    assert.equal(missing.filter((count) => count === 0).length, 1)
    assert.equal(done.filter(({ recoverySecrets }) => recoverySecrets !== undefined).length, 1)
    assert.equal(await logged(coordinator, /^Complete Manifest updated$/), 1)
    assert.equal(await logged(coordinator, /acknowledged by user/), taken)
  })

  test('cancelling and the last acknowledgement: one of them, and both learn which', async () => {
    await using coordinator = await start(2)
    let cancelled = 0
    for (let round = 1; round <= 10; round++) {
      const next = manifest(2, round)
      assert.equal((await post(coordinator, '/update', users[0], next)).status, 200)
      const [cancel, agree] = await Promise.all([
        post(coordinator, '/update-cancel', users[1]),
        post(coordinator, '/update-manifest', users[2], next),
      ])
      assert.deepEqual([cancel.status, agree.status].sort(), [200, 404], `${cancel.text}${agree.text}`)
      if (cancel.status === 200) cancelled++
      const inForce = dataOf(await get(coordinator.clientPort, '/api/v2/manifest'))
      const isNew = Buffer.from(String(inForce['manifest']), 'base64').toString() === next
      assert.equal(isNew, agree.status === 200)
    }
    assert.equal(await logged(coordinator, /cancelled by user/), cancelled)
    assert.equal(await logged(coordinator, /^Complete Manifest updated$/), 10 - cancelled)
  })

  test('activations while the manifest is updated: the limit is exact, also after a kill', async () => {
    await using coordinator = await start(1)
    const [activations, updates] = await Promise.all([
      times(many, () => tryActivation(coordinator.meshPort, marble, { marbleType: 'web' })),
      times(many / 5, (index) => post(coordinator, '/update', users[index], manifest(1, index + 1))),
    ])
    const codes = activations.map(({ code }) => code)
    assert.equal(codes.filter((code) => code === grpcCode.OK).length, limit)
    assert.equal(codes.filter((code) => code === grpcCode.PERMISSION_DENIED).length, many - limit)
    assert.deepEqual(tally(updates), { 200: many / 5 })
    assert.equal(await logged(coordinator, /^Complete Manifest updated$/), many / 5)
    await coordinator.restart('SIGKILL')
    const { code } = await tryActivation(coordinator.meshPort, marble, { marbleType: 'web' })
    assert.equal(code, grpcCode.PERMISSION_DENIED)
  })
})

describe('a dry run over the client API', { timeout: 300_000 }, () => {
  const ask = (coordinator: TestCoordinator, path: string, sent: string) =>
    post(coordinator, path, users[0], sent)

  test('answers with the plan, and changes nothing', async () => {
    await using coordinator = await start(1)
    const { clientPort } = coordinator
    const answer = await ask(coordinator, '/update?dry-run=1', manifest(1, 1))
    assert.equal(answer.status, 200)
    const { kind, recovery } = dataOf(answer)
    assert.deepEqual([kind, recovery], ['manifest', { secrets: 'renewed', parties: ['party'], needed: 1 }])
    assert.equal(await logged(coordinator, /./), 1)
    const inForce = dataOf(await get(clientPort, '/api/v2/manifest'))
    assert.equal(Buffer.from(String(inForce['manifest']), 'base64').toString(), manifest(1))
    assert.equal((await post(coordinator, '/update?dry-run=1', undefined, manifest(1))).status, 401)
  })

  test('what is no clear yes or no changes nothing', async () => {
    await using coordinator = await start(1)
    for (const query of [
      'dry-run=2',
      'dry-run=',
      'dry-run',
      'dry-run=true',
      'dryrun=1',
      'dry_run=1',
      'Dry-Run=1',
    ]) {
      const answer = await ask(coordinator, `/update?${query}`, manifest(1, 1))
      assert.equal(answer.status, 400, query)
    }
    assert.equal((await ask(coordinator, '/update?dry-run=1&dry-run=0', manifest(1, 1))).status, 400)
    assert.equal((await ask(coordinator, '/update-manifest?dry-run=1', manifest(1, 1))).status, 400)
    assert.equal((await ask(coordinator, '/update-cancel?dry-run=1', '')).status, 400)
    const [user] = users
    const v1 = { method: 'POST', body: manifest(1, 1), ...(user !== undefined && { user }) }
    assert.equal((await get(coordinator.clientPort, '/update?dry-run=1', v1)).status, 400)
    assert.equal(await logged(coordinator, /./), 1)
    assert.equal((await ask(coordinator, '/update?dry-run=0', manifest(1, 1))).status, 200)
    assert.equal(await logged(coordinator, /^Complete Manifest updated$/), 1)
  })

  test('a manifest of 5 MB is planned and put in force', async () => {
    await using coordinator = await start(1)
    const document = JSON.parse(manifest(1)) as { Marbles: { web: { Parameters: object } } }
    document.Marbles.web.Parameters = {
      Files: Object.fromEntries(
        Array.from({ length: 50 }, (_, index) => [`/f${index}`, 'x'.repeat(100_000)]),
      ),
    }
    const large = JSON.stringify(document)
    const plan = await ask(coordinator, '/update?dry-run=1', large)
    assert.equal(plan.status, 200)
    assert.ok(plan.text.length < 20_000, 'contents are told by their digests')
    assert.equal((await ask(coordinator, '/update', large)).status, 200)
  })
})
