import { setImmediate } from 'node:timers/promises'
import type { PreparedManifest } from '../manifest/index.ts'
import type { State } from '../state/state.ts'

export type StateWithManifest = State & { readonly manifest: PreparedManifest }

export const hasManifest = (state: State): state is StateWithManifest => state.manifest !== undefined

/** The state changed between a decision and its commit in a way that concerns it: decide again on the new one. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken'
}

/** Everything that an update is worked out from. Activations and counters go on meanwhile. */
const basis = [
  'authority',
  'rootSecret',
  'manifest',
  'packageVersions',
  'secrets',
  'previousSecrets',
  'pendingUpdate',
] as const satisfies readonly (keyof State)[]

/** @throws {@link Overtaken} when something that an update is worked out from is no longer as it was */
export function requireSameBasis(newest: State, state: State): void {
  if (basis.some((member) => newest[member] !== state[member])) throw new Overtaken()
}

/**
 * Waits one turn of the event loop. What overtook an operation is decided, but may not be durable yet, and the next
 * attempt begins from the durable state: without this wait it would be overtaken by the same change for ever, and the
 * change would never be written, since the journal writes in a turn of its own.
 */
export const afterOvertaken = (): Promise<unknown> => setImmediate()

/** Repeats an operation that is prepared on one state and committed on it, until nothing gets in between. */
export async function untilNotOvertaken<T>(operation: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await operation()
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error
    }
    await afterOvertaken()
  }
}
