import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { inspectLedger } from '../packages/coordinator/src/ledger/inspect.ts'
import { get, TestCoordinator } from './support/coordinator.ts'
import {
  activate,
  type ClientIdentity,
  clientIdentity,
  grpcCode,
  manifestWith,
  postManifest,
  textOf,
  tryActivation,
} from './support/mesh-client.ts'
import {
  decryptShares,
  makeParty,
  type Party,
  signShare,
  type Upload,
  uploadShare,
} from './support/recovery-parties.ts'

/** Recovery as parties meet it: in any order, among mistakes, among attackers, and with crashes in between. */

const parties = ['a', 'b', 'c', 'd', 'e'].map(makeParty)
type Shares = ReadonlyMap<string, Buffer>

let folder: string
let user: ClientIdentity
before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'taw-recovery-'))
  user = await clientIdentity()
})
after(() => {
  rmSync(folder, { recursive: true })
})

function manifest(who: readonly Party[], threshold: number): string {
  return manifestWith({
    Marbles: {
      web: { Package: 'pkg', Parameters: { Env: { KEY: '{{ hex .Secrets.derived }}' } } },
      few: { Package: 'pkg', MaxActivations: 2 },
    },
    Secrets: { derived: { Type: 'symmetric-key', Size: 128 }, own: { Type: 'plain', UserDefined: true } },
    Users: { admin: { Certificate: user.cert, Roles: ['update', 'own'] } },
    Roles: {
      update: { ResourceType: 'Manifest', Actions: ['UpdateManifest'] },
      own: { ResourceType: 'Secrets', ResourceNames: ['own'], Actions: ['ReadSecret', 'WriteSecret'] },
    },
    RecoveryKeys: Object.fromEntries(who.map(({ name, publicPem }) => [name, publicPem])),
    Config: { RecoveryThreshold: threshold },
  })
}

/** State whose sealed key is lost, to be copied, and what its parties hold. */
interface Sealed {
  readonly directory: string
  readonly shares: Shares
  /** PEM of the certificate chain. */
  readonly root: string
  readonly key: string
}

const uuid = '0c9d2c8e-7a55-4d0e-9a43-3f1f5a6b7c8d'
const ownSecret = Buffer.from('a secret that must come back')

/** @param change goes on with the deployment; gives the shares that count afterwards */
async function makeSealed(
  name: string,
  who: readonly Party[],
  threshold: number,
  change?: (coordinator: TestCoordinator) => Promise<Shares>,
): Promise<Sealed> {
  const directory = path.join(folder, name)
  await using coordinator = await TestCoordinator.start()
  const { clientPort, meshPort, sealDirectory } = coordinator
  const { status, text } = await postManifest(clientPort, manifest(who, threshold))
  assert.equal(status, 200, text)
  const { data } = JSON.parse(text) as { data: { RecoverySecrets: Record<string, string> } }
  const shares = (await change?.(coordinator)) ?? decryptShares(who, data.RecoverySecrets)
  const body = JSON.stringify({ secrets: { own: { Key: ownSecret.toString('base64') } } })
  assert.equal((await get(clientPort, '/api/v2/secrets', { method: 'POST', body, user })).status, 200)
  await activate(meshPort, user, { marbleType: 'few' })
  const { Env: env } = await activate(meshPort, user, { marbleType: 'web', uuid })
  const root = await rootOf(coordinator)
  // As a power failure leaves it, so that recovery meets a write-ahead log.
  await coordinator.stop('SIGKILL')
  cpSync(sealDirectory, directory, {
    recursive: true,
    filter: (file) => path.basename(file) !== 'sealed_key',
  })
  return { directory, shares, root, key: textOf(env, 'KEY') }
}

/** A Coordinator in state 1 on a copy of the sealed state. */
async function startOn({ directory }: Sealed): Promise<TestCoordinator> {
  const copy = mkdtempSync(path.join(folder, 'copy-'))
  cpSync(directory, copy, { recursive: true })
  const coordinator = await TestCoordinator.start({ sealDirectory: copy })
  assert.equal(await stateOf(coordinator), 1)
  return coordinator
}

async function stateOf({ clientPort }: TestCoordinator): Promise<number> {
  const { text } = await get(clientPort, '/api/v2/status')
  return (JSON.parse(text) as { data: { code: number } }).data.code
}

const rootOf = async ({ clientPort }: TestCoordinator): Promise<string> =>
  (await get(clientPort, '/api/v2/quote')).text

function shareOf({ shares }: { readonly shares: Shares }, { name }: Party): Buffer {
  return shares.get(name) ?? assert.fail(`"${name}" got a recovery secret`)
}

