import type { DatabaseSync } from 'node:sqlite'
import { type LedgerFormat, StorageDamaged } from '../backend.ts'

/** `PRAGMA application_id`: "TawL" in ASCII. */
const applicationId = 0x5461774c

/** `PRAGMA user_version`. Raised whenever a table changes (docs/format.md, "ledger.db"). */
const newestFormat: LedgerFormat = 2

const headTables: Readonly<Record<LedgerFormat, string>> = {
  1: `CREATE TABLE head (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  ledger_id BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  hash BLOB NOT NULL,
  confirmed INTEGER NOT NULL,
  mac BLOB NOT NULL
) STRICT`,
  2: `CREATE TABLE head (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  ledger_id BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  hash BLOB NOT NULL,
  confirmed INTEGER NOT NULL,
  anchored BLOB NOT NULL,
  tag BLOB NOT NULL,
  mac BLOB NOT NULL
) STRICT`,
}

/** In order of their names. A ledger has these tables in these words, and nothing else. */
const tablesOf = (format: LedgerFormat): readonly string[] => [
  `CREATE TABLE entries (
  sequence INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  public BLOB NOT NULL,
  sealed_digest BLOB NOT NULL,
  hash BLOB NOT NULL,
  mac BLOB NOT NULL
) STRICT`,
  headTables[format],
  `CREATE TABLE sealed (
  sequence INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
) STRICT`,
  `CREATE TABLE snapshot (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  hash BLOB NOT NULL,
  seal_mode TEXT NOT NULL,
  recovery BLOB NOT NULL,
  sealed BLOB NOT NULL,
  mac BLOB NOT NULL
) STRICT`,
]

export function createSchema(database: DatabaseSync): void {
  database.exec(
    `BEGIN;\n${tablesOf(newestFormat).join(';\n')};\n` +
      `PRAGMA application_id = ${applicationId};\nPRAGMA user_version = ${newestFormat};\nCOMMIT`,
  )
}

/** From format 1 to the newest; to be called in a transaction that writes a new head and a new snapshot. */
export function upgradeSchema(database: DatabaseSync): void {
  database.exec(`DROP TABLE head;\n${headTables[newestFormat]};\nPRAGMA user_version = ${newestFormat}`)
}

/**
 * Checks that the file is a ledger of a version that this build reads, and that the host added nothing that SQLite would run.
 *
 * @throws {@link StorageDamaged}
 */
export function checkSchema(database: DatabaseSync): LedgerFormat {
  const application = numberOf(database, 'application_id')
  if (application !== applicationId) {
    throw new StorageDamaged(
      `it is a SQLite file of application ${application}, not a ledger (${applicationId})`,
    )
  }
  const version = numberOf(database, 'user_version')
  if (version !== 1 && version !== 2) {
    throw new StorageDamaged(`it has format version ${version}; this build reads versions 1 and 2`)
  }
  const tables = tablesOf(version)
  const found = database.prepare('SELECT sql FROM sqlite_schema ORDER BY name').all()
  const isExact = found.length === tables.length && found.every((row, index) => row['sql'] === tables[index])
  if (!isExact) throw new StorageDamaged('its tables are not those of a ledger')
  return version
}

const numberOf = (database: DatabaseSync, pragma: string): number =>
  Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma])
