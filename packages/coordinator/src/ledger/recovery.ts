import { Refusal } from '../refusal.ts'
import type { SecretBytes } from '../secrets/secret-bytes.ts'
import { SealingError } from '../sealing/provider.ts'
import { applyChanges, type State } from '../state/state.ts'
import { type Anchor, encodeAnchor } from './anchor.ts'
import {
  type Batch,
  type LedgerBackend,
  StorageDamaged,
  StorageUnavailable,
  type StoredHead,
} from './backend.ts'
import { SqliteBackend } from './backends/sqlite.ts'
import { entryMac, sealEntry } from './entry.ts'
import { type Epoch, newMacKey } from './epoch.ts'
import { epochBatch } from './epochs.ts'
import type { Journal } from './journal.ts'
import { sealKeyFile } from './key-file.ts'
import type { Decision } from './ledger.ts'
import { type LoadOptions, requireSameHead } from './load.ts'
import { type Guarded, RollbackGuard, writeGuarded } from './rollback-anchor.ts'
import { readFrame, replay, type Replayed } from './replay.ts'
import { DirectoryStore, type Position } from './store.ts'

/** Entries that get new MACs at once. */
const pageSize = 1000

/**
 * A ledger whose sealed key doesn't open it. Until {@link SealedLedger.recover} succeeds, none of its bytes change.
 *
 * What recovery can check: that whoever wrote the snapshot, the changes after it and the end of the ledger had the data
 * encryption key, and wrote them for this place; and the end names the hash over all records. So without that key
 * somebody can only put back a ledger as it once was, up to an end that this Coordinator itself wrote. What recovery can't check: the MACs, since their key was lost.
 * So whoever has the data encryption key and can write the disk may have forged what is recovered.
 *
 * Ledgers of format 1 show less: in their end, what changes no state could be made up, and they could be cut anywhere.
 */
export class SealedLedger {
  readonly #journal: Journal
  readonly #options: LoadOptions
  /** Once it was opened for writing. Closing it again would change `ledger.db`, so each attempt goes on with it. */
  #backend: LedgerBackend | undefined

  constructor(journal: Journal, options: LoadOptions) {
    this.#journal = journal
    this.#options = options
  }

  /**
   * What the ledger keeps readable without the key ({@link import('./ledger.ts').Rekey.recovery}). Nothing vouches for
   * it before {@link SealedLedger.recover} succeeds, which authenticates it.
   *
   * @throws {@link Refusal} `recovery_invalid` when it can't be read
   */
  readRecovery(): Uint8Array {
    return refusing(() => {
      return this.#reading((backend) => readFrame(backend).snapshot.recovery)
    })
  }

