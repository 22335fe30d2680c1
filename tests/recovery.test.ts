import assert from 'node:assert/strict'
import { constants, publicEncrypt } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { get, TestCoordinator } from './support/coordinator.ts'
import { decryptShares, makeParty, type Party, signShare as signed } from './support/recovery-parties.ts'

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** Sets a manifest for these parties; gives each party's decrypted secret. */
async function setManifest(
  { clientPort }: TestCoordinator,
  parties: readonly Party[],
  threshold: number,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const manifest = {
    Packages: { app: { SignerID: 'a1'.repeat(32), ProductID: 1, SecurityVersion: 1 } },
    Marbles: { web: { Package: 'app' } },
    RecoveryKeys: Object.fromEntries(parties.map(({ name, publicPem }) => [name, publicPem])),
    Config: { RecoveryThreshold: threshold },
  }
  const body = JSON.stringify({ manifest: base64(Buffer.from(JSON.stringify(manifest))) })
  const { status, text } = await get(clientPort, '/api/v2/manifest', { method: 'POST', body })
  assert.equal(status, 200, text)
  const { data } = JSON.parse(text) as { data: { RecoverySecrets: Record<string, string> } }
  return decryptShares(parties, data.RecoverySecrets)
}

/** Loses the sealed key, as a move to another machine does. */
async function loseKey(coordinator: TestCoordinator): Promise<void> {
  await coordinator.stop()
  rmSync(path.join(coordinator.sealDirectory, 'sealed_key'))
  await coordinator.restart()
  assert.equal(await stateOf(coordinator), 1)
}

async function stateOf({ clientPort }: TestCoordinator): Promise<number> {
  const { text } = await get(clientPort, '/api/v2/status')
  return (JSON.parse(text) as { data: { code: number } }).data.code
}

/** Uploads a secret with a signature; gives what remains, or the HTTP status of a refusal. */
async function upload(
  { clientPort }: TestCoordinator,
  secret: Uint8Array,
  signature: Uint8Array,
): Promise<{ remaining: number } | { refused: number }> {
  const body = JSON.stringify({ recoverySecret: base64(secret), recoverySecretSignature: base64(signature) })
  const { status, text } = await get(clientPort, '/api/v2/recover', { method: 'POST', body })
  if (status !== 200) return { refused: status }
  return { remaining: (JSON.parse(text) as { data: { remaining: number } }).data.remaining }
}

async function rootOf({ clientPort }: TestCoordinator): Promise<string> {
  return (await get(clientPort, '/api/v2/quote')).text
}

function shareOf(secrets: ReadonlyMap<string, Uint8Array>, { name }: Party): Uint8Array {
  const share = secrets.get(name)
  assert.ok(share, `"${name}" got a recovery secret`)
  return share
}

test('two of two: a bad signature is refused alone, and disturbs nothing', async () => {
  const a = makeParty('a')
  const b = makeParty('b')
  await using coordinator = await TestCoordinator.start()
  const secrets = await setManifest(coordinator, [a, b], 0)
  const root = await rootOf(coordinator)
  await loseKey(coordinator)
  assert.notEqual(await rootOf(coordinator), root)

  const first = shareOf(secrets, a)
  const second = shareOf(secrets, b)
  assert.deepEqual(await upload(coordinator, first, signed(first, b)), { refused: 500 })
  assert.deepEqual(await upload(coordinator, first, new Uint8Array()), { refused: 500 })
  assert.deepEqual(await upload(coordinator, first, signed(first, a)), { remaining: 1 })
  assert.deepEqual(await upload(coordinator, first, signed(first, a)), { refused: 500 })
  assert.deepEqual(await upload(coordinator, second, signed(first, b)), { refused: 500 })
  const wrong = Uint8Array.from(second, (octet, index) => (index === 0 ? octet ^ 1 : octet))
  assert.deepEqual(await upload(coordinator, wrong, signed(wrong, b)), { refused: 500 })
  assert.equal(await stateOf(coordinator), 1)
  assert.deepEqual(await upload(coordinator, second, signed(second, b)), { remaining: 0 })
  assert.equal(await stateOf(coordinator), 3)
  assert.equal(await rootOf(coordinator), root)

  await coordinator.restart()
  assert.equal(await stateOf(coordinator), 3)
  assert.equal(await rootOf(coordinator), root)
})

test('three of five, some encrypted to the ephemeral key', async () => {
  const parties = ['a', 'b', 'c', 'd', 'e'].map(makeParty)
  await using coordinator = await TestCoordinator.start()
  const secrets = await setManifest(coordinator, parties, 3)
  const root = await rootOf(coordinator)
  await loseKey(coordinator)

  const answer = await get(coordinator.clientPort, '/api/v2/recover/public-key')
  const { data } = JSON.parse(answer.text) as { data: { ephemeralPublicKey: string } }
  const key = {
    key: Buffer.from(data.ephemeralPublicKey, 'base64'),
    format: 'der',
    type: 'spki',
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: 'sha256',
  } as const
  const remaining = [4, 3, 0]
  for (const [index, party] of [parties[4], parties[1], parties[2]].entries()) {
    assert.ok(party)
    const share = shareOf(secrets, party)
    const sent = index === 1 ? publicEncrypt(key, share) : share
    assert.deepEqual(await upload(coordinator, sent, signed(share, party)), { remaining: remaining[index] })
  }
  assert.equal(await stateOf(coordinator), 3)
  assert.equal(await rootOf(coordinator), root)
})

test('a new manifest in state 1 keeps the sealed state aside', async () => {
  const a = makeParty('a')
  await using coordinator = await TestCoordinator.start()
  await setManifest(coordinator, [a], 0)
  await loseKey(coordinator)
  await setManifest(coordinator, [a], 0)
  assert.equal(await stateOf(coordinator), 3)
  const kept = readdirSync(coordinator.sealDirectory).filter((name) => name.startsWith('replaced-'))
  assert.equal(kept.length, 1)
  assert.ok(existsSync(path.join(coordinator.sealDirectory, kept[0] ?? '', 'ledger.db')))
})
