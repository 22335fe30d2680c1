import assert from 'node:assert/strict'
import { test } from 'node:test'
import { get, TestCoordinator } from './support/coordinator.ts'
import {
  activate,
  clientIdentity,
  manifestWith,
  postManifest,
  setManifest,
  textOf,
} from './support/mesh-client.ts'

/** Feature gates and monotonic counters (spec/client-api.md), through a real Coordinator. */

interface Identity {
  readonly cert: string
  readonly key: string
}

const marbles = { web: { Package: 'pkg' }, job: { Package: 'pkg' } }
const gated = (...gates: readonly string[]): string =>
  manifestWith({ Marbles: marbles, Config: { FeatureGates: gates } })

async function marbleIdentity(
  { meshPort }: TestCoordinator,
  marbleType: string,
  uuid: string,
): Promise<Identity> {
  const { Env } = await activate(meshPort, await clientIdentity(), { marbleType, uuid })
  return {
    cert: textOf(Env, 'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN'),
    key: textOf(Env, 'MARBLE_PREDEFINED_PRIVATE_KEY'),
  }
}

const post = (
  { clientPort }: TestCoordinator,
  body: string,
  user?: Identity,
  path = '/api/v2/monotonic-counter',
): ReturnType<typeof get> => get(clientPort, path, { method: 'POST', body, ...(user && { user }) })

/** Advances a counter and gives the former value, as text: it has 64 bits. */
async function advance(
  coordinator: TestCoordinator,
  user: Identity,
  value: string,
  name = 'n',
): Promise<string | undefined> {
  const { status, text } = await post(coordinator, `{"name":${JSON.stringify(name)},"value":${value}}`, user)
  assert.equal(status, 200, text)
  return /^\{"status":"success","data":\{"value":(\d+)\}\}\n$/.exec(text)?.[1]
}

const first = '10000000-0000-4000-8000-000000000001'
const second = '10000000-0000-4000-8000-000000000002'
const largest = '18446744073709551615'

test('without its gate an endpoint refuses everyone, whoever asks', async () => {
  await using coordinator = await TestCoordinator.start()
  for (const path of ['/api/v2/monotonic-counter', '/api/v2/sign-quote']) {
    assert.equal((await post(coordinator, '{}', undefined, path)).status, 403, 'before a manifest')
  }
  await setManifest(coordinator.clientPort, gated())
  const marble = await marbleIdentity(coordinator, 'web', first)
  for (const path of ['/api/v2/monotonic-counter', '/api/v2/sign-quote']) {
    for (const user of [undefined, marble]) {
      const { status, text } = await post(coordinator, '{}', user, path)
      assert.equal(status, 403, text)
      assert.match(text, /FeatureGates/)
    }
  }
})

test('a gate opens its own endpoint alone, and an unknown gate is refused', async () => {
  await using coordinator = await TestCoordinator.start()
  const { status } = await postManifest(coordinator.clientPort, gated('MonotonicCounters'))
  assert.notEqual(status, 200)
  await setManifest(coordinator.clientPort, gated('MonotonicCounter'))
  assert.equal((await post(coordinator, '{"sgxQuote":""}', undefined, '/api/v2/sign-quote')).status, 403)
  assert.equal((await post(coordinator, '{}')).status, 401)
})

test('counters rise and never fall, exactly up to 2^64 - 1', async () => {
  await using coordinator = await TestCoordinator.start()
  await setManifest(coordinator.clientPort, gated('MonotonicCounter'))
  const marble = await marbleIdentity(coordinator, 'web', first)
  // Value sent, former value answered.
  const steps = [
    ['0', '0'],
    ['5', '0'],
    ['5', '5'],
    ['4', '5'],
    ['9007199254740993', '5'],
    ['9007199254740992', '9007199254740993'],
    ['18446744073709551614', '9007199254740993'],
    [largest, '18446744073709551614'],
    [largest, largest],
    ['0', largest],
  ]
  for (const [value = '', former] of steps) {
    assert.equal(await advance(coordinator, marble, value), former, `setting ${value}`)
  }
  for (const value of ['18446744073709551616', '-1', '1.5', '1e3', '"7"', 'true']) {
    const { status, text } = await post(coordinator, `{"name":"n","value":${value}}`, marble)
    assert.equal(status, 400, `${value}: ${text}`)
  }
  assert.equal(await advance(coordinator, marble, '0'), largest)
})

