import { certifiedMarble, type CertifiedMarble } from '../pki/marble-identity.ts'
import { limits } from '../limits.ts'
import { Refusal } from '../refusal.ts'
import { counterKey, type State } from '../state/state.ts'
import { fingerprintOf } from './callers.ts'
import { requireGate } from './feature-gates.ts'
import type { Ports } from './ports.ts'

export interface CounterAdvance {
  readonly name: string
  /** Unsigned, 64 bits. */
  readonly value: bigint
}

export interface CountingMarble extends CertifiedMarble {
  /** SHA-256 over the DER of its certificate, lower-case hex. */
  readonly certificate: string
}

/**
 * The marble whose counters this connection may advance.
 *
 * @throws {@link Refusal} `feature_disabled`, `caller_unknown`
 */
export function requireCountingMarble(state: State, certificate: Uint8Array | undefined): CountingMarble {
  requireGate(state, 'MonotonicCounter')
  const marble = certificate === undefined ? undefined : certifiedMarble(state.authority, certificate)
  if (marble !== undefined && certificate !== undefined) {
    return { ...marble, certificate: fingerprintOf(certificate) }
  }
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
 * @throws {@link Refusal} `feature_disabled`, `limit_exceeded`, `storage_unavailable`
 */
export async function advanceCounter(
  marble: CountingMarble,
  { name, value }: CounterAdvance,
  { ledger }: Pick<Ports, 'ledger'>,
): Promise<bigint> {
  requireShort(name)
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
        actor: { kind: 'marble', ...marble, evidence: null },
        counter: name,
        former: String(before),
        value: String(value > before ? value : before),
      },
      result: before,
    }
  })
}

/** The state holds every name, and the audit log each time that it is used. */
function requireShort(name: string): void {
  const length = Buffer.byteLength(name)
  if (length <= limits.counterNameBytes) return
  throw new Refusal(
    'limit_exceeded',
    `advancing a counter: its name has ${length} bytes; at most ${limits.counterNameBytes} are taken`,
  )
}
