import { existsSync, rmSync, statSync } from 'node:fs'
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import type { SealMode } from '../../manifest/model.ts'
import {
  BackendConflict,
  type Batch,
  type LedgerBackend,
  type LedgerFormat,
  type SettledLog,
  StorageDamaged,
  type StoredEntry,
  type StoredHead,
  type StoredSnapshot,
} from '../backend.ts'
import { optionalUint64, sameBytes, sha256 } from '../framing.ts'
import { callSqlite } from './sqlite-errors.ts'
import { checkSchema, createSchema, upgradeSchema } from './sqlite-schema.ts'

const emptyDigest = sha256(new Uint8Array())

/**
 * `create`: the file must be empty. `write`: nobody else can open it. `read`: changes nothing, not even what a crash
 * left behind; the caller makes sure that nobody writes meanwhile.
 */
export type SqliteMode = 'create' | 'write' | 'read'

/**
 * A ledger in one SQLite file and its write-ahead log (docs/format.md, "ledger.db"). A commit costs one `fsync` of
 * the log.
 */
export class SqliteBackend implements LedgerBackend {
  readonly #database: DatabaseSync
  readonly #afterClose: () => void
  #format: LedgerFormat
  #statements: ReadStatements
  /** Prepared when something is written, since an older format is raised first. */
  #writing: WriteStatements | undefined

