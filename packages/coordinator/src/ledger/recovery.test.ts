import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { Refusal } from '../refusal.ts'
import { noSealing } from '../sealing/providers/none.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import type { State } from '../state/state.ts'
import { StorageUnavailable, type StoredEntry, type StoredHead } from './backend.ts'
import { SqliteBackend } from './backends/sqlite.ts'
import { type ChainPoint, sealEntry } from './entry.ts'
import { Epoch, newMacKey } from './epoch.ts'
import { type LedgerFiles, nodeFiles } from './files.ts'
import { makeHead } from './head.ts'
import type { Decision } from './ledger.ts'
import {
  activate,
  activateUnlimited,
  contentsOf,
  copyFolder,
  dek,
  filesIn,
  marble,
  onlyBinding,
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

/** A ledger without its key, whose newest entries change no state, and a copy of it as it was two entries before. */
async function lostKeyWithTail(t: TestContext): Promise<{ folder: string; older: string }> {
  const [folder, older] = [temporaryFolder(t), temporaryFolder(t)]
  const { ledger } = await open(folder, { delays: onlyBinding })
  await setManifest(ledger)
  await activate(ledger)
  await activateUnlimited(ledger)
  copyFolder(folder, older)
  await activateUnlimited(ledger)
  await activateUnlimited(ledger)
  await ledger.close()
  for (const each of [folder, older]) rmSync(path.join(each, 'sealed_key'))
  return { folder, older }
}

/** Changes a ledger as somebody does who can write the disk and knows how all of it is made, but has no key. */
function asStranger(
  folder: string,
  forge: (forger: { backend: SqliteBackend; epoch: Epoch; head: StoredHead; entries: StoredEntry[] }) => {
    remove?: number
    entries?: StoredEntry[]
    head?: StoredHead
  },
): void {
  const file = path.join(folder, 'ledger.db')
  const backend = new SqliteBackend(file, 'write')
  const [head, snapshot] = [backend.head(), backend.snapshot()]
  assert.ok(head && snapshot)
  const keys = { dek: new SecretBytes(Buffer.alloc(32, 99)), macKey: newMacKey() }
  const { epoch: number, ledgerId } = head
  const epoch = new Epoch({ number, ledgerId, sealMode: snapshot.sealMode, recovery, keys })
  const forged = forge({ backend, epoch, head, entries: [...backend.entries(0, 100)] })
  void backend.close()
  const database = new DatabaseSync(file)
  const from = forged.remove ?? head.sequence + 1
  database.exec(`DELETE FROM entries WHERE sequence >= ${from}; DELETE FROM sealed WHERE sequence >= ${from}`)
  // So that the head can be one that is further on, or back.
  database.exec(`UPDATE head SET sequence = ${from - 1}`)
  database.close()
  const again = new SqliteBackend(file, 'write')
  void again.append(from - 1, { entries: forged.entries ?? [], head: forged.head ?? head })
  void again.close()
}

const audit = { action: 'marble-activated', actor: marble, package: 'app', activation: null } as const
const forgedEntry = (epoch: Epoch, point: ChainPoint): StoredEntry =>
  sealEntry(epoch, point, { time: new Date(0), audit, changes: new Uint8Array() })

/** Of the head that is there, or of one in another place. */
const headAt = (head: StoredHead, { sequence, hash }: ChainPoint): StoredHead => ({ ...head, sequence, hash })

const strangersForgeries: Record<string, readonly [Parameters<typeof asStranger>[1], RegExp]> = {
  'an entry is added, and the head says so': [
    ({ epoch, head }) => {
      const entry = forgedEntry(epoch, head)
      return { entries: [entry], head: headAt(head, entry) }
    },
    /the end of the ledger does not authenticate/,
  ],
  'an entry is added, and the head is made with another key': [
    ({ epoch, head }) => {
      const entry = forgedEntry(epoch, head)
      return { entries: [entry], head: makeHead(epoch, entry, head) }
    },
    /the end of the ledger does not authenticate/,
  ],
  'the newest entry is replaced, and the head says so': [
    ({ epoch, head, entries }) => {
      const entry = forgedEntry(epoch, entries.at(-2) ?? assert.fail())
      return { remove: head.sequence, entries: [entry], head: headAt(head, entry) }
    },
    /the end of the ledger does not authenticate/,
  ],
  'the newest entry is replaced, and the head stays': [
    ({ epoch, head, entries }) => ({
      remove: head.sequence,
      entries: [forgedEntry(epoch, entries.at(-2) ?? assert.fail())],
    }),
    /the ledger ends with another entry 5 than the one that is there/,
  ],
  'an entry before the newest is replaced, and the newest one follows from it': [
    ({ epoch, head, entries }) => {
      const first = forgedEntry(epoch, entries.at(-3) ?? assert.fail())
      const second = forgedEntry(epoch, first)
      return { remove: head.sequence - 1, entries: [first, second] }
    },
    /the ledger ends with another entry 5 than the one that is there/,
  ],
  'the ledger is cut where it never ended': [
    ({ head, entries }) => ({ remove: head.sequence, head: headAt(head, entries.at(-2) ?? assert.fail()) }),
    /the end of the ledger does not authenticate: it was never entry 4 with this key/,
  ],
  'the head says another thing': [
    ({ head }) => ({ head: { ...head, anchored: 7n } }),
    /the end of the ledger does not authenticate/,
  ],
}

for (const [name, [forge, message]] of Object.entries(strangersForgeries)) {
  test(`without the data encryption key nothing can be forged before a recovery: ${name}`, async (t) => {
    const { folder } = await lostKeyWithTail(t)
    asStranger(folder, forge)
    await assertNothingRecovered(folder, key(), { code: 'recovery_invalid', message })
  })
}

test('entries that a snapshot covers can’t be replaced before a recovery either', async (t) => {
  const { folder } = await lostKey(t)
  asStranger(folder, ({ epoch, entries, head }) => {
    const replaced = forgedEntry(epoch, entries[0] ?? assert.fail())
    const follows = forgedEntry(epoch, replaced)
    return { remove: 2, entries: [replaced, follows, forgedEntry(epoch, follows)], head }
  })
  await assertNothingRecovered(folder, key(), {
    code: 'recovery_invalid',
    message: /the snapshot was made after another/,
  })
})

test('what stays possible before a recovery is to put back a ledger as it once was', async (t) => {
  const { older } = await lostKeyWithTail(t)
  const { ledger, sealed } = await open(older)
  await sealed?.recover(key(), decide)
  assert.equal(ledger.entries(0, 10).length, 4)
  await ledger.close()
})

test('a recovery that can’t remove the former sealed key is done all the same', async (t) => {
  const { folder } = await lostKey(t)
  writeFileSync(path.join(folder, 'sealed_key'), 'not a key')
  const failing: LedgerFiles = {
    ...nodeFiles,
    remove: (file) => {
      if (file.endsWith('sealed_key.former')) throw new StorageUnavailable('disk I/O error')
      nodeFiles.remove(file)
    },
  }
  const { ledger, sealed } = await open(folder, { files: failing })
  await sealed?.recover(key(), decide)
  assert.equal(await activate(ledger), 3)
  await ledger.close()
  const again = await open(folder)
  assert.equal(again.ledger.recoveryReason, undefined)
  await again.ledger.close()
  assert.ok(!readdirSync(folder).includes('sealed_key.former'))
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
