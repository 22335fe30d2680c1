import type { DatabaseSync } from 'node:sqlite'
import { StorageDamaged } from '../backend.ts'

/** `PRAGMA application_id`: "TawL" in ASCII. */
const applicationId = 0x5461774c

/** `PRAGMA user_version`. Raised whenever a table changes (docs/format.md, "ledger.db"). */
const formatVersion = 1

/** In order of their names. A ledger has these tables in these words, and nothing else. */
const tables: readonly string[] = [
  `CREATE TABLE entries (
  sequence INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  public BLOB NOT NULL,
  sealed_digest BLOB NOT NULL,
  hash BLOB NOT NULL,
  mac BLOB NOT NULL
) STRICT`,
  `CREATE TABLE head (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  ledger_id BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  hash BLOB NOT NULL,
  confirmed INTEGER NOT NULL,
  mac BLOB NOT NULL
) STRICT`,
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
    `BEGIN;\n${tables.join(';\n')};\n` +
      `PRAGMA application_id = ${applicationId};\nPRAGMA user_version = ${formatVersion};\nCOMMIT`,
  )
}

/**
 * Checks that the file is a ledger of this version, and that the host added nothing that SQLite would run.
 *
 * @throws {@link StorageDamaged}
 */
export function checkSchema(database: DatabaseSync): void {
  const application = numberOf(database, 'application_id')
  if (application !== applicationId) {
    throw new StorageDamaged(
      `it is a SQLite file of application ${application}, not a ledger (${applicationId})`,
    )
  }
  const version = numberOf(database, 'user_version')
  if (version !== formatVersion) {
    throw new StorageDamaged(`it has format version ${version}; this build reads version ${formatVersion}`)
  }
  const found = database.prepare('SELECT sql FROM sqlite_schema ORDER BY name').all()
  const isExact = found.length === tables.length && found.every((row, index) => row['sql'] === tables[index])
  if (!isExact) throw new StorageDamaged('its tables are not those of a ledger')
}

const numberOf = (database: DatabaseSync, pragma: string): number =>
  Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma])
