import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientConnection, manifestBody } from './campaigns/client.ts'
import { TestCoordinator } from './support/coordinator.ts'
import {
  activationOn,
  clientIdentity,
  connectMesh,
  grpcCode,
  manifestWith,
  setManifest,
} from './support/mesh-client.ts'

/**
 * An update is worked out on the durable state and decided on the newest one. Changes that came in just before it, and
 * are not durable yet, must neither be lost nor keep it from ever being decided.
 */
test('updates that come together with other changes are decided, one after the other', async () => {
  const marble = await clientIdentity()
  const users = [await clientIdentity(), await clientIdentity()]
  const manifest = (generation: number): string =>
    manifestWith({
      Marbles: { m: { Package: 'pkg', Parameters: { Env: { GENERATION: String(generation) } } } },
      Secrets: { own: { Type: 'plain', UserDefined: true } },
      Users: Object.fromEntries(
        users.map(({ cert }, index) => [
          `u${index}`,
          { Certificate: cert, Roles: ['all', 'own', 'packages'] },
        ]),
      ),
      Roles: {
        all: { ResourceType: 'Manifest', Actions: ['UpdateManifest'] },
        own: { ResourceType: 'Secrets', ResourceNames: ['own'], Actions: ['ReadSecret', 'WriteSecret'] },
        packages: { ResourceType: 'Packages', ResourceNames: ['pkg'], Actions: ['UpdateSecurityVersion'] },
      },
      Config: { UpdateThreshold: 2 },
    })
  await using coordinator = await TestCoordinator.start()
  const { clientPort } = coordinator
  await setManifest(clientPort, manifest(0))
  using first = await ClientConnection.open(clientPort, users[0])
  const mesh = await connectMesh(coordinator.meshPort, marble)
  const activate = async (): Promise<{ status: number; message: string }> => {
    const { code, message } = await activationOn(mesh, marble, { marbleType: 'm' })
    return { status: code === grpcCode.OK ? 200 : 500, message }
  }
  using second = await ClientConnection.open(clientPort, users[1])
  for (let round = 1; round <= 5; round++) {
    const write = (value: number): ReturnType<ClientConnection['request']> =>
      first.request('POST', '/api/v2/secrets', {
        secrets: { own: { Key: Buffer.of(value).toString('base64') } },
      })
    const body = manifestBody(Buffer.from(manifest(round)))
    const raise = manifestBody(Buffer.from(JSON.stringify({ Packages: { pkg: { SecurityVersion: round } } })))
    // All of a line arrive in one turn of the Coordinator's event loop.
    const steps = [
      [write(1), write(2), first.request('POST', '/api/v2/update', raise), write(3), activate()],
      [write(4), write(5), first.request('POST', '/api/v2/update', body), write(6), activate()],
    ]
    for (const step of steps) {
      for (const { status, message } of await Promise.all(step)) assert.equal(status, 200, message)
    }
    const agreed = [write(7), first.request('POST', '/api/v2/update-manifest', body), write(8)]
    for (const { status, message } of await Promise.all(agreed)) assert.equal(status, 200, message)
    const applied = [second.request('POST', '/api/v2/update-manifest', body), activate(), activate()]
    for (const { status, message } of await Promise.all(applied)) assert.equal(status, 200, message)
  }
  mesh.destroy()
})
