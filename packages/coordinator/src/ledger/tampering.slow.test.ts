import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { loadManifest } from '../manifest/index.ts'
import { simulationSealing } from '../sealing/providers/simulation.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import { encodeChanges, stateToChanges } from '../state/codec.ts'
import { type LedgerBackend, StorageDamaged, type StoredEntry } from './backend.ts'
import { SqliteBackend } from './backends/sqlite.ts'
import { SealDirectory } from './directory.ts'
import { chainStart, sealEntry } from './entry.ts'
import { Epoch, newMacKey } from './epoch.ts'
import { epochBatch } from './epochs.ts'
import { nodeFiles } from './files.ts'
import { makeHead } from './head.ts'
import type { Ledger } from './ledger.ts'
import { verifyDirectory } from './load.ts'
import {
  activate,
  activation,
  copyFolder,
  dek,
  filesIn,
  forgetDigest,
  marble,
  onlyBinding,
  open,
  recovery,
  setManifest,
  temporaryFolder,
  untilBound,
  updateManifest,
  writeSecret,
} from './test-ledger.ts'

/** A seal directory as it is when the process is killed: the write-ahead log is still there. */
async function killedDirectory(t: TestContext, act: (ledger: Ledger) => Promise<void>): Promise<string> {
  const folder = temporaryFolder(t)
  const { ledger } = await open(folder, { delays: onlyBinding })
  await setManifest(ledger)
  await act(ledger)
  await untilBound(folder, ledger.entries(0, 1000).length)
  const copy = temporaryFolder(t)
  copyFolder(folder, copy)
  await ledger.close()
  return copy
}

/** A seal directory after a start, `act` and an orderly end. */
async function closedDirectory(t: TestContext, act: (ledger: Ledger) => Promise<void>): Promise<string> {
  const folder = temporaryFolder(t)
  const { ledger } = await open(folder)
  await setManifest(ledger)
  await act(ledger)
  await ledger.close()
  return folder
}

const someWork = async (ledger: Ledger): Promise<void> => {
  await writeSecret(ledger, 'token', Buffer.from('s3cret'))
  await activate(ledger)
  await activate(ledger)
}

/** What a start finds: the reason why it does not take the state, or undefined and what the state is. */
async function examine(folder: string): Promise<{ refused: string } | { state: string }> {
  const directory = new SealDirectory(folder, nodeFiles)
  try {
    const { replayed } = await verifyDirectory({
      directory,
      sealing: simulationSealing,
      prepareManifest: loadManifest,
    })
    return {
      state: encodeChanges(stateToChanges(replayed.state)).toString('hex') + String(replayed.head.sequence),
    }
  } catch (error) {
    assert.ok(error instanceof StorageDamaged, String(error))
    return { refused: error.message }
  }
}

/** State 1 with a reason that matches, and not a byte changed by the start or its end. */
async function assertRefused(folder: string, reason: RegExp): Promise<void> {
  const before = filesIn(folder)
  const { ledger, sealed } = await open(folder)
  assert.match(ledger.recoveryReason ?? 'the state was taken', reason)
  assert.equal(ledger.state.manifest, undefined)
  assert.ok(sealed)
  assert.deepEqual(filesIn(folder), before)
  await ledger.close()
  assert.deepEqual(filesIn(folder), before)
}

/** Changes the SQLite file as a host can. */
function alter(folder: string, sql: string, ...parameters: (Uint8Array | number)[]): void {
  const database = new DatabaseSync(path.join(folder, 'ledger.db'))
  if (parameters.length === 0) database.exec(sql)
  else database.prepare(sql).run(...parameters)
  database.close()
}

/**
 * Every how manieth byte of SQLite's files is flipped; all of them take some minutes (set TAW_EVERY_BYTE=1). Of the
 * sealed key and of the fields of records it is every one.
 */
const stride = process.env['TAW_EVERY_BYTE'] === '1' ? 1 : 97

