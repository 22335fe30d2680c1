import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { CoordinatorProcess } from './support/coordinator-process.ts'
import { freePort, get, type RestAnswer, TestCoordinator } from './support/coordinator.ts'
import {
  activate,
  type ClientIdentity,
  clientIdentity,
  grpcCode,
  manifestWith,
  postManifest,
  setManifest,
  textOf,
  tryActivation,
} from './support/mesh-client.ts'
import { SmallDisk } from './support/small-disk.ts'

/** Disks that are full, can't be written, or belong to somebody else: said clearly, and nothing answered is lost. */

let user: ClientIdentity
before(async () => {
  user = await clientIdentity()
})

const limit = 100

function manifest(threshold = 1): string {
  return manifestWith({
    Marbles: { few: { Package: 'pkg', MaxActivations: limit }, many: { Package: 'pkg' } },
    Secrets: { own: { Type: 'plain', UserDefined: true } },
    Users: { admin: { Certificate: user.cert, Roles: ['own', 'update'] } },
    Roles: {
      own: { ResourceType: 'Secrets', ResourceNames: ['own'], Actions: ['ReadSecret', 'WriteSecret'] },
      update: { ResourceType: 'Manifest', Actions: ['UpdateManifest'] },
    },
    Config: { FeatureGates: ['MonotonicCounter'], UpdateThreshold: threshold },
  })
}

function post(port: number, target: string, body: unknown, as = user): Promise<RestAnswer> {
  return get(port, `/api/v2${target}`, { method: 'POST', body: JSON.stringify(body), user: as })
}

const write = ({ clientPort }: TestCoordinator, value: Buffer): Promise<RestAnswer> =>
  post(clientPort, '/secrets', { secrets: { own: { Key: value.toString('base64') } } })

async function read({ clientPort }: TestCoordinator): Promise<Buffer> {
  const { text } = await get(clientPort, '/api/v2/secrets?s=own', { user })
  const { data } = JSON.parse(text) as { data: { secrets: { own: { Private: string } } } }
  return Buffer.from(data.secrets.own.Private, 'base64')
}

async function stateOf({ clientPort }: TestCoordinator): Promise<number> {
  const { text } = await get(clientPort, '/api/v2/status')
  return (JSON.parse(text) as { data: { code: number } }).data.code
}

/** How many activations are left, by spending them. */
async function spendAll({ meshPort }: TestCoordinator): Promise<number> {
  for (let count = 0; ; count++) {
    const { code, message } = await tryActivation(meshPort, user, { marbleType: 'few' })
    if (code === grpcCode.OK) continue
    assert.match(message, new RegExp(`has done so ${limit} times`))
    return count
  }
}

const notDurable = /could not be made durable, so it was not made: .*; send the request again later/

const skip = ((): string | false => {
  const disk = SmallDisk.mount(64)
  if (typeof disk === 'string') return disk
  disk[Symbol.dispose]()
  return false
})()

function mounted(kibibytes: number): SmallDisk {
  const disk = SmallDisk.mount(kibibytes)
  return typeof disk === 'string' ? assert.fail(disk) : disk
}

