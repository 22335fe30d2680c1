import { certifiedMarble, type CertifiedMarble } from '../pki/marble-identity.ts'
import { Refusal } from '../refusal.ts'
import { counterKey, type State } from '../state/state.ts'
import { requireGate } from './feature-gates.ts'
import type { Ports } from './ports.ts'

export interface CounterAdvance {
  readonly name: string
  /** Unsigned, 64 bits. */
  readonly value: bigint
}

/**
 * The marble whose counters this connection may advance.
 *
 * @throws {@link Refusal} `feature_disabled`, `caller_unknown`
 */
export function requireCountingMarble(state: State, certificate: Uint8Array | undefined): CertifiedMarble {
  requireGate(state, 'MonotonicCounter')
  const marble = certificate === undefined ? undefined : certifiedMarble(state.authority, certificate)
  if (marble !== undefined) return marble
  throw new Refusal(
    'caller_unknown',
    'counters belong to marbles: connect with the certificate of an activation under the marble root in force ' +
      '(after an update, activate again)',
  )
}

/**
 * Sets a monotonic counter of a marble, if the value is greater than the former one. What is answered is durable.
 *
 * @returns the former value; 0 for a counter that was never set
 * @throws {@link Refusal} `feature_disabled`, `storage_unavailable`
 */
export async function advanceCounter(
  marble: CertifiedMarble,
  { name, value }: CounterAdvance,
  { ledger }: Pick<Ports, 'ledger'>,
): Promise<bigint> {
  const key = counterKey(marble.type, marble.uuid, name)
  const former = ledger.state.counters.get(key) ?? 0n
  if (value <= former) return former
  return await ledger.transact((newest) => {
    requireGate(newest, 'MonotonicCounter')
    const before = newest.counters.get(key) ?? 0n
    return {
      changes: value > before ? [{ kind: 'counter', key, value }] : [],
      audit: {
        action: 'counter-advanced',
        actor: { kind: 'marble', type: marble.type, uuid: marble.uuid, evidence: null },
        counter: name,
        value: String(value),
      },
      result: before,
    }
  })
}