for (const [what, make] of Object.entries({ killed: killedDirectory, closed: closedDirectory })) {
  test(`a byte altered anywhere in the files of a ${what} ledger is refused`, async (t) => {
    const folder = await make(t, someWork)
    const expected = await examine(folder)
    assert.ok('state' in expected)
    for (const name of ['ledger.db', 'ledger.db-wal', 'sealed_key']) {
      const file = path.join(folder, name)
      if (!existsSync(file)) continue
      const bytes = readFileSync(file)
      let count = 0
      for (
        let offset = 0;
        offset < bytes.length;
        offset += name !== 'sealed_key' ? stride : what === 'closed' ? 1 : Math.ceil(stride / 9)
      ) {
        const flipped = Buffer.from(bytes)
        flipped[offset] = (flipped[offset] ?? 0) ^ (1 << ((offset * 5) % 8))
        writeFileSync(file, flipped)
        assert.ok('refused' in (await examine(folder)), `${name}, byte ${offset}`)
        count++
      }
      writeFileSync(file, bytes)
      t.diagnostic(`${count} of ${bytes.length} bytes of ${name}`)
    }
    assert.deepEqual(await examine(folder), expected)
  })

  test(`a file of a ${what} ledger that is cut is refused`, async (t) => {
    const folder = await make(t, someWork)
    const expected = await examine(folder)
    assert.ok('state' in expected)
    for (const name of ['ledger.db', 'ledger.db-wal', 'sealed_key']) {
      const file = path.join(folder, name)
      if (!existsSync(file)) continue
      const bytes = readFileSync(file)
      for (const length of [
        0,
        1,
        100,
        511,
        512,
        1000,
        4096,
        bytes.length - 4096,
        bytes.length - 512,
        bytes.length - 1,
      ]) {
        if (length < 0 || length >= bytes.length) continue
        writeFileSync(file, bytes.subarray(0, length))
        assert.ok('refused' in (await examine(folder)), `${name} cut to ${length} of ${bytes.length}`)
      }
      writeFileSync(file, bytes)
    }
  })
}

/** What identifies a row, and its fields. */
const fields: Record<string, { readonly key: string; readonly columns: readonly string[] }> = {
  entries: { key: 'sequence', columns: ['epoch', 'public', 'sealed_digest', 'hash', 'mac'] },
  sealed: { key: 'sequence', columns: ['bytes'] },
  head: {
    key: 'id',
    columns: ['ledger_id', 'epoch', 'sequence', 'hash', 'confirmed', 'anchored', 'tag', 'mac'],
  },
  snapshot: {
    key: 'id',
    columns: ['epoch', 'sequence', 'hash', 'seal_mode', 'recovery', 'sealed', 'mac'],
  },
}

/** Other values of a field, each of which differs in one byte, or in its length. */
function* alterations(value: SQLOutputValue | undefined): Generator<Uint8Array | number | string> {
  if (typeof value === 'number')
    yield* [value + 1, value + 256, Math.max(0, value - 1)].filter((n) => n !== value)
  if (typeof value === 'string') yield `${value} `
  if (!(value instanceof Uint8Array)) return
  for (let at = 0; at < value.length; at++) {
    yield value.with(at, (value[at] ?? 0) ^ (1 << (at % 8)))
  }
  if (value.length > 0) yield value.subarray(1)
  yield Buffer.concat([value, Buffer.of(0)])
}

test('any other value in any field of any record is refused', async (t) => {
  const folder = await forgetDigest(await killedDirectory(t, someWork))
  // So that what is altered is altered in the file, as it is read.
  alter(folder, 'PRAGMA wal_checkpoint(TRUNCATE)')
  const expected = await examine(folder)
  assert.ok('state' in expected)
  const database = new DatabaseSync(path.join(folder, 'ledger.db'))
  database.exec('PRAGMA synchronous = OFF')
  let count = 0
  for (const [table, { key, columns }] of Object.entries(fields)) {
    for (const row of database.prepare(`SELECT * FROM ${table}`).all()) {
      for (const column of columns) {
        const update = database.prepare(
          `UPDATE ${table} SET ${column} = ? WHERE ${key} = ${Number(row[key])}`,
        )
        for (const altered of alterations(row[column])) {
          update.run(altered)
          const where = `${table} ${String(row[key])}, ${column}: ${String(altered)}`
          assert.ok('refused' in (await examine(folder)), where)
          count++
        }
        update.run(row[column] ?? null)
      }
    }
  }
  database.close()
  t.diagnostic(`${count} alterations`)
  assert.deepEqual(await examine(folder), expected)
})