suite('a full disk', { skip }, () => {
  /** Writes values until one is refused for want of room. */
  async function writeUntilRefused(coordinator: TestCoordinator): Promise<Buffer> {
    let answered = Buffer.alloc(0)
    for (let number = 0; number < 1000; number++) {
      const value = Buffer.alloc(8000, `value ${number} `)
      const { status, text } = await write(coordinator, value)
      if (status === 200) {
        answered = value
        continue
      }
      assert.equal(status, 500)
      assert.match(text, notDurable)
      return answered
    }
    return assert.fail('the disk never filled up')
  }

  for (const ending of ['goes on', 'is killed', 'is stopped'] as const) {
    test(`changes are refused, all else works, and it ${ending} once there is room`, async () => {
      using disk = mounted(2048)
      await using coordinator = await TestCoordinator.start({ sealDirectory: path.join(disk.folder, 'seal') })
      const { clientPort, meshPort } = coordinator
      await setManifest(clientPort, manifest())
      for (let spent = 0; spent < 3; spent++) await activate(meshPort, user, { marbleType: 'few' })
      const { Env: env } = await activate(meshPort, user, { marbleType: 'many' })
      const marble: ClientIdentity = {
        cert: textOf(env, 'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN'),
        key: textOf(env, 'MARBLE_PREDEFINED_PRIVATE_KEY'),
        csr: new Uint8Array(),
      }
      const count = async (value: number): Promise<RestAnswer> =>
        post(clientPort, '/monotonic-counter', { name: 'n', value }, marble)
      assert.match((await count(5)).text, /"value":0/)
      assert.equal((await write(coordinator, Buffer.from('first'))).status, 200)
      const fingerprint = (await get(clientPort, '/api/v2/manifest')).text

      disk.fill()
      const answered = await writeUntilRefused(coordinator)
      for (let attempt = 0; attempt < 3; attempt++) {
        const refused = await tryActivation(meshPort, user, { marbleType: 'few' })
        assert.equal(refused.code, grpcCode.INTERNAL)
        assert.match(refused.message, notDurable)
      }
      const refusals = await Promise.all([
        count(6),
        write(coordinator, Buffer.alloc(50_000, 1)),
        post(clientPort, '/update', { manifest: Buffer.from(manifest(0)).toString('base64') }),
      ])
      for (const { status, text } of refusals) {
        assert.equal(status, 500)
        assert.match(text, notDurable)
      }
      assert.equal(await stateOf(coordinator), 3)
      const expected = answered.length > 0 ? answered : Buffer.from('first')
      assert.deepEqual(await read(coordinator), expected)
      assert.match((await count(5)).text, /"value":5/)
      assert.equal((await get(clientPort, '/api/v2/update')).status, 200)
      assert.equal(
        (JSON.parse((await get(clientPort, '/api/v2/manifest')).text) as { status: string }).status,
        'success',
      )
      assert.equal(
        readFingerprint((await get(clientPort, '/api/v2/manifest')).text),
        readFingerprint(fingerprint),
      )

      if (ending !== 'goes on') {
        await coordinator.stop(ending === 'is killed' ? 'SIGKILL' : 'SIGTERM')
        disk.makeRoom()
        await coordinator.restart()
      } else disk.makeRoom()
      assert.deepEqual(await read(coordinator), expected)
      assert.match((await count(5)).text, /"value":5/)
      assert.match((await count(6)).text, /"value":5/)
      assert.equal(await spendAll(coordinator), limit - 3)
      assert.equal((await write(coordinator, Buffer.from('last'))).status, 200)
      await coordinator.restart('SIGKILL')
      assert.equal(await stateOf(coordinator), 3)
      assert.deepEqual(await read(coordinator), Buffer.from('last'))
      assert.equal(await spendAll(coordinator), 0)
    })
  }

  test('a start on a full disk ends with the reason, loses nothing, and succeeds once there is room', async (t) => {
    using disk = mounted(2048)
    await using coordinator = await TestCoordinator.start({ sealDirectory: path.join(disk.folder, 'seal') })
    await setManifest(coordinator.clientPort, manifest())
    assert.equal((await write(coordinator, Buffer.from('kept'))).status, 200)
    await coordinator.stop('SIGKILL')
    disk.fill()
    // SQLite needs room for the index of the write-ahead log that the kill left.
    const message = await failsToStart(coordinator.sealDirectory, t.signal)
    assert.match(
      message,
      /"\/.*\/seal\/ledger\.db": the disk is full \(SQLite result code 4874\); .*make room on it/,
    )
    disk.makeRoom()
    await coordinator.restart()
    assert.equal(await stateOf(coordinator), 3)
    assert.deepEqual(await read(coordinator), Buffer.from('kept'))
  })

  test('a first manifest is refused, leaves nothing, and is taken once there is room', async () => {
    using disk = mounted(1024)
    const sealDirectory = path.join(disk.folder, 'seal')
    await using coordinator = await TestCoordinator.start({ sealDirectory })
    disk.fill()
    const refused = await postManifest(coordinator.clientPort, manifest())
    assert.equal(refused.status, 500)
    assert.match(refused.text, notDurable)
    assert.equal(await stateOf(coordinator), 2)
    assert.deepEqual(
      readdirSync(sealDirectory).filter((name) => name !== 'ledger.lock'),
      [],
    )
    disk.makeRoom()
    await setManifest(coordinator.clientPort, manifest())
    await coordinator.restart('SIGKILL')
    assert.equal(await stateOf(coordinator), 3)
  })
})

