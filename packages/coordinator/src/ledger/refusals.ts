import { Refusal } from '../refusal.ts'
import { SealingError } from '../sealing/provider.ts'
import { StorageDamaged, StorageUnavailable } from './backend.ts'

/** What a caller is told when a commit failed, and nothing was written. Defects stay what they are. */
export function notMade(error: unknown): unknown {
  const isStorage =
    error instanceof StorageUnavailable || error instanceof StorageDamaged || error instanceof SealingError
  if (!isStorage) return error
  return new Refusal(
    'storage_unavailable',
    `the change could not be made durable, so it was not made: ${error.message}; send the request again later`,
    { cause: error },
  )
}

/** What a caller is told whose change was written, but can't be relied on before the rollback anchor knows of it. */
export const notConfirmed = (error: Error): Refusal =>
  new Refusal(
    'storage_unavailable',
    `the change was written, but not confirmed by the rollback anchor, and takes effect only with that: ` +
      `${error.message}; see whether it did before you send the request again`,
    { cause: error },
  )

/** What a caller is told who comes while that still fails. */
export function stillUnconfirmed(error: unknown): unknown {
  if (!(error instanceof StorageUnavailable)) return error
  return new Refusal(
    'storage_unavailable',
    `nothing can be changed before the rollback anchor confirms the last change: ${error.message}; ` +
      'send the request again later',
    { cause: error },
  )
}
