import { StorageDamaged, StorageUnavailable } from '../backend.ts'

/** SQLite's result codes (sqlite.org/rescode.html) that say what is wrong with the file rather than the storage. */
const damageCodes: ReadonlySet<number> = new Set([
  /* SQLITE_ERROR: an unsupported file format, when reading */ 1, /* SQLITE_CORRUPT */ 11,
  /* SQLITE_FORMAT */ 24, /* SQLITE_RANGE */ 25, /* SQLITE_NOTADB */ 26,
])

/** SQLITE_IOERR_SHORT_READ, an extended code: the file ends too early. */
const shortRead = 522

/** SQLITE_BUSY, SQLITE_LOCKED. */
const lockedCodes: ReadonlySet<number> = new Set([5, 6])

/**
 * SQLITE_FULL; SQLITE_IOERR_SHMSIZE, an extended code, with which a full disk meets a start after a kill: the index of
 * the write-ahead log is made anew.
 */
const noRoomCodes: ReadonlySet<number> = new Set([13, 4874])

/**
 * Calls SQLite, and says what its errors mean.
 *
 * @param doing what is being done, for the message
 * @throws {@link StorageDamaged}, {@link StorageUnavailable}
 */
export function callSqlite<T>(doing: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw explained(doing, error)
  }
}

function explained(doing: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error
  if (error.code === 'ERR_OUT_OF_RANGE')
    return new StorageDamaged(`${doing}: ${error.message}`, { cause: error })
  if (error.code !== 'ERR_SQLITE_ERROR' || !('errcode' in error)) return error
  const extended = Number(error.errcode)
  const primary = extended & 0xff
  if (damageCodes.has(primary) || extended === shortRead) {
    return new StorageDamaged(`${doing}: ${error.message}`, { cause: error })
  }
  if (lockedCodes.has(primary)) {
    return new StorageUnavailable(`${doing}: another process has it open`, { cause: error })
  }
  if (noRoomCodes.has(extended)) {
    return new StorageUnavailable(
      `${doing}: the disk is full (SQLite result code ${extended}); nothing that was answered is lost, so make room on it`,
      { cause: error },
    )
  }
  return new StorageUnavailable(`${doing}: ${error.message} (SQLite result code ${extended})`, {
    cause: error,
  })
}