test('a counter belongs to one type, one UUID and one name', async () => {
  await using coordinator = await TestCoordinator.start()
  await setManifest(coordinator.clientPort, gated('MonotonicCounter'))
  const owner = await marbleIdentity(coordinator, 'web', first)
  await advance(coordinator, owner, '7')
  const otherUuid = await marbleIdentity(coordinator, 'web', second)
  const otherType = await marbleIdentity(coordinator, 'job', first)
  assert.equal(await advance(coordinator, otherUuid, '1'), '0')
  assert.equal(await advance(coordinator, otherType, '2'), '0')
  for (const name of ['N', 'n ', '', 'n"],["', '\u0000', 'ä']) {
    assert.equal(await advance(coordinator, owner, '3', name), '0', JSON.stringify(name))
  }
  assert.equal(await advance(coordinator, owner, '0'), '7')
  // The same instance, activated again, in another spelling of its UUID.
  const again = await marbleIdentity(coordinator, 'web', `{${first.toUpperCase()}}`)
  assert.equal(await advance(coordinator, again, '0'), '7')
  assert.equal((await post(coordinator, `{"name":"${'x'.repeat(4097)}","value":1}`, owner)).status, 413)
})

test('what was answered is durable, though the Coordinator is killed', async () => {
  await using coordinator = await TestCoordinator.start()
  await setManifest(coordinator.clientPort, gated('MonotonicCounter'))
  const marble = await marbleIdentity(coordinator, 'web', first)
  assert.equal(await advance(coordinator, marble, largest), '0')
  await coordinator.restart('SIGKILL')
  assert.equal(await advance(coordinator, marble, '1'), largest)
})

test('of those who raise a counter at the same time each sees another former value', async () => {
  await using coordinator = await TestCoordinator.start()
  await setManifest(coordinator.clientPort, gated('MonotonicCounter'))
  const marble = await marbleIdentity(coordinator, 'web', first)
  const values = Array.from({ length: 20 }, (_, index) => index + 1)
  const former = await Promise.all(values.map((value) => advance(coordinator, marble, String(value))))
  // Who set a value saw a smaller one; and no two set a value on top of the same one.
  const set = values.flatMap((value, index) => (Number(former[index]) < value ? [former[index]] : []))
  assert.equal(new Set(set).size, set.length)
  assert.equal(await advance(coordinator, marble, '0'), '20')
})

test('only a marble under the marble root in force has counters', async () => {
  await using coordinator = await TestCoordinator.start()
  const alice = await clientIdentity()
  const manifest = manifestWith({
    Marbles: marbles,
    Users: { alice: { Certificate: alice.cert, Roles: ['raise'] } },
    Roles: {
      raise: { ResourceType: 'Packages', ResourceNames: ['pkg'], Actions: ['UpdateSecurityVersion'] },
    },
    Config: { FeatureGates: ['MonotonicCounter'] },
  })
  await setManifest(coordinator.clientPort, manifest)
  const marble = await marbleIdentity(coordinator, 'web', first)
  await advance(coordinator, marble, '7')
  for (const stranger of [undefined, alice, await clientIdentity()]) {
    assert.equal((await post(coordinator, '{"name":"n","value":9}', stranger)).status, 401)
  }
  const update = Buffer.from('{"Packages":{"pkg":{"SecurityVersion":2}}}').toString('base64')
  assert.equal(
    (await post(coordinator, JSON.stringify({ manifest: update }), alice, '/api/v2/update')).status,
    200,
  )
  assert.equal((await post(coordinator, '{"name":"n","value":9}', marble)).status, 401)
  const renewed = await marbleIdentity(coordinator, 'web', first)
  assert.equal(await advance(coordinator, renewed, '0'), '7')
})
