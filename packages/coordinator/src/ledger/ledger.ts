import type { SealMode } from '../manifest/model.ts'
import type { SecretBytes } from '../secrets/secret-bytes.ts'
import type { AuditRecord } from '../state/audit.ts'
import type { State, StateChange } from '../state/state.ts'

/** What an operation decided: how the state changes, what the audit log says of it, and the caller's answer. */
export interface Decision<T> {
  readonly changes: readonly StateChange[]
  readonly audit: AuditRecord
  readonly result: T
  /** Starts a new epoch: the whole state is sealed anew under another key. The first manifest does this. */
  readonly rekey?: Rekey
}

export interface Rekey {
  readonly sealMode: SealMode
  /** The new data encryption key, 32 bytes. Undefined: the key stays, and only the seal mode changes. */
  readonly dek?: SecretBytes
  /**
   * What has to be readable without the key: see `recovery/`. Opaque to the ledger, authenticated by it. Undefined:
   * as before.
   */
  readonly recovery?: Uint8Array
}

/** One entry of the audit log, as anyone may read it. */
export interface LedgerEntry {
  readonly sequence: number
  readonly time: Date
  readonly audit: AuditRecord
}

/** One entry as it stands in the chain, so that whoever has it can verify the chain (docs/format.md, "Entries"). */
export interface ChainedEntry {
  readonly sequence: number
  readonly epoch: number
  /** UTF-8 JSON, the very bytes that the hash covers. */
  readonly publicPart: Uint8Array
  readonly sealedDigest: Uint8Array
  readonly hash: Uint8Array
}

/** A stretch of the chain. */
export interface ChainStretch {
  readonly ledgerId: Uint8Array
  /** The newest durable entry. */
  readonly head: { readonly sequence: number; readonly hash: Uint8Array }
  /** Of the entry before the first one; before entry 1, the start of the chain. Undefined when that isn't there. */
  readonly previousHash: Uint8Array | undefined
  readonly entries: readonly ChainedEntry[]
}

/**
 * The journal of all changes: the sealed state and the audit log at once.
 *
 * A transaction's answer comes after its entry is durable; {@link Ledger.state} never shows what is not.
 */
export interface Ledger {
  /** The newest durable state. */
  readonly state: State
  /**
   * Runs `decide` synchronously on the newest state, those changes included that wait to be made durable, and makes
   * its decision durable together with others that wait (group commit).
   *
   * @returns the decision's result, after its entry is durable
   * @throws whatever `decide` throws: nothing has changed then; {@link Refusal} `storage_unavailable` when the entry
   * can't be made durable: nothing has changed then either
   */
  transact<T>(decide: (state: State) => Decision<T>): Promise<T>
  /** Why sealed state that is there can't be used: the Coordinator is then in state 1. Undefined otherwise. */
  readonly recoveryReason: string | undefined
  /** Calls `listener` after each commit with the newest durable state and the one before. */
  onCommit(listener: (state: State, former: State) => void): void
  /** Durable entries in order, newer than `after` (0: from the first), at most `limit`. */
  entries(after: number, limit: number): readonly LedgerEntry[]
  /** The same with all that the chain is made of; undefined while nothing is set. */
  chain(after: number, limit: number): ChainStretch | undefined
  /** Waits for what is under way, and gives the storage free. Later transactions are refused. */
  close(): Promise<void>
}
