import assert from 'node:assert/strict'
import { test } from 'node:test'
import { get, TestCoordinator, type RestAnswer } from './support/coordinator.ts'
import { makeUser } from './support/user.ts'

const user = makeUser('updater')
const measured = 'a1'.repeat(48)
const TDX = { MRTD: measured, RTMR2: measured }
const SGX = { SignerID: 'c1'.repeat(32), ProductID: 1, SecurityVersion: 3 }
const packages = { sgx: SGX, both: { ...SGX, TDX }, tdx: { TDX } }
const manifest = {
  Packages: packages,
  Marbles: Object.fromEntries(Object.keys(packages).map((name) => [name, { Package: name }])),
  Users: { updater: { Certificate: user.cert, Roles: ['updater'] } },
  Roles: {
    updater: {
      ResourceType: 'Packages',
      ResourceNames: Object.keys(packages),
      Actions: ['UpdateSecurityVersion'],
    },
  },
}

const send = ({ clientPort }: TestCoordinator, target: string, document: unknown): Promise<RestAnswer> =>
  get(clientPort, target, {
    method: 'POST',
    body: JSON.stringify({ manifest: Buffer.from(JSON.stringify(document)).toString('base64') }),
    user,
  })

test('a manifest for several kinds of TEE is taken; a package update is about the version of enclaves alone', async () => {
  await using coordinator = await TestCoordinator.start()
  const set = await send(coordinator, '/api/v2/manifest', manifest)
  assert.equal(set.status, 200, set.text)

  const update = (name: string, entry: unknown): Promise<RestAnswer> =>
    send(coordinator, '/api/v2/update', { Packages: { [name]: entry } })
  for (const [name, entry, reason] of [
    ['tdx', { SecurityVersion: 4 }, /accepts no SGX enclaves/],
    ['both', { SecurityVersion: 4, TDX }, /gives TDX, which only a full update can change/],
    ['both', { SecurityVersion: 4, AzureVTPM: {} }, /gives AzureVTPM/],
    ['both', { SecurityVersion: 2 }, /can only be raised/],
    ['both', { TDX }, /gives TDX/],
  ] as const) {
    const { status, text } = await update(name, entry)
    assert.notEqual(status, 200, text)
    assert.match(text, reason)
  }
  for (const name of ['sgx', 'both']) {
    const { status, text } = await update(name, { SecurityVersion: 4, TDX: null })
    assert.equal(status, 200, text)
    assert.match((await update(name, { SecurityVersion: 3 })).text, /from SecurityVersion 4 down to 3/)
  }
})
