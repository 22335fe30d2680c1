import type { SealedLedger } from '../ledger/open.ts'
import { isPlainSecret, RecoverySession } from '../recovery/session.ts'
import { decodeDescription } from '../recovery/split.ts'
import { Refusal } from '../refusal.ts'
import type { State } from '../state/state.ts'
import type { Ports } from './ports.ts'

/** What a recovery party uploads. */
export interface RecoveryUpload {
  /** The party's secret: as it is, or encrypted to the ephemeral key. */
  readonly secret: Uint8Array
  /** By the party's recovery key, over the decrypted secret. */
  readonly signature: Uint8Array
}

export interface RecoveryProgress {
  /** 0: the state is recovered. */
  readonly remaining: number
}

/** Recovery from state 1: secrets come one by one, and the last one that is needed opens the sealed state. */
export class Recovery {
  readonly #ports: Pick<Ports, 'ledger' | 'sealed' | 'log'>
  #session: RecoverySession | undefined
  /** Uploads are worked on one after the other: two that complete the set must not both open the state. */
  #queue: Promise<unknown> = Promise.resolve()

  constructor(ports: Pick<Ports, 'ledger' | 'sealed' | 'log'>) {
    this.#ports = ports
  }

  /**
   * SubjectPublicKeyInfo DER of the RSA key to which secrets can be encrypted.
   *
   * @throws {@link Refusal} `state_mismatch`
   */
  async ephemeralPublicKey(): Promise<Uint8Array> {
    return await this.#openSession(this.#requireSealed()).ephemeralPublicKey()
  }

  /** @throws {@link Refusal} `state_mismatch`, `request_malformed`, `recovery_invalid`, `storage_unavailable` */
  upload(upload: RecoveryUpload): Promise<RecoveryProgress> {
    const done = this.#queue.then(() => this.#work(upload))
    this.#queue = done.catch(() => undefined)
    return done
  }

  async #work({ secret, signature }: RecoveryUpload): Promise<RecoveryProgress> {
    const sealed = this.#requireSealed(secret)
    const session = this.#openSession(sealed)
    const share = await session.open(secret)
    const party = session.add(share, signature)
    const { remaining } = session
    this.#ports.log.info({ party, remaining }, 'a recovery secret was taken')
    if (!session.isComplete) return { remaining }
    const dek = await session.combine()
    try {
      await sealed.recover(dek, (state) => {
        requireSameParties(state, session)
        return {
          changes: [],
          audit: { action: 'recovered', actor: { kind: 'recovery', parties: session.parties } },
          result: undefined,
        }
      })
    } catch (error) {
      session.remove(party)
      throw error
    }
    this.#ports.log.warn({ parties: session.parties }, 'the sealed state was recovered')
    session.end()
    this.#session = undefined
    return { remaining: 0 }
  }

  /** An upload that is no plain secret can't be read at all outside of state 1: there is no key for it. */
  #requireSealed(secret?: Uint8Array): SealedLedger {
    const { ledger, sealed } = this.#ports
    if (sealed !== undefined && ledger.recoveryReason !== undefined) return sealed
    const isPlain = secret === undefined || isPlainSecret(secret)
    throw new Refusal(
      isPlain ? 'state_mismatch' : 'request_malformed',
      'recovering: there is nothing to recover; the Coordinator takes recovery secrets in state 1 only',
    )
  }

  #openSession(sealed: SealedLedger): RecoverySession {
    this.#session ??= new RecoverySession(readDescription(sealed))
    return this.#session
  }
}

function readDescription(sealed: SealedLedger): ReturnType<typeof decodeDescription> {
  try {
    return decodeDescription(sealed.readRecovery())
  } catch (error) {
    if (error instanceof Refusal) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new Refusal('recovery_invalid', `recovering: ${reason}`)
  }
}

/**
 * The keys that signed must be those of the manifest inside: what is readable without the key could have been written
 * by anyone until now.
 */
function requireSameParties({ manifest }: State, session: RecoverySession): void {
  const keys = manifest?.manifest.recoveryKeys
  for (const name of session.parties) {
    const party = session.description.parties.find((candidate) => candidate.name === name)
    if (party !== undefined && keys?.get(name) === party.publicKey) continue
    throw new Refusal(
      'recovery_invalid',
      `recovering: the manifest inside has no recovery key "${name}" like the one that signed; the state was altered`,
    )
  }
}