  /** @throws {@link StorageDamaged}, {@link import('../backend.ts').StorageUnavailable} */
  constructor(file: string, mode: SqliteMode) {
    this.#afterClose = mode === 'read' ? removerOfTraces(file) : () => undefined
    this.#database = callSqlite(`opening "${file}"`, () => openDatabase(file, mode))
    try {
      const { format, statements } = callSqlite(`reading "${file}"`, () => {
        const found = checkSchema(this.#database)
        return { format: found, statements: prepareReading(this.#database, found) }
      })
      this.#format = format
      this.#statements = statements
    } catch (error) {
      this.#database.close()
      this.#afterClose()
      throw error
    }
  }

  get format(): LedgerFormat {
    return this.#format
  }

  head(): StoredHead | undefined {
    return callSqlite('reading the end of the ledger', () => {
      const row = this.#statements.head.get()
      return row === undefined ? undefined : headOf(row)
    })
  }

  snapshot(): StoredSnapshot | undefined {
    return callSqlite('reading the snapshot', () => {
      const row = this.#statements.snapshot.get()
      return row === undefined ? undefined : snapshotOf(row)
    })
  }

  entries(after: number, limit: number): readonly StoredEntry[] {
    return callSqlite('reading entries', () => this.#statements.entries.all(after, limit).map(entryOf))
  }

  /** SQLite's own check of the file's structure. It reads all of it. @throws {@link StorageDamaged} */
  checkStructure(): void {
    const findings = callSqlite('checking the file', () =>
      this.#database.prepare('PRAGMA quick_check(1)').get(),
    )
    const finding = findings?.['quick_check']
    if (finding === 'ok') return
    const said = String(finding).replace('*** in database main ***\n', '')
    throw new StorageDamaged(`the file is damaged: ${said.replaceAll('\n', '; ')}`)
  }

  append(expected: number, batch: Batch): Promise<void> {
    return this.#transaction('writing to the ledger', () => {
      const found = Number(this.#statements.sequence.get()?.['sequence'] ?? 0)
      if (found !== expected) throw new BackendConflict(expected, found)
      this.#insert(batch)
    })
  }

  #insert({ entries, head, snapshot, macs }: Batch): void {
    if (this.#format === 1) this.#upgrade(snapshot !== undefined)
    const writing = (this.#writing ??= prepareWriting(this.#database))
    const { replaceMac, insertEntry, insertSealed, replaceHead, replaceSnapshot } = writing
    let sequence = 0
    for (const mac of macs ?? []) replaceMac.run(mac, ++sequence)
    for (const entry of entries) {
      const { publicPart, sealedPart, sealedDigest, hash, mac } = entry
      insertEntry.run(entry.sequence, entry.epoch, publicPart, sealedDigest, hash, mac)
      if (sealedPart !== undefined && sealedPart.length > 0) insertSealed.run(entry.sequence, sealedPart)
    }
    const end = [head.epoch, head.sequence, head.hash, head.confirmed]
    replaceHead.run(head.ledgerId, ...end, optionalUint64(head.anchored), head.tag, head.mac)
    if (snapshot !== undefined) {
      const { epoch, hash, sealMode, recovery, sealed, mac } = snapshot
      replaceSnapshot.run(epoch, snapshot.sequence, hash, sealMode, recovery, sealed, mac)
    }
  }

  #upgrade(hasSnapshot: boolean): void {
    if (!hasSnapshot) throw new Error('a ledger of format 1 must be given a snapshot of the newest format')
    upgradeSchema(this.#database)
    this.#prepare(2)
  }

  #prepare(format: LedgerFormat): void {
    this.#format = format
    this.#statements = prepareReading(this.#database, format)
    this.#writing = undefined
  }

  async dropSealedParts(upTo: number, limit: number): Promise<number> {
    let count = 0
    await this.#transaction('dropping sealed parts', () => {
      count = Number((this.#writing ??= prepareWriting(this.#database)).dropSealed.run(upTo, limit).changes)
    })
    return count
  }

  settle(log: SettledLog): Promise<void> {
    return promised(() => {
      callSqlite('moving the write-ahead log into the file', () => {
        this.#database.exec(`PRAGMA wal_checkpoint(${log === 'empty' ? 'TRUNCATE' : 'PASSIVE'})`)
      })
    })
  }

  close(): Promise<void> {
    return promised(() => {
      callSqlite('closing the ledger', () => {
        this.#database.close()
      })
      this.#afterClose()
    })
  }

  #transaction(doing: string, write: () => void): Promise<void> {
    return promised(() => {
      const format = this.#format
      callSqlite(doing, () => {
        this.#statements.begin.run()
        try {
          write()
          this.#statements.commit.run()
        } catch (error) {
          // After some errors SQLite has rolled back already.
          if (this.#database.isTransaction) this.#statements.rollback.run()
          if (this.#format !== format) this.#prepare(format)
          throw error
        }
      })
    })
  }
}

const promised = (call: () => void): Promise<void> =>
  new Promise((resolve) => {
    call()
    resolve()
  })

function openDatabase(file: string, mode: SqliteMode): DatabaseSync {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new StorageDamaged(`there is no file "${file}"`)
  }
  const database = new DatabaseSync(file, { readOnly: mode === 'read', timeout: 0 })
  try {
    // The schema is not ours to trust; see checkSchema. Sorting happens in memory, so that nothing leaks elsewhere.
    database.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY')
    if (mode === 'read') return database
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA secure_delete = ON')
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    if (mode === 'create') createSchema(database)
    // Only the store decides when the file itself changes (base-digest.ts).
    else database.exec('PRAGMA wal_autocheckpoint = 0')
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** Reading makes files of SQLite's own (sqlite.org/wal.html, "Read-only databases"); they go again afterwards. */
function removerOfTraces(file: string): () => void {
  const index = `${file}-shm`
  const log = `${file}-wal`
  const hadIndex = existsSync(index)
  const hadLog = existsSync(log)
  return () => {
    if (!hadIndex) rmSync(index, { force: true })
    if (!hadLog && existsSync(log) && statSync(log).size === 0) rmSync(log)
  }
}

type ReadStatements = ReturnType<typeof prepareReading>
type WriteStatements = ReturnType<typeof prepareWriting>

function prepareReading(database: DatabaseSync, format: LedgerFormat) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  const newer = format === 1 ? "x'' AS anchored, x'' AS tag" : 'anchored, tag'
  return {
    begin: prepare('BEGIN IMMEDIATE'),
    commit: prepare('COMMIT'),
    rollback: prepare('ROLLBACK'),
    head: prepare(`SELECT ledger_id, epoch, sequence, hash, confirmed, ${newer}, mac FROM head WHERE id = 1`),
    sequence: prepare('SELECT sequence FROM head WHERE id = 1'),
    snapshot: prepare(
      'SELECT epoch, sequence, hash, seal_mode, recovery, sealed, mac FROM snapshot WHERE id = 1',
    ),
    entries: prepare(
      `SELECT e.sequence, e.epoch, e.public, e.sealed_digest, e.hash, e.mac, s.bytes AS sealed
       FROM entries e LEFT JOIN sealed s ON s.sequence = e.sequence
       WHERE e.sequence > ? ORDER BY e.sequence LIMIT ?`,
    ),
  }
}

function prepareWriting(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  return {
    insertEntry: prepare(
      'INSERT INTO entries (sequence, epoch, public, sealed_digest, hash, mac) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    insertSealed: prepare('INSERT INTO sealed (sequence, bytes) VALUES (?, ?)'),
    dropSealed: prepare(
      `DELETE FROM sealed WHERE sequence IN
       (SELECT sequence FROM sealed WHERE sequence <= ? ORDER BY sequence LIMIT ?)`,
    ),
    replaceMac: prepare('UPDATE entries SET mac = ? WHERE sequence = ?'),
    replaceHead: prepare(
      `INSERT OR REPLACE INTO head (id, ledger_id, epoch, sequence, hash, confirmed, anchored, tag, mac)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    replaceSnapshot: prepare(
      `INSERT OR REPLACE INTO snapshot (id, epoch, sequence, hash, seal_mode, recovery, sealed, mac)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?)`,
    ),
  }
}

type Row = Readonly<Record<string, SQLOutputValue>>

function entryOf(row: Row): StoredEntry {
  const sealedDigest = bytesOf(row, 'sealed_digest')
  return {
    sequence: countOf(row, 'sequence'),
    epoch: countOf(row, 'epoch'),
    publicPart: bytesOf(row, 'public'),
    sealedPart: row['sealed'] === null ? absentPart(sealedDigest) : bytesOf(row, 'sealed'),
    sealedDigest,
    hash: bytesOf(row, 'hash'),
    mac: bytesOf(row, 'mac'),
  }
}

/** An empty sealed part has no row of its own. */
const absentPart = (digest: Uint8Array): Uint8Array | undefined =>
  sameBytes(digest, emptyDigest) ? new Uint8Array() : undefined

const headOf = (row: Row): StoredHead => ({
  ledgerId: bytesOf(row, 'ledger_id'),
  epoch: countOf(row, 'epoch'),
  sequence: countOf(row, 'sequence'),
  hash: bytesOf(row, 'hash'),
  confirmed: countOf(row, 'confirmed'),
  anchored: anchoredOf(row),
  tag: bytesOf(row, 'tag'),
  mac: bytesOf(row, 'mac'),
})

const snapshotOf = (row: Row): StoredSnapshot => ({
  epoch: countOf(row, 'epoch'),
  sequence: countOf(row, 'sequence'),
  hash: bytesOf(row, 'hash'),
  sealMode: sealModeOf(row),
  recovery: bytesOf(row, 'recovery'),
  sealed: bytesOf(row, 'sealed'),
  mac: bytesOf(row, 'mac'),
})

function sealModeOf({ seal_mode: mode }: Row): SealMode {
  if (mode === 'ProductKey' || mode === 'UniqueKey' || mode === 'Disabled') return mode
  throw new StorageDamaged('the snapshot has an unknown seal mode')
}

function anchoredOf(row: Row): bigint | undefined {
  const bytes = Buffer.from(bytesOf(row, 'anchored'))
  if (bytes.length === 0) return undefined
  if (bytes.length === 8) return bytes.readBigUInt64BE()
  throw new StorageDamaged('column "anchored" holds no number of 8 bytes')
}

function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column]
  if (value instanceof Uint8Array) return value
  throw new StorageDamaged(`column "${column}" holds no bytes`)
}

function countOf(row: Row, column: string): number {
  const value = row[column]
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new StorageDamaged(`column "${column}" holds no count`)
}