test('a start in state 1 leaves a damaged write-ahead log as it is', async (t) => {
  const folder = await killedDirectory(t, someWork)
  const file = path.join(folder, 'ledger.db-wal')
  const log = readFileSync(file)
  log[100] = (log[100] ?? 0) ^ 0x10
  writeFileSync(file, log)
  await assertRefused(folder, /the ledger was cut/)
  rmSync(file)
  await assertRefused(folder, /has seen entry 4, but the ledger ends at entry 1: the ledger was cut/)
})

test('damage to the structure of the file is found where no record shows it', async (t) => {
  const folder = await forgetDigest(await closedDirectory(t, someWork))
  const file = path.join(folder, 'ledger.db')
  const bytes = readFileSync(file)
  // sqlite.org/fileformat.html, "The Database Header": the number of free pages.
  bytes.writeUInt32BE(bytes.readUInt32BE(36) + 1, 36)
  writeFileSync(file, bytes)
  await assertRefused(folder, /the file is damaged: .*[Ff]reelist/)
})

test('entries that are removed, swapped, changed or added are refused', async (t) => {
  const folder = await forgetDigest(await closedDirectory(t, someWork))
  const attacks: [string, RegExp][] = [
    ['DELETE FROM entries WHERE sequence = 4', /entry 4 is missing: the ledger was cut/],
    ['DELETE FROM entries WHERE sequence = 2', /entry 2 is missing/],
    [
      'UPDATE entries SET sequence = -3 WHERE sequence = 3; UPDATE entries SET sequence = 3 WHERE sequence = 4; ' +
        'UPDATE entries SET sequence = 4 WHERE sequence = -3',
      /hash of entry 3 does not follow/,
    ],
    [
      `UPDATE entries SET public = CAST(replace(CAST(public AS TEXT), 'web', 'job') AS BLOB)`,
      /hash of entry/,
    ],
    ['UPDATE entries SET epoch = 2 WHERE sequence = 3', /hash of entry 3/],
    ['UPDATE entries SET mac = zeroblob(32) WHERE sequence = 3', /entry 3 has a wrong MAC/],
    ['UPDATE entries SET mac = zeroblob(2) WHERE sequence = 3', /entry 3 has a wrong MAC/],
    [
      'INSERT INTO entries SELECT 5, epoch, public, sealed_digest, hash, mac FROM entries WHERE sequence = 4',
      /ends at entry 4, but there is an entry 5/,
    ],
    ['UPDATE head SET sequence = 3', /before its snapshot/],
    ['UPDATE head SET sequence = 5', /end of the ledger has a wrong MAC/],
    ['UPDATE head SET confirmed = 0', /end of the ledger has a wrong MAC/],
    ['UPDATE head SET hash = zeroblob(32)', /end of the ledger has a wrong MAC/],
    ['UPDATE head SET tag = zeroblob(32)', /end of the ledger does not authenticate/],
    ['UPDATE snapshot SET epoch = 7', /snapshot is of epoch 7, but the ledger is in epoch 1/],
    ['DELETE FROM head', /where the ledger ends is missing/],
    ['DELETE FROM snapshot', /snapshot is missing/],
    ['UPDATE snapshot SET seal_mode = "UniqueKey"', /snapshot has a wrong MAC/],
    ['UPDATE snapshot SET seal_mode = "Other"', /unknown seal mode/],
    ["UPDATE snapshot SET recovery = x'7b7d'", /snapshot has a wrong MAC/],
    ['UPDATE snapshot SET sealed = zeroblob(length(sealed))', /snapshot has a wrong MAC/],
    ['UPDATE entries SET sequence = 1099511627776000 WHERE sequence = 4', /entry 4 is missing|another/],
    ['PRAGMA user_version = 9', /format version 9; this build reads versions 1 and 2/],
    ['PRAGMA application_id = 9', /not a ledger/],
  ]
  const copy = temporaryFolder(t)
  for (const [sql, reason] of attacks) {
    copyFolder(folder, copy)
    alter(copy, sql.replaceAll('"', "'"))
    await assertRefused(copy, reason)
  }
})

