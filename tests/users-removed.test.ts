/** Who may do something is asked anew with each request, whatever a connection was allowed when it was made. */
import assert from 'node:assert/strict'
import http2 from 'node:http2'
import https from 'node:https'
import { after, before, suite, test } from 'node:test'
import { get, TestCoordinator } from './support/coordinator.ts'
import { type ClientIdentity, clientIdentity, manifestWith, setManifest } from './support/mesh-client.ts'

let coordinator: TestCoordinator
let users: Readonly<Record<'alice' | 'bob' | 'carol', ClientIdentity>>

/** Two of the users must agree to an update. */
const manifestFor = (names: readonly (keyof typeof users)[]): string =>
  manifestWith({
    Marbles: { web: { Package: 'pkg' } },
    Secrets: { key: { Type: 'symmetric-key', Size: 128, Shared: true } },
    Users: Object.fromEntries(
      names.map((name) => [name, { Certificate: users[name].cert, Roles: ['all', 'read'] }]),
    ),
    Roles: {
      all: { ResourceType: 'Manifest', Actions: ['UpdateManifest'] },
      read: { ResourceType: 'Secrets', ResourceNames: ['key'], Actions: ['ReadSecret'] },
    },
    Config: { UpdateThreshold: 2 },
  })

const target = '/api/v2/secrets?s=key'

before(async () => {
  users = { alice: await clientIdentity(), bob: await clientIdentity(), carol: await clientIdentity() }
  coordinator = await TestCoordinator.start()
  await setManifest(coordinator.clientPort, manifestFor(['alice', 'bob', 'carol']))
})
after(() => coordinator[Symbol.asyncDispose]())

const post = async (path: string, manifest: string, user: ClientIdentity): Promise<number> => {
  const body = JSON.stringify({ manifest: Buffer.from(manifest).toString('base64') })
  return (await get(coordinator.clientPort, path, { method: 'POST', body, user })).status
}

suite('a user whom an update removes', () => {
  test('is refused on connections that are open already; agreeing twice counts once', async () => {
    const { alice, bob, carol } = users
    const options = { cert: carol.cert, key: carol.key, rejectUnauthorized: false }
    const agent = new https.Agent({ ...options, keepAlive: true, maxSockets: 1 })
    const session = http2.connect(`https://127.0.0.1:${coordinator.clientPort}`, options)
    const statuses = async (): Promise<readonly unknown[]> => [
      await overHttp1(agent, coordinator.clientPort),
      await overHttp2(session),
    ]
    try {
      assert.deepEqual(await statuses(), [200, 200])
      const next = manifestFor(['alice', 'bob'])
      assert.equal(await post('/api/v2/update', next, alice), 200)
      assert.equal(await post('/api/v2/update-manifest', next, alice), 200)
      assert.equal(await post('/api/v2/update-manifest', `${next}\n`, bob), 500)
      assert.deepEqual(await statuses(), [200, 200])
      assert.equal(await post('/api/v2/update-manifest', next, bob), 200)
      assert.deepEqual(await statuses(), [401, 401])
    } finally {
      agent.destroy()
      session.destroy()
    }
  })

  test('a user’s certificate behind another one is nobody’s', async () => {
    const stranger = await clientIdentity()
    const user = { cert: stranger.cert + users.alice.cert, key: stranger.key }
    assert.equal((await get(coordinator.clientPort, target, { user })).status, 401)
    assert.equal((await get(coordinator.clientPort, target, { user: users.alice })).status, 200)
  })
})

function overHttp1(agent: https.Agent, port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    https
      .get({ agent, host: '127.0.0.1', port, path: target }, (response) => {
        response.resume().on('end', () => {
          resolve(response.statusCode)
        })
      })
      .on('error', reject)
  })
}

function overHttp2(session: http2.ClientHttp2Session): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': target })
    stream.on('error', reject)
    stream.on('response', (head) => {
      resolve(head[':status'])
    })
    stream.resume()
  })
}
