import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { get, TestCoordinator, type RestAnswer } from './support/coordinator.ts'
import { buildCertificate } from './support/x509-builder.ts'

function makeUser(): { cert: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const validity = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2120-01-01T00:00:00Z') }
  const fields = { ...validity, issuer: 'updater', subject: 'updater', publicKey, extensions: [] }
  const der = buildCertificate(fields, privateKey, 'ecdsa-sha384')
  const base64 = Buffer.from(der).toString('base64')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

const user = makeUser()
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