const readFingerprint = (text: string): string =>
  (JSON.parse(text) as { data: { manifestFingerprint: string } }).data.manifestFingerprint

/** Starts where that must fail; gives what it said. */
async function failsToStart(sealDirectory: string, signal: AbortSignal): Promise<string> {
  await using child = new CoordinatorProcess(
    {
      OE_SIMULATION: '1',
      EDG_COORDINATOR_MESH_ADDR: `127.0.0.1:${await freePort()}`,
      EDG_COORDINATOR_CLIENT_ADDR: `127.0.0.1:${await freePort()}`,
      EDG_COORDINATOR_SEAL_DIR: sealDirectory,
    },
    os.tmpdir(),
    signal,
  )
  assert.deepEqual(await child.ended, { exitCode: 1, signal: null }, child.stderr)
  const [fatal, ...others] = child.log.filter(({ level }) => level === 'fatal')
  assert.deepEqual(others, [])
  return String(fatal?.['msg'])
}

suite('a directory that cannot be used', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'taw-unusable-'))
  })
  after(() => {
    rmSync(folder, { recursive: true })
  })

  test('read-only: the start ends with the reason, and changes nothing', { skip }, async (t) => {
    using disk = mounted(2048)
    const sealDirectory = path.join(disk.folder, 'seal')
    {
      await using coordinator = await TestCoordinator.start({ sealDirectory })
      await setManifest(coordinator.clientPort, manifest())
      await coordinator.stop()
    }
    disk.makeReadOnly()
    const message = await failsToStart(sealDirectory, t.signal)
    assert.match(
      message,
      /the seal directory ".*" can't be used: EROFS.*; it must be a folder that this process may write/,
    )
  })

  const isRoot = process.getuid?.() === 0
  test('without the right to write', { skip: isRoot && 'root may write everywhere' }, async (t) => {
    const sealDirectory = path.join(folder, 'forbidden')
    mkdirSync(sealDirectory)
    chmodSync(sealDirectory, 0o500)
    assert.match(await failsToStart(sealDirectory, t.signal), /can't be used: EACCES/)
  })

  test('a file', async (t) => {
    const sealDirectory = path.join(folder, 'file')
    writeFileSync(sealDirectory, '')
    assert.match(await failsToStart(sealDirectory, t.signal), /can't be used: .*it must be a folder/)
  })

  test('used by another Coordinator: that one goes on', async (t) => {
    await using first = await TestCoordinator.start()
    await setManifest(first.clientPort, manifest())
    const message = await failsToStart(first.sealDirectory, t.signal)
    assert.match(message, /locking the seal directory ".*" for this Coordinator: another process has it open/)
    assert.equal((await write(first, Buffer.from('still here'))).status, 200)
    await first.restart('SIGKILL')
    assert.deepEqual(await read(first), Buffer.from('still here'))
  })

  test('two that started before anything was set: only one can set a manifest', async () => {
    await using first = await TestCoordinator.start()
    await using second = await TestCoordinator.start({ sealDirectory: first.sealDirectory })
    const answers = await Promise.all(
      [first, second].map(({ clientPort }) => postManifest(clientPort, manifest())),
    )
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 500])
    const refused = answers.find(({ status }) => status === 500)
    assert.match(refused?.text ?? '', /another (Coordinator|process)/)
    const winner = answers[0]?.status === 200 ? first : second
    assert.equal((await write(winner, Buffer.from('the winner’s'))).status, 200)
    await first.stop('SIGKILL')
    await second.stop('SIGKILL')
    await first.restart()
    assert.equal(await stateOf(first), 3)
    assert.deepEqual(await read(first), Buffer.from('the winner’s'))
  })
})
