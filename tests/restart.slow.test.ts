import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { get, type RestOptions, TestCoordinator } from './support/coordinator.ts'
import {
  activate,
  type ClientIdentity,
  clientIdentity,
  grpcCode,
  manifestWith,
  setManifest,
  textOf,
  tryActivation,
} from './support/mesh-client.ts'

/** A Coordinator that was stopped in order and started again is the same one, whatever the environment says now. */

let alice: ClientIdentity
let bob: ClientIdentity
let marble: ClientIdentity
before(async () => {
  ;[alice, bob, marble] = await Promise.all([clientIdentity(), clientIdentity(), clientIdentity()])
})

/** Of the marble that comes back. */
const uuid = '6f9b8a52-3c1d-4e7f-8a90-b1c2d3e4f506'

function manifest(config: Readonly<Record<string, unknown>> = {}): string {
  const signer = 'ab'.repeat(32)
  return manifestWith({
    Packages: {
      pkg: { SignerID: signer, ProductID: 1, SecurityVersion: 3 },
      other: { SignerID: signer, ProductID: 2, SecurityVersion: 1 },
    },
    Marbles: {
      web: {
        Package: 'pkg',
        Parameters: {
          Env: {
            SHARED: '{{ hex .Secrets.shared }}',
            DERIVED: '{{ hex .Secrets.derived }}',
            CERTIFICATE: '{{ pem .Secrets.certificate.Cert }}',
            OWN: '{{ string .Secrets.own }}',
          },
        },
      },
      few: { Package: 'pkg', MaxActivations: 3 },
    },
    Secrets: {
      shared: { Type: 'symmetric-key', Size: 128, Shared: true },
      derived: { Type: 'symmetric-key', Size: 256 },
      certificate: { Type: 'cert-ecdsa', Size: 256, Shared: true },
      own: { Type: 'plain', UserDefined: true },
    },
    Users: {
      alice: { Certificate: alice.cert, Roles: ['update', 'secrets', 'write', 'packages'] },
      bob: { Certificate: bob.cert, Roles: ['update'] },
    },
    Roles: {
      update: { ResourceType: 'Manifest', Actions: ['UpdateManifest'] },
      secrets: {
        ResourceType: 'Secrets',
        ResourceNames: ['own', 'shared', 'certificate'],
        Actions: ['ReadSecret'],
      },
      write: { ResourceType: 'Secrets', ResourceNames: ['own'], Actions: ['WriteSecret'] },
      packages: { ResourceType: 'Packages', ResourceNames: ['pkg'], Actions: ['UpdateSecurityVersion'] },
    },
    Config: { FeatureGates: ['MonotonicCounter'], ...config },
  })
}

interface Answer {
  readonly status: number
  readonly data: unknown
  readonly message: string | undefined
}

async function ask(
  { clientPort }: TestCoordinator,
  target: string,
  options: RestOptions = {},
): Promise<Answer> {
  const { status, text } = await get(clientPort, `/api/v2${target}`, options)
  const { data, message } = JSON.parse(text) as { readonly data: unknown; readonly message?: string }
  return { status, data, message }
}

function post(
  coordinator: TestCoordinator,
  target: string,
  user: RestOptions['user'],
  body: unknown,
): Promise<Answer> {
  const options = { method: 'POST', body: JSON.stringify(body), ...(user !== undefined && { user }) }
  return ask(coordinator, target, options)
}

async function accepted(answer: Promise<Answer>): Promise<unknown> {
  const { status, data, message } = await answer
  assert.equal(status, 200, message)
  return data
}

const update = (coordinator: TestCoordinator, user: ClientIdentity, raw: string): Promise<Answer> =>
  post(coordinator, '/update', user, { manifest: Buffer.from(raw).toString('base64') })