test('sealed parts that are removed, swapped or changed are refused', async (t) => {
  const folder = await forgetDigest(await killedDirectory(t, someWork))
  const attacks: [string, RegExp][] = [
    ['DELETE FROM sealed WHERE sequence = 3', /entry 3 has no sealed part, though no snapshot covers it/],
    [
      'UPDATE sealed SET bytes = zeroblob(length(bytes)) WHERE sequence = 3',
      /sealed part of entry 3 does not have the/,
    ],
    [
      'UPDATE sealed SET bytes = (SELECT bytes FROM sealed WHERE sequence = 4) WHERE sequence = 3',
      /sealed part of entry 3 does not have the digest/,
    ],
  ]
  const copy = temporaryFolder(t)
  for (const [sql, reason] of attacks) {
    copyFolder(folder, copy)
    alter(copy, sql)
    await assertRefused(copy, reason)
  }
})

test('an older ledger next to a newer sealed key is refused, and the other way round', async (t) => {
  const folder = temporaryFolder(t)
  const [older, newer, mixed] = [temporaryFolder(t), temporaryFolder(t), temporaryFolder(t)]
  const { ledger } = await open(folder, { delays: onlyBinding })
  await setManifest(ledger)
  await activate(ledger)
  await untilBound(folder, 2)
  copyFolder(folder, older)
  await activate(ledger)
  await untilBound(folder, 3)
  copyFolder(folder, newer)
  await ledger.close()

  copyFolder(older, mixed)
  copyFileSync(path.join(newer, 'sealed_key'), path.join(mixed, 'sealed_key'))
  await assertRefused(mixed, /has seen entry 3, but the ledger ends at entry 2/)
  copyFolder(newer, mixed)
  copyFileSync(path.join(older, 'sealed_key'), path.join(mixed, 'sealed_key'))
  await assertRefused(mixed, /has seen entry 2, but the ledger knows that it had seen entry 3/)
  copyFolder(newer, mixed)
  copyFileSync(path.join(older, 'ledger.db-wal'), path.join(mixed, 'ledger.db-wal'))
  await assertRefused(mixed, /has seen entry 3/)
})

test('a sealed key of a former epoch is refused next to the new one, and a new one next to the former', async (t) => {
  const folder = temporaryFolder(t)
  const [older, mixed] = [temporaryFolder(t), temporaryFolder(t)]
  const { ledger } = await open(folder)
  await setManifest(ledger)
  await untilBound(folder, 1)
  copyFolder(folder, older)
  await forgetDigest(older)
  await updateManifest(ledger)
  await ledger.close()
  await forgetDigest(folder)

  copyFolder(folder, mixed)
  copyFileSync(path.join(older, 'sealed_key'), path.join(mixed, 'sealed_key'))
  await assertRefused(mixed, /opens epoch 1, but the ledger is in epoch 2/)
  copyFolder(older, mixed)
  copyFileSync(path.join(folder, 'sealed_key'), path.join(mixed, 'sealed_key'))
  await assertRefused(mixed, /opens epoch 2, but the ledger is in epoch 1/)
})

