import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import {
  BackendConflict,
  type Batch,
  type LedgerBackend,
  type StoredEntry,
  type StoredHead,
} from '../backend.ts'
import { temporaryFolder } from '../test-ledger.ts'
import { MemoryBackend } from './memory.ts'
import { SqliteBackend } from './sqlite.ts'

/** One suite for all backends: what {@link LedgerBackend} promises. */
const backends: Record<string, (t: TestContext) => LedgerBackend> = {
  memory: () => new MemoryBackend(),
  sqlite: (t) => {
    const file = path.join(temporaryFolder(t), 'ledger.db')
    writeFileSync(file, '')
    const backend = new SqliteBackend(file, 'create')
    t.after(() => backend.close())
    return backend
  },
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

function entry(sequence: number, sealed = `sealed ${sequence}`): StoredEntry {
  const sealedPart = Buffer.from(sealed)
  return {
    sequence,
    epoch: 1,
    publicPart: Buffer.from(`public ${sequence}`),
    sealedPart,
    sealedDigest: sha256(sealedPart),
    hash: sha256(Buffer.from(`hash ${sequence}`)),
    mac: sha256(Buffer.from(`mac ${sequence}`)),
  }
}

const head = (sequence: number, confirmed = 0, anchored?: bigint): StoredHead => ({
  ledgerId: Buffer.alloc(16, 9),
  epoch: 1,
  sequence,
  hash: sha256(Buffer.from(`hash ${sequence}`)),
  confirmed,
  anchored,
  tag: Buffer.alloc(32, 4),
  mac: Buffer.alloc(32, 3),
})

const batch = (first: number, last: number): Batch => ({
  entries: Array.from({ length: last - first + 1 }, (_, index) => entry(first + index)),
  head: head(last),
})

/** A clone has only `Uint8Array`s, so that kinds of buffers don't count. */
const plain = (value: unknown): unknown => structuredClone(value)

for (const [name, create] of Object.entries(backends)) {
  test(`${name}: is empty at first`, (t) => {
    const backend = create(t)
    assert.equal(backend.head(), undefined)
    assert.equal(backend.snapshot(), undefined)
    assert.deepEqual(backend.entries(0, 10), [])
  })

  test(`${name}: keeps entries in order, and reads them in pages`, async (t) => {
    const backend = create(t)
    await backend.append(0, batch(1, 3))
    await backend.append(3, batch(4, 4))
    assert.deepEqual(plain(backend.entries(0, 10)), plain([entry(1), entry(2), entry(3), entry(4)]))
    assert.deepEqual(plain(backend.entries(1, 2)), plain([entry(2), entry(3)]))
    assert.deepEqual(backend.entries(4, 2), [])
    assert.deepEqual(plain(backend.head()), plain(head(4)))
  })

  test(`${name}: appends only where the caller expects the end`, async (t) => {
    const backend = create(t)
    await backend.append(0, batch(1, 2))
    await assert.rejects(backend.append(1, batch(2, 2)), BackendConflict)
    await assert.rejects(backend.append(0, batch(1, 1)), BackendConflict)
    await assert.rejects(backend.append(3, batch(4, 4)), BackendConflict)
    assert.deepEqual(plain(backend.entries(0, 10)), plain([entry(1), entry(2)]))
    assert.deepEqual(plain(backend.head()), plain(head(2)))
    await backend.append(2, batch(3, 3))
    assert.equal(backend.entries(0, 10).length, 3)
  })

  test(`${name}: replaces head and snapshot`, async (t) => {
    const backend = create(t)
    await backend.append(0, batch(1, 2))
    const snapshot = {
      epoch: 1,
      sequence: 2,
      hash: sha256(Buffer.from('hash 2')),
      sealMode: 'ProductKey',
      recovery: Buffer.from('{}'),
      sealed: randomBytes(10_000),
      mac: Buffer.alloc(32, 5),
    } as const
    await backend.append(2, { entries: [], head: head(2, 2), snapshot })
    assert.deepEqual(plain(backend.head()), plain(head(2, 2)))
    assert.deepEqual(plain(backend.snapshot()), plain(snapshot))
    const second = {
      ...snapshot,
      sealMode: 'UniqueKey',
      sealed: randomBytes(10),
      recovery: new Uint8Array(),
    } as const
    await backend.append(2, { entries: [], head: head(2, 2), snapshot: second })
    assert.deepEqual(plain(backend.snapshot()), plain(second))
  })

  test(`${name}: drops sealed parts of the oldest entries, and nothing else of them`, async (t) => {
    const backend = create(t)
    await backend.append(0, batch(1, 7))
    assert.equal(await backend.dropSealedParts(5, 3), 3)
    assert.equal(await backend.dropSealedParts(5, 3), 2)
    assert.equal(await backend.dropSealedParts(5, 3), 0)
    const without = (sequence: number): StoredEntry => ({ ...entry(sequence), sealedPart: undefined })
    const expected = [...[1, 2, 3, 4, 5].map(without), entry(6), entry(7)]
    assert.deepEqual(plain(backend.entries(0, 10)), plain(expected))
  })

  test(`${name}: an empty sealed part stays empty`, async (t) => {
    const backend = create(t)
    await backend.append(0, { entries: [entry(1, '')], head: head(1) })
    assert.equal(backend.entries(0, 1)[0]?.sealedPart?.length, 0)
    await backend.dropSealedParts(1, 10)
    assert.equal(backend.entries(0, 1)[0]?.sealedPart?.length, 0)
  })

  test(`${name}: replaces the MACs of entries from the first one`, async (t) => {
    const backend = create(t)
    await backend.append(0, batch(1, 3))
    const macs = [Buffer.alloc(32, 21), Buffer.alloc(32, 22), Buffer.alloc(32, 23)]
    await backend.append(3, { ...batch(4, 4), macs })
    assert.deepEqual(
      backend.entries(0, 10).map(({ mac }) => mac[0]),
      [21, 22, 23, entry(4).mac[0]],
    )
  })
}

test('sqlite: what was dropped or replaced is in no file any more', async (t) => {
  const file = path.join(temporaryFolder(t), 'ledger.db')
  writeFileSync(file, '')
  const backend = new SqliteBackend(file, 'create')
  const secrets = ['first secret part', 'second secret part', 'former snapshot']
  await backend.append(0, { entries: [entry(1, secrets[0]), entry(2, secrets[1])], head: head(2) })
  const snapshot = { epoch: 1, sequence: 2, hash: head(2).hash, recovery: new Uint8Array(), mac: head(2).mac }
  const withSnapshot = (sealed: Uint8Array): Batch => ({
    entries: [],
    head: head(2),
    snapshot: { ...snapshot, sealMode: 'ProductKey', sealed },
  })
  await backend.append(2, withSnapshot(Buffer.from((secrets[2] ?? '').repeat(1000))))
  await backend.settle('empty')
  for (const secret of secrets) assert.ok(readFileSync(file).includes(secret), secret)

  await backend.append(2, withSnapshot(Buffer.from('new')))
  await backend.dropSealedParts(2, 10)
  await backend.settle('empty')
  for (const name of [file, `${file}-wal`]) {
    for (const secret of secrets) assert.ok(!readFileSync(name).includes(secret), `${name}: ${secret}`)
  }
  await backend.close()
})

test('sqlite: a write that fails leaves nothing, and the next one works', async (t) => {
  const file = path.join(temporaryFolder(t), 'ledger.db')
  writeFileSync(file, '')
  const backend = new SqliteBackend(file, 'create')
  await backend.append(0, batch(1, 2))
  // The second of the new entries is there already: the constraint fails in the middle of the transaction.
  const failing = { entries: [entry(3), entry(2)], head: head(4) }
  await assert.rejects(backend.append(2, failing), { name: 'StorageUnavailable' })
  assert.equal(backend.entries(0, 10).length, 2)
  assert.equal(backend.head()?.sequence, 2)
  await backend.append(2, batch(3, 3))
  assert.equal(backend.head()?.sequence, 3)
  await backend.close()
})

test('sqlite: files of others and of other versions are refused', async (t) => {
  const file = path.join(temporaryFolder(t), 'ledger.db')
  writeFileSync(file, '')
  assert.throws(() => new SqliteBackend(file, 'write'), { name: 'StorageDamaged', message: /not a ledger/ })
  const { DatabaseSync } = await import('node:sqlite')
  await new SqliteBackend(file, 'create').close()
  const database = new DatabaseSync(file)
  database.exec('PRAGMA user_version = 3')
  assert.throws(() => new SqliteBackend(file, 'read'), {
    message: /format version 3; this build reads versions 1 and 2/,
  })
  database.exec('PRAGMA user_version = 2; CREATE TRIGGER evil AFTER INSERT ON entries BEGIN SELECT 1; END')
  assert.throws(() => new SqliteBackend(file, 'read'), { message: /tables are not those of a ledger/ })
  database.close()
})