/** Everything that anyone can see of a deployment without changing it. */
async function publicFace(coordinator: TestCoordinator): Promise<Record<string, unknown>> {
  const face: Record<string, unknown> = {}
  for (const target of ['/status', '/quote', '/update', '/update-manifest'])
    face[target] = await ask(coordinator, target)
  // The signature is made anew each time.
  const { data } = await ask(coordinator, '/manifest')
  const { manifest, manifestFingerprint } = data as { manifest: string; manifestFingerprint: string }
  face['/manifest'] = { manifest, manifestFingerprint }
  face['/secrets'] = await ask(coordinator, '/secrets?s=own&s=shared&s=certificate', { user: alice })
  return face
}

/** What the marble gets each time that it comes. */
async function marbleSecrets({ meshPort }: TestCoordinator): Promise<Record<string, string>> {
  const { Env: env } = await activate(meshPort, marble, { marbleType: 'web', uuid })
  const names = ['SHARED', 'DERIVED', 'CERTIFICATE', 'OWN', 'MARBLE_PREDEFINED_ROOT_CA']
  return Object.fromEntries(names.map((name) => [name, textOf(env, name)]))
}

async function marbleUser({ meshPort }: TestCoordinator): Promise<{ cert: string; key: string }> {
  const { Env: env } = await activate(meshPort, marble, { marbleType: 'web', uuid })
  return {
    cert: textOf(env, 'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN'),
    key: textOf(env, 'MARBLE_PREDEFINED_PRIVATE_KEY'),
  }
}

const count = (coordinator: TestCoordinator, user: RestOptions['user'], value: number): Promise<unknown> =>
  accepted(post(coordinator, '/monotonic-counter', user, { name: 'clock', value }))

suite('stopped and started again', () => {
  let coordinator: TestCoordinator
  let face: Record<string, unknown>
  let secrets: Record<string, string>
  let counting: { cert: string; key: string }
  const pending = (): string => manifest({ UpdateThreshold: 1 })

  before(async () => {
    coordinator = await TestCoordinator.start({
      env: { EDG_COORDINATOR_DNS_NAMES: 'first.example', TAW_PKI_CURVE: 'P-384' },
    })
    await setManifest(coordinator.clientPort, manifest())
    const own = Buffer.from('kept over every restart').toString('base64')
    await accepted(post(coordinator, '/secrets', alice, { secrets: { own: { Key: own } } }))
    await accepted(update(coordinator, alice, JSON.stringify({ Packages: { pkg: { SecurityVersion: 7 } } })))
    for (let spent = 0; spent < 2; spent++)
      await activate(coordinator.meshPort, marble, { marbleType: 'few' })
    counting = await marbleUser(coordinator)
    assert.deepEqual(await count(coordinator, counting, 41), { value: 0 })
    secrets = await marbleSecrets(coordinator)
    await accepted(update(coordinator, alice, pending()))
    face = await publicFace(coordinator)
    // Twice: the second time it starts from what the first restart left.
    for (const names of ['second.example', 'third.example,192.0.2.7']) {
      await coordinator.restart('SIGTERM', { EDG_COORDINATOR_DNS_NAMES: names, TAW_PKI_CURVE: 'P-256' })
    }
  })
  after(() => coordinator[Symbol.asyncDispose]())

  test('everything that anyone can read is as it was: chain, manifest, log, pending update, secrets', async () => {
    assert.deepEqual(await publicFace(coordinator), face)
  })

  test('other DNS names and another curve in the environment change no certificate, and the log says so', async () => {
    const { data } = await ask(coordinator, '/quote')
    const root = new X509Certificate(
      (data as { cert: string }).cert.split(/(?<=-----END CERTIFICATE-----\n)/)[1] ?? '',
    )
    assert.match(root.subjectAltName ?? '', /first\.example/)
    assert.doesNotMatch(root.subjectAltName ?? '', /second|third/)
    assert.equal(root.publicKey.asymmetricKeyDetails?.namedCurve, 'secp384r1')
    assert.match(coordinator.output, /TAW_PKI_CURVE is not used: this deployment began with P-384/)
  })

  test('a marble that comes back with its UUID gets the same keys', async () => {
    assert.deepEqual(await marbleSecrets(coordinator), secrets)
  })

  test('activations go on where they were', async () => {
    await activate(coordinator.meshPort, marble, { marbleType: 'few' })
    const refused = await tryActivation(coordinator.meshPort, marble, { marbleType: 'few' })
    assert.equal(refused.code, grpcCode.PERMISSION_DENIED)
    assert.match(refused.message, /may activate 3 times .* has done so 3 times/)
  })

  test('counters go on where they were, for the certificate of before', async () => {
    assert.deepEqual(await count(coordinator, counting, 41), { value: 41 })
    assert.deepEqual(await count(coordinator, counting, 42), { value: 41 })
  })

  test('package versions stay raised, though the update that is pending comes first', async () => {
    const lower = JSON.stringify({ Packages: { pkg: { SecurityVersion: 6 } } })
    assert.match(
      (await update(coordinator, alice, lower)).message ?? '',
      /waits for acknowledgements already/,
    )
    await accepted(post(coordinator, '/update-cancel', bob, {}))
    assert.match((await update(coordinator, alice, lower)).message ?? '', /from SecurityVersion 7 down to 6/)
  })

  test('an acknowledgement of before counts: the second user completes the update', async () => {
    await accepted(update(coordinator, alice, pending()))
    await coordinator.restart()
    const body = { manifest: Buffer.from(pending()).toString('base64') }
    const data = await accepted(post(coordinator, '/update-manifest', bob, body))
    assert.equal((data as { missingAcknowledgments: number }).missingAcknowledgments, 0)
    await coordinator.restart()
    const { data: now } = await ask(coordinator, '/manifest')
    const fingerprint = createHash('sha256').update(pending()).digest('hex')
    assert.equal((now as { manifestFingerprint: string }).manifestFingerprint, fingerprint)
  })

  test('strangers are still nobody', async () => {
    assert.equal((await ask(coordinator, '/secrets?s=own', { user: marble })).status, 401)
    assert.equal(
      (await post(coordinator, '/secrets', bob, { secrets: { own: { Key: 'AA==' } } })).status,
      500,
    )
  })
})