test('parts of two ledgers do not mix', async (t) => {
  const one = await forgetDigest(await closedDirectory(t, someWork))
  const other = await forgetDigest(await closedDirectory(t, someWork))
  const mixed = temporaryFolder(t)
  copyFolder(one, mixed)
  copyFileSync(path.join(other, 'sealed_key'), path.join(mixed, 'sealed_key'))
  await assertRefused(mixed, /belongs to another ledger/)
  for (const table of ['entries', 'head', 'snapshot']) {
    copyFolder(one, mixed)
    alter(
      mixed,
      `ATTACH '${path.join(other, 'ledger.db')}' AS other; DELETE FROM ${table}; ` +
        `INSERT INTO ${table} SELECT * FROM other.${table}`,
    )
    await assertRefused(mixed, /another|wrong MAC|does not follow/)
  }
})

test('an older snapshot with the entries that followed is refused once their sealed parts are gone', async (t) => {
  const folder = temporaryFolder(t)
  const older = temporaryFolder(t)
  const first = await open(folder)
  await setManifest(first.ledger)
  copyFolder(folder, older)
  await someWork(first.ledger)
  // The end writes a snapshot, since a secret was written.
  await first.ledger.close()
  await forgetDigest(folder)
  alter(
    folder,
    `ATTACH '${path.join(older, 'ledger.db')}' AS older; DELETE FROM snapshot; ` +
      'INSERT INTO snapshot SELECT * FROM older.snapshot',
  )
  await assertRefused(folder, /entry 2 has no sealed part, though no snapshot covers it/)
})

/** Reads and writes a ledger's file as somebody does who has the data encryption key, but not the key of MACs. */
function asForger(folder: string, forge: (backend: LedgerBackend, epoch: Epoch) => void): void {
  const backend = new SqliteBackend(path.join(folder, 'ledger.db'), 'write')
  const [head, snapshot] = [backend.head(), backend.snapshot()]
  assert.ok(head && snapshot)
  const keys = { dek: new SecretBytes(Buffer.from(dek.reveal())), macKey: newMacKey() }
  const { epoch: number, ledgerId } = head
  forge(backend, new Epoch({ number, ledgerId, sealMode: snapshot.sealMode, recovery, keys }))
  void backend.close()
}

test('an entry that was forged with the data encryption key alone is refused', async (t) => {
  const folder = await forgetDigest(await closedDirectory(t, activateOnce))
  asForger(folder, (backend, epoch) => {
    const point = backend.head()
    assert.ok(point)
    const changes = encodeChanges([{ kind: 'activations', marbleType: 'web', count: 0 }])
    const audit = { action: 'marble-activated', actor: marble, package: 'app', activation: 0 } as const
    const entry = sealEntry(epoch, point, { time: new Date(), audit, changes })
    void backend.append(point.sequence, { entries: [entry], head: makeHead(epoch, entry, point) })
  })
  await assertRefused(folder, /wrong MAC: this Coordinator did not write it/)
})

test('a whole ledger that was forged with the data encryption key alone is refused', async (t) => {
  const folder = await closedDirectory(t, activateOnce)
  const { ledger } = await open(folder)
  const { state } = ledger
  await ledger.close()
  const forged = path.join(mkdtempSync(path.join(temporaryFolder(t), 'forged-')), 'ledger.db')
  writeFileSync(forged, '')
  asForger(folder, (_genuine, epoch) => {
    const point = chainStart(epoch.ledgerId)
    const { audit } = activation(state)
    const first = sealEntry(epoch, point, { time: new Date(), audit, changes: new Uint8Array() })
    const backend = new SqliteBackend(forged, 'create')
    void backend.append(0, epochBatch(epoch, first, state, { confirmed: 1, anchored: undefined }))
    void backend.close()
  })
  await forgetDigest(folder)
  copyFileSync(forged, path.join(folder, 'ledger.db'))
  await assertRefused(folder, /wrong MAC: this Coordinator did not write it/)
})

async function activateOnce(ledger: Ledger): Promise<void> {
  await activate(ledger)
}

test('a rollback journal that somebody put there is not played back', async (t) => {
  const folder = await closedDirectory(t, activateOnce)
  writeFileSync(path.join(folder, 'ledger.db-journal'), Buffer.from('d9d505f920a163d7', 'hex'))
  await assertRefused(folder, /ledger\.db-journal, which no Coordinator writes/)
})