  /**
   * Opens the ledger with a recovered key, and goes on from it: the ledger leaves state 1. A new epoch starts, under
   * the same data encryption key and with a new key of MACs, sealed for this TEE.
   *
   * @param decide gets the state that was found, and must check that those who recover are entitled to, before it
   * returns the audit record; its `rekey` must be undefined. When it throws, nothing has changed
   * @throws {@link Refusal} `recovery_invalid` when the key is wrong or the state was altered, `storage_unavailable`
   * when the result can't be made durable; whatever `decide` throws. Nothing has changed then
   */
  recover<T>(dek: SecretBytes, decide: (state: State) => Decision<T>): Promise<T> {
    return this.#journal.exclusive(async () => {
      this.#requireSealed()
      const replayed = refusing(() => this.#replay(dek))
      const { changes, audit, result, rekey } = decide(replayed.state)
      if (rekey !== undefined) throw new Error('recovery keeps its key')
      const state = applyChanges(replayed.state, changes)
      const epoch = replayed.epoch.next({})
      const time = this.#options.now()
      const audited = { time, audit, changes: new Uint8Array() }
      const entry = sealEntry(epoch, replayed.head, audited)
      const { written: position, unconfirmed } = await this.#writeGuarded(epoch, replayed, (anchored) =>
        epochBatch(epoch, entry, state, { confirmed: entry.sequence, anchored }),
      )
      const tail = { entries: 0, bytes: 0, replaces: false }
      const work = { tail, covered: entry.sequence, lingers: true, isUnsettled: true }
      this.#journal.open({ position, state, work }, unconfirmed)
      return result
    })
  }

  /** Whichever copy it is that is recovered, from now on it is the one that the anchor is of. */
  async #writeGuarded(
    epoch: Epoch,
    replayed: Replayed,
    batchOf: (anchored: bigint | undefined) => Batch,
  ): Promise<Guarded<Position>> {
    const { rollback } = this.#options
    try {
      const guard = rollback === undefined ? undefined : await RollbackGuard.begin(rollback.anchor)
      return await writeGuarded(guard, {
        // The ledger that is there can't be written without its key of MACs.
        rewrite: () => Promise.resolve(),
        write: async (anchored) => {
          const batch = batchOf(anchored)
          const store = await this.#write(epoch, replayed, batch, guard)
          return { store, epoch, head: batch.head }
        },
        isRare: true,
      })
    } catch (error) {
      throw refusalOf(error, 'storage_unavailable')
    }
  }

  /** A change that an attempt before left unconfirmed has made another ledger of it. */
  #requireSealed(): void {
    if (!this.#journal.isHeldBack) return
    throw new Refusal(
      'storage_unavailable',
      'recovering: a change was written already, and waits for the rollback anchor; send the request again later',
    )
  }

  #replay(dek: SecretBytes): Replayed {
    const { prepareManifest } = this.#options
    return this.#reading((backend) =>
      replay(backend, { dek, macKey: newMacKey() }, { prepareManifest, verifyMacs: false }),
    )
  }

  #reading<T>(read: (backend: LedgerBackend) => T): T {
    if (this.#backend !== undefined) return read(this.#backend)
    const backend = new SqliteBackend(this.#options.directory.ledgerFile, 'read')
    try {
      return read(backend)
    } finally {
      void backend.close()
    }
  }

  /**
   * First the sealed key, then the ledger. A crash in between leaves a ledger that the new sealed key doesn't open:
   * state 1 as before.
   */
  async #write(
    epoch: Epoch,
    { head }: Replayed,
    batch: Batch,
    guard: RollbackGuard | undefined,
  ): Promise<DirectoryStore> {
    const { directory, files, sealing, openBackend, notices } = this.#options
    const key = await sealKeyFile(sealing, [epoch], encodeAnchor(epoch, anchorOf(batch.head)))
    const backend = (this.#backend ??= openBackend(directory.ledgerFile, 'write'))
    requireSameHead(backend, head)
    directory.keepFormerKey()
    await this.#replaceKey(key, () =>
      backend.append(head.sequence, { ...batch, macs: macsOf(backend, epoch, head.sequence) }),
    )
    this.#dropFormerKey()
    const { confirmed } = batch.head
    const open = (): LedgerBackend => backend
    const store = new DirectoryStore({ open, directory, files, sealing, epoch, confirmed, guard, notices })
    this.#backend = undefined
    return store
  }

  /** The next start removes it, when this can't. */
  #dropFormerKey(): void {
    const { directory, notices } = this.#options
    try {
      directory.dropFormerKey()
    } catch (error) {
      if (!(error instanceof StorageUnavailable)) throw error
      notices.warn(`removing the former sealed key: ${error.message}`)
    }
  }

  /** Puts the former sealed key back when `append` fails. */
  async #replaceKey(key: Uint8Array, append: () => Promise<void>): Promise<void> {
    const { directory } = this.#options
    try {
      directory.replaceKey(key)
      await append()
    } catch (error) {
      directory.restoreFormerKey()
      throw error
    }
  }
}

const anchorOf = ({ sequence, hash, confirmed }: StoredHead): Anchor => ({
  counter: 1,
  point: { sequence, hash },
  confirmed,
  base: undefined,
})

/** The MACs of all entries under the new key. Their hashes were verified. */
function* macsOf(backend: LedgerBackend, epoch: Epoch, end: number): Generator<Uint8Array> {
  for (let after = 0; after < end; after += pageSize) {
    for (const { hash } of backend.entries(after, Math.min(pageSize, end - after)))
      yield entryMac(epoch, hash)
  }
}

function refusing<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw refusalOf(error, 'recovery_invalid')
  }
}

function refusalOf(error: unknown, code: 'recovery_invalid' | 'storage_unavailable'): unknown {
  if (error instanceof StorageUnavailable || error instanceof SealingError) {
    return new Refusal('storage_unavailable', `recovering: ${error.message}`, { cause: error })
  }
  if (!(error instanceof StorageDamaged)) return error
  return new Refusal(
    code,
    `recovering: the key does not fit the state, or it was altered: ${error.message}`,
    {
      cause: error,
    },
  )
}