/** An honest upload. */
function upload(
  { clientPort }: TestCoordinator,
  sealed: { readonly shares: Shares },
  party: Party,
): Promise<Upload> {
  const share = shareOf(sealed, party)
  return uploadShare(clientPort, share, signShare(share, party))
}

function at(index: number): Party {
  return parties[index] ?? assert.fail()
}

async function isRefused(answer: Promise<Upload>, message: RegExp): Promise<void> {
  const { status, remaining, message: text } = await answer
  assert.deepEqual({ status, remaining }, { status: 500, remaining: undefined }, text)
  assert.match(text, message)
}

/** Everything is as it was before, goes on, and is there after the next start too. */
async function worksAgain(
  coordinator: TestCoordinator,
  { root, key }: Sealed,
  who: readonly Party[],
): Promise<void> {
  const { clientPort, meshPort } = coordinator
  assert.equal(await stateOf(coordinator), 3)
  assert.equal(await rootOf(coordinator), root)
  const { text } = await get(clientPort, '/api/v2/secrets?s=own', { user })
  const { data } = JSON.parse(text) as { data: { secrets: { own: { Private: string } } } }
  assert.equal(data.secrets.own.Private, ownSecret.toString('base64'))
  const { Env: env } = await activate(meshPort, user, { marbleType: 'web', uuid })
  assert.equal(textOf(env, 'KEY'), key)
  await activate(meshPort, user, { marbleType: 'few' })
  assert.equal((await tryActivation(meshPort, user, { marbleType: 'few' })).code, grpcCode.PERMISSION_DENIED)
  await coordinator.restart('SIGKILL')
  assert.equal(await stateOf(coordinator), 3)
  assert.equal(await rootOf(coordinator), root)
  assert.equal((await tryActivation(meshPort, user, { marbleType: 'few' })).code, grpcCode.PERMISSION_DENIED)
  assert.equal(await coordinator.stop(), 0)
  const found: unknown[] = []
  const { problem } = inspectLedger(coordinator.sealDirectory, ({ audit }) => found.push(audit))
  assert.equal(problem, undefined)
  const recoveries = found.filter((audit) => (audit as { action: string }).action === 'recovered')
  const names = who.map(({ name }) => name)
  assert.deepEqual(recoveries, [{ action: 'recovered', actor: { kind: 'recovery', parties: names } }])
}