test('a sealed key of an unknown version, of another provider or with other bytes is refused', async (t) => {
  const folder = await closedDirectory(t, activateOnce)
  const file = path.join(folder, 'sealed_key')
  const genuine = readFileSync(file)
  const refusals: [Buffer, RegExp][] = [
    [
      Buffer.concat([genuine.subarray(0, 8), Buffer.of(2), genuine.subarray(9)]),
      /version 2; this build reads version 1/,
    ],
    [
      Buffer.from(genuine.toString('latin1').replace('simulation', 'simulatiom'), 'latin1'),
      /provider "simulatiom"/,
    ],
    [Buffer.alloc(32, 1), /no sealed key/],
    [Buffer.alloc(0), /no sealed key/],
    [Buffer.concat([genuine, Buffer.alloc(512)]), /bytes, but must have/],
    [Buffer.alloc(100_000), /may have at most/],
  ]
  for (const [bytes, reason] of refusals) {
    writeFileSync(file, bytes)
    await assertRefused(folder, reason)
  }
  writeFileSync(file, genuine)
  const { ledger } = await open(folder)
  assert.equal(ledger.recoveryReason, undefined)
  await ledger.close()
})

test('what the host changes while the Coordinator runs is not served as an audit record', async (t) => {
  const folder = temporaryFolder(t)
  const tampered: { after?: number } = {}
  const { ledger } = await open(folder, { wrapBackend: (backend) => altering(backend, tampered) })
  await setManifest(ledger)
  await someWork(ledger)
  assert.equal(ledger.entries(0, 10).length, 4)
  tampered.after = 2
  assert.throws(() => ledger.entries(0, 10), { code: 'storage_unavailable', message: /hash of entry 3/ })
  assert.throws(() => ledger.entries(2, 1), { code: 'storage_unavailable' })
  assert.equal(ledger.entries(0, 2).length, 2)
  await ledger.close()
})

test('a record that a stranger made up is not served, though it follows from the one before', async (t) => {
  const forgery: { forge?: (previous: StoredEntry) => StoredEntry } = {}
  const { ledger } = await open(temporaryFolder(t), {
    wrapBackend: (backend) => ({
      ...altering(backend, {}),
      format: 2,
      entries: (after, limit) => {
        const page = backend.entries(after, limit)
        const [previous] = page.slice(-2)
        return forgery.forge === undefined || previous === undefined || page.length < 2
          ? page
          : [...page.slice(0, -1), forgery.forge(previous)]
      },
    }),
  })
  await setManifest(ledger)
  await activate(ledger)
  assert.equal(ledger.entries(0, 10).length, 2)
  const keys = { dek: new SecretBytes(Buffer.alloc(32, 9)), macKey: newMacKey() }
  const ledgerId = Buffer.alloc(16, 9)
  const stranger = new Epoch({ number: 1, ledgerId, sealMode: 'ProductKey', recovery, keys })
  const { audit } = activation(ledger.state)
  forgery.forge = (previous) =>
    sealEntry(stranger, previous, { time: new Date(0), audit, changes: new Uint8Array() })
  assert.throws(() => ledger.entries(0, 10), {
    code: 'storage_unavailable',
    message: /entry 2 has a wrong MAC/,
  })
  await ledger.close()
})

/** Reads through `backend`, with another text in the entry after `tampered.after`. */
function altering(backend: LedgerBackend, tampered: { after?: number }): LedgerBackend {
  return {
    get format() {
      return backend.format
    },
    head: () => backend.head(),
    snapshot: () => backend.snapshot(),
    entries: (after, limit) =>
      backend
        .entries(after, limit)
        .map((entry) =>
          entry.sequence - 1 === tampered.after ? { ...entry, publicPart: Buffer.from('{"v":1}') } : entry,
        ),
    append: (expected, batch) => backend.append(expected, batch),
    dropSealedParts: (upTo, limit) => backend.dropSealedParts(upTo, limit),
    settle: (log) => backend.settle(log),
    close: () => backend.close(),
  }
}
