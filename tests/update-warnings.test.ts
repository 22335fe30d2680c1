import assert from 'node:assert/strict'
import { test } from 'node:test'
import { get, TestCoordinator, type RestAnswer } from './support/coordinator.ts'
import { makeUser } from './support/user.ts'

const alice = makeUser('alice')
const bob = makeUser('bob')
const app = { SignerID: 'c1'.repeat(32), ProductID: 1, SecurityVersion: 3 }
const manifestWith = (entry: Readonly<Record<string, unknown>>) => ({
  Packages: { app: { ...app, ...entry } },
  Marbles: { web: { Package: 'app' } },
  Users: {
    alice: { Certificate: alice.cert, Roles: ['versions', 'all'] },
    bob: { Certificate: bob.cert, Roles: ['all'] },
  },
  Roles: {
    versions: { ResourceType: 'Packages', ResourceNames: ['app'], Actions: ['UpdateSecurityVersion'] },
    all: { ResourceType: 'Manifest', Actions: ['UpdateManifest'] },
  },
})

/** The paths that the answer warns about. */
function warnedOf({ status, text, headers }: RestAnswer): readonly string[] {
  assert.equal(status, 200, text)
  const warnings: unknown = JSON.parse(String(headers['taw-warnings'] ?? '[]'))
  assert.ok(Array.isArray(warnings))
  return warnings.map((warning) => String(warning).replace(/ \(line.*/, ''))
}

test('whoever updates is told what has no effect, as whoever sets a manifest is', async () => {
  await using coordinator = await TestCoordinator.start()
  const send = (target: string, document: unknown, user = alice): Promise<RestAnswer> => {
    const raw = JSON.stringify(document)
    const isV2 = target.startsWith('/api/v2')
    const body = isV2 ? JSON.stringify({ manifest: Buffer.from(raw).toString('base64') }) : raw
    return get(coordinator.clientPort, target, { method: 'POST', body, user })
  }
  const odd = manifestWith({ AcceptedAdvisorys: ['INTEL-SA-00615'] })
  const path = 'Packages.app.AcceptedAdvisorys'
  assert.deepEqual(warnedOf(await send('/api/v2/manifest', odd)), [path])

  const packages = {
    Packages: { app: { SecurityVersion: 4, AcceptedTCBStatuses: [], AcceptedAdvisories: ['x'], Comment: 1 } },
    Config: { SealMode: 'Disabled' },
  }
  const ignored = ['AcceptedTCBStatuses', 'AcceptedAdvisories', 'Comment'].map(
    (name) => `Packages.app.${name}`,
  )
  const plan = await send('/api/v2/update?dry-run=1', packages)
  assert.deepEqual(
    [...plan.text.matchAll(/"path":"([^"]*)"/g)].map(([, found]) => found),
    [...ignored, 'Config'],
  )
  for (const target of ['/api/v2/update', '/update'])
    assert.deepEqual(warnedOf(await send(target, packages)), [...ignored, 'Config'])
  assert.deepEqual(warnedOf(await send('/api/v2/update', { Packages: { app: { SecurityVersion: 4 } } })), [])

  assert.deepEqual(warnedOf(await send('/api/v2/update', odd)), [path])
  assert.deepEqual(warnedOf(await send('/api/v2/update-manifest', odd, bob)), [path])
  assert.deepEqual(warnedOf(await send('/update', manifestWith({}))), [])
  assert.match(coordinator.output, /manifest update: is no known member[^"]*did you mean/)
})