suite('three of five', () => {
  let sealed: Sealed
  /** Another deployment of the same parties. */
  let other: Sealed
  before(async () => {
    ;[sealed, other] = await Promise.all([makeSealed('3-of-5', parties, 3), makeSealed('other', parties, 3)])
  })

  for (const order of [
    [0, 1, 2],
    [4, 2, 0],
    [3, 1, 4],
    [2, 0, 3],
  ]) {
    test(`parties ${order.join(', ')} recover`, async () => {
      await using coordinator = await startOn(sealed)
      const who = order.map(at)
      const remaining: unknown[] = []
      for (const party of who) remaining.push((await upload(coordinator, sealed, party)).remaining)
      assert.deepEqual(remaining, [4, 3, 0])
      await worksAgain(coordinator, sealed, who)
    })
  }

  test('a wrong, repeated, foreign or badly signed secret is refused at once, and alone', async () => {
    await using coordinator = await startOn(sealed)
    const { clientPort } = coordinator
    const mistakes = async (taken: readonly Party[]): Promise<void> => {
      const share = shareOf(sealed, at(3))
      const altered = Buffer.from(share)
      altered.writeUInt8(share.readUInt8(7) ^ 1, 7)
      await isRefused(uploadShare(clientPort, altered, signShare(altered, at(3))), /recover/)
      const foreign = shareOf(other, at(3))
      await isRefused(uploadShare(clientPort, foreign, signShare(foreign, at(3))), /recover/)
      await isRefused(uploadShare(clientPort, share, signShare(share, at(4))), /sign/)
      await isRefused(uploadShare(clientPort, share, signShare(altered, at(3))), /sign/)
      await isRefused(uploadShare(clientPort, share, Buffer.alloc(0)), /sign/)
      for (const party of taken) await isRefused(upload(coordinator, sealed, party), /recover/)
      assert.equal(await stateOf(coordinator), 1)
    }
    await mistakes([])
    assert.equal((await upload(coordinator, sealed, at(1))).remaining, 4)
    await mistakes([at(1)])
    assert.equal((await upload(coordinator, sealed, at(0))).remaining, 3)
    await mistakes([at(1), at(0)])
    assert.equal((await upload(coordinator, sealed, at(3))).remaining, 0)
    await worksAgain(coordinator, sealed, [at(1), at(0), at(3)])
  })

  test('after kill -9 all three are needed again', async () => {
    await using coordinator = await startOn(sealed)
    await upload(coordinator, sealed, at(0))
    await upload(coordinator, sealed, at(1))
    await coordinator.restart('SIGKILL')
    assert.equal(await stateOf(coordinator), 1)
    assert.equal((await upload(coordinator, sealed, at(2))).remaining, 4)
    assert.equal((await upload(coordinator, sealed, at(1))).remaining, 3)
    assert.equal((await upload(coordinator, sealed, at(0))).remaining, 0)
    await worksAgain(coordinator, sealed, [at(2), at(1), at(0)])
  })

  test('who uploads garbage all the time stops nobody', async () => {
    await using coordinator = await startOn(sealed)
    const { clientPort } = coordinator
    let isOver = false
    let refused = 0
    const attack = async (length: number): Promise<void> => {
      while (!isOver) {
        const garbage = randomBytes(length)
        assert.equal((await uploadShare(clientPort, garbage, randomBytes(256))).remaining, undefined)
        assert.equal((await uploadShare(clientPort, shareOf(other, at(2)), garbage)).remaining, undefined)
        // What an attacker saw of an honest upload.
        assert.equal((await uploadShare(clientPort, shareOf(sealed, at(4)), garbage)).remaining, undefined)
        refused += 3
      }
    }
    const attacks = [0, 32, 33, 100_000].map(attack)
    const remaining: unknown[] = []
    for (const party of [at(4), at(3), at(2)]) {
      const before = refused
      while (refused < before + 12) await get(clientPort, '/api/v2/status')
      remaining.push((await upload(coordinator, sealed, party)).remaining)
    }
    isOver = true
    await Promise.all(attacks)
    assert.deepEqual(remaining, [4, 3, 0])
    await worksAgain(coordinator, sealed, [at(4), at(3), at(2)])
  })

  test('all five at once: the first three recover, the others come too late', async () => {
    await using coordinator = await startOn(sealed)
    const answers = await Promise.all(parties.map((party) => upload(coordinator, sealed, party)))
    const remaining = answers.map((answer) => answer.remaining).filter((number) => number !== undefined)
    assert.deepEqual(remaining.toSorted(), [0, 3, 4])
    assert.equal(await stateOf(coordinator), 3)
    assert.equal(await rootOf(coordinator), sealed.root)
  })

  test('secrets from before an update that changed recovery no longer count', async () => {
    let former: Shares = new Map()
    const updated = await makeSealed('updated', parties, 3, async ({ clientPort }) => {
      const initial = await get(clientPort, '/api/v2/manifest')
      assert.equal(initial.status, 200)
      const shares: Shares[] = []
      for (const threshold of [4, 3]) {
        const raw = Buffer.from(manifest(parties, threshold)).toString('base64')
        const body = JSON.stringify({ manifest: raw })
        const { status, text } = await get(clientPort, '/api/v2/update', { method: 'POST', body, user })
        assert.equal(status, 200, text)
        const { data } = JSON.parse(text) as { data: { recoverySecrets: Record<string, string> } }
        shares.push(decryptShares(parties, data.recoverySecrets))
      }
      former = shares[0] ?? former
      return shares[1] ?? former
    })
    await using coordinator = await startOn(updated)
    for (const party of parties) await isRefused(upload(coordinator, { shares: former }, party), /recover/)
    const who = [at(1), at(4), at(2)]
    for (const party of who) await upload(coordinator, updated, party)
    await worksAgain(coordinator, updated, who)
  })
})

test('all of three (XOR): two are not enough, three are', async () => {
  const who = [at(2), at(0), at(1)]
  const sealed = await makeSealed('3-of-3', who, 0)
  await using coordinator = await startOn(sealed)
  assert.equal((await upload(coordinator, sealed, at(2))).remaining, 2)
  assert.equal((await upload(coordinator, sealed, at(0))).remaining, 1)
  await isRefused(upload(coordinator, sealed, at(2)), /recover/)
  assert.equal(await stateOf(coordinator), 1)
  assert.equal((await upload(coordinator, sealed, at(1))).remaining, 0)
  await worksAgain(coordinator, sealed, who)
})

test('a single party: only its own secret and signature', async () => {
  const sealed = await makeSealed('single', [at(0)], 0)
  await using coordinator = await startOn(sealed)
  const share = shareOf(sealed, at(0))
  await isRefused(uploadShare(coordinator.clientPort, share, signShare(share, at(1))), /sign/)
  const wrong = randomBytes(32)
  await isRefused(uploadShare(coordinator.clientPort, wrong, signShare(wrong, at(0))), /recover/)
  assert.equal((await upload(coordinator, sealed, at(0))).remaining, 0)
  await worksAgain(coordinator, sealed, [at(0)])
})
