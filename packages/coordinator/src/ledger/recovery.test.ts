import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { Refusal } from '../refusal.ts'
import { noSealing } from '../sealing/providers/none.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import type { State } from '../state/state.ts'
import type { Decision } from './ledger.ts'
import {
  activate,
  contentsOf,
  copyFolder,
  dek,
  filesIn,
  open,
  recovery,
  setManifest,
  temporaryFolder,
  updateManifest,
  writeSecret,
} from './test-ledger.ts'

const key = (): SecretBytes => new SecretBytes(Buffer.from(dek.reveal()))

/** What the recovery operation would do once all shares are there. */
const decide = (state: State): Decision<string> => ({
  changes: [],
  audit: {
    action: 'manifest-set',
    actor: { kind: 'anonymous' },
    fingerprint: state.manifest?.fingerprint ?? '',
  },
  result: 'recovered',
})

async function lostKey(t: TestContext): Promise<{ folder: string; activations: number }> {
  const folder = temporaryFolder(t)
  const { ledger } = await open(folder)
  await setManifest(ledger)
  await writeSecret(ledger, 'token', Buffer.from('s3cret'))
  await activate(ledger)
  await activate(ledger)
  await ledger.close()
  rmSync(path.join(folder, 'sealed_key'))
  return { folder, activations: 2 }
}

test('the recovered key brings the state back, and the next start needs no recovery', async (t) => {
  const { folder } = await lostKey(t)
  const first = await open(folder)
  assert.ok(first.sealed)
  assert.deepEqual(Buffer.from(first.sealed.readRecovery()), recovery)
  assert.equal(await first.sealed.recover(key(), decide), 'recovered')
  assert.equal(first.ledger.recoveryReason, undefined)
  assert.equal(
    Buffer.from(first.ledger.state.secrets.get('token')?.private.reveal() ?? []).toString(),
    's3cret',
  )
  assert.deepEqual(
    first.ledger.entries(0, 10).map(({ audit }) => audit.action),
    ['manifest-set', 'secrets-written', 'marble-activated', 'marble-activated', 'manifest-set'],
  )
  assert.equal(await activate(first.ledger), 3)
  const before = contentsOf(first.ledger)
  await first.ledger.close()
  assert.ok(!readdirSync(folder).some((name) => name.includes('former')), readdirSync(folder).join())

  const second = await open(folder)
  assert.equal(second.ledger.recoveryReason, undefined)
  assert.equal(contentsOf(second.ledger), before)
  await second.ledger.close()
})

test('the same key recovers again, after an update in which recovery stayed as it was', async (t) => {
  const { folder } = await lostKey(t)
  for (let round = 0; round < 2; round++) {
    const { ledger, sealed } = await open(folder)
    await sealed?.recover(key(), decide)
    await activate(ledger)
    await ledger.close()
    rmSync(path.join(folder, 'sealed_key'))
  }
  const { ledger, sealed } = await open(folder)
  assert.equal(await sealed?.recover(key(), decide), 'recovered')
  assert.equal(ledger.state.activations.get('web'), 4)
  await ledger.close()
})

test('a key of before an update with new recovery keys does not recover', async (t) => {
  const folder = temporaryFolder(t)
  const { ledger } = await open(folder)
  await setManifest(ledger)
  await updateManifest(ledger)
  await ledger.close()
  rmSync(path.join(folder, 'sealed_key'))
  await assertNothingRecovered(folder, key(), { code: 'recovery_invalid', message: /does not authenticate/ })
})

async function assertNothingRecovered(
  folder: string,
  tried: SecretBytes,
  refusal: object,
  by = decide,
): Promise<void> {
  const before = filesIn(folder)
  const { ledger, sealed } = await open(folder)
  assert.ok(sealed)
  await assert.rejects(sealed.recover(tried, by), refusal)
  assert.notEqual(ledger.recoveryReason, undefined)
  assert.equal(ledger.state.manifest, undefined)
  assert.deepEqual(filesIn(folder), before)
  await ledger.close()
  assert.deepEqual(filesIn(folder), before)
}

test('a wrong key, or a decision against it, changes nothing', async (t) => {
  const { folder } = await lostKey(t)
  const wrong = new SecretBytes(Buffer.alloc(32, 9))
  await assertNothingRecovered(folder, wrong, { code: 'recovery_invalid', message: /does not authenticate/ })
  let seen: State | undefined
  const refuse = (state: State): never => {
    seen = state
    throw new Refusal('recovery_invalid', 'the signature is not by a recovery key of the manifest')
  }
  await assertNothingRecovered(folder, key(), { message: /the signature is not/ }, refuse)
  assert.equal(seen?.activations.get('web'), 2)
})

test('what was altered while sealed is not recovered', async (t) => {
  const { folder } = await lostKey(t)
  const attacks: [string, RegExp][] = [
    ["UPDATE snapshot SET recovery = x'7b7d'", /snapshot does not authenticate/],
    ["UPDATE snapshot SET seal_mode = 'UniqueKey'", /snapshot does not authenticate/],
    ['UPDATE snapshot SET sealed = zeroblob(length(sealed))', /snapshot/],
    ['UPDATE entries SET epoch = 7 WHERE sequence = 2', /hash of entry 2/],
    ['DELETE FROM entries WHERE sequence = 3', /entry 3 is missing/],
    ['DELETE FROM snapshot', /snapshot is missing/],
  ]
  const copy = temporaryFolder(t)
  for (const [sql, message] of attacks) {
    copyFolder(folder, copy)
    const database = new DatabaseSync(path.join(copy, 'ledger.db'))
    database.exec(sql)
    database.close()
    await assertNothingRecovered(copy, key(), { code: 'recovery_invalid', message })
  }
})

test('a file that is no ledger has nothing to recover, and does not stop a new manifest', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(path.join(folder, 'ledger.db'), 'something else')
  const { ledger, sealed } = await open(folder)
  assert.match(ledger.recoveryReason ?? '', /sealed_key is missing/)
  assert.throws(() => sealed?.readRecovery(), { code: 'recovery_invalid' })
  await setManifest(ledger)
  await ledger.close()
  const [aside = ''] = readdirSync(folder).filter((name) => name.startsWith('replaced-'))
  assert.equal(readFileSync(path.join(folder, aside, 'ledger.db'), 'utf8'), 'something else')
})

test('without a sealing key each start needs recovery', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder, { sealing: noSealing })
  await setManifest(first.ledger)
  await activate(first.ledger)
  await first.ledger.close()
  for (let start = 0; start < 2; start++) {
    const { ledger, sealed } = await open(folder, { sealing: noSealing })
    assert.match(ledger.recoveryReason ?? '', /no sealing key, so the state needs recovery/)
    await sealed?.recover(key(), decide)
    assert.equal(ledger.state.activations.get('web'), 1)
    await ledger.close()
  }
})

test('a manifest that this build can’t take leads to state 1, with the reason', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder)
  await setManifest(first.ledger)
  await first.ledger.close()
  const before = filesIn(folder)
  const { ledger } = await open(folder, {
    prepareManifest: () => {
      throw new Refusal('manifest_invalid', 'Packages.app: not any more')
    },
  })
  assert.match(ledger.recoveryReason ?? '', /the state can't be used: Packages\.app: not any more/)
  await ledger.close()
  assert.deepEqual(filesIn(folder), before)
})
