import { applyChanges, type State } from '../state/state.ts'
import type { Decision } from './ledger.ts'

/** A transaction that waits to be made durable. */
export interface WaitingTransaction {
  readonly decision: Decision<unknown>
  readonly time: Date
  /** The state that follows from its decision. */
  readonly next: State
  /** Decides anew, on another state than first. @returns false when it now refuses, and has said so to its caller */
  decideAgain(state: State): boolean
  commit(): void
  refuse(error: unknown): void
}

export interface StartedTransaction<T> {
  readonly waiting: WaitingTransaction
  /** Settles with the transaction. */
  readonly result: Promise<T>
}

/** Lets `decide` decide. @throws whatever it throws */
export function startTransaction<T>(
  decide: (state: State) => Decision<T>,
  state: State,
  now: () => Date,
): StartedTransaction<T> {
  const { promise: result, resolve, reject } = Promise.withResolvers<T>()
  const decideOn = (basis: State): { decision: Decision<T>; time: Date; next: State } => {
    const decision = decide(basis)
    return { decision, time: now(), next: applyChanges(basis, decision.changes) }
  }
  let decided = decideOn(state)
  const waiting: WaitingTransaction = {
    get decision() {
      return decided.decision
    },
    get time() {
      return decided.time
    },
    get next() {
      return decided.next
    },
    decideAgain: (basis) => {
      try {
        decided = decideOn(basis)
        return true
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
        return false
      }
    },
    commit: () => {
      resolve(decided.decision.result)
    },
    refuse: reject,
  }
  return { waiting, result }
}