suite('seal modes', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'taw-restart-'))
  })
  after(() => {
    rmSync(folder, { recursive: true })
  })

  /** An empty seal directory that outlives the Coordinators of a test. */
  function sealDirectory(name: string): string {
    const directory = path.join(folder, name)
    mkdirSync(directory)
    return directory
  }

  for (const SealMode of ['', 'ProductKey', 'UniqueKey']) {
    test(`"${SealMode}": another process with the same directory goes on`, async () => {
      const directory = sealDirectory(`mode-${SealMode}`)
      let face: Record<string, unknown>
      {
        await using first = await TestCoordinator.start({ sealDirectory: directory })
        await setManifest(first.clientPort, manifest({ SealMode }))
        face = await publicFace(first)
        assert.equal(await first.stop(), 0)
      }
      await using second = await TestCoordinator.start({ sealDirectory: directory })
      assert.deepEqual(await publicFace(second), face)
    })
  }

  test('"Disabled": works while it runs, says that nothing is kept, and keeps nothing', async () => {
    const directory = sealDirectory('disabled')
    await using coordinator = await TestCoordinator.start({ sealDirectory: directory })
    await setManifest(coordinator.clientPort, manifest({ SealMode: 'Disabled' }))
    await activate(coordinator.meshPort, marble, { marbleType: 'few' })
    const root = await ask(coordinator, '/quote')
    assert.deepEqual(
      readdirSync(directory).filter((name) => name !== 'ledger.lock'),
      [],
    )
    assert.equal(await coordinator.stop(), 0)
    assert.ok(!existsSync(path.join(directory, 'ledger.db')))
    assert.match(coordinator.output, /SealMode is .*Disabled.*, so nothing is kept/)

    await coordinator.restart()
    const { data } = await ask(coordinator, '/status')
    assert.equal((data as { code: number }).code, 2)
    assert.notDeepEqual(await ask(coordinator, '/quote'), root)
    // And the next manifest can be another one.
    await setManifest(coordinator.clientPort, manifest())
    assert.ok(existsSync(path.join(directory, 'ledger.db')))
  })
})
