import {
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import type { SealMode } from '../manifest/model.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import { framed } from './framing.ts'

/** Bytes of a ledger's identity: 128 random bits, so that no two ledgers ever share one. */
export const ledgerIdLength = 16

/** Bytes of the data encryption key (spec/recovery.md), and of the key of MACs. */
export const keyLength = 32

/** What the sealed key gives: whoever has both can read and write the ledger; recovery parties get only the first. */
export interface EpochKeys {
  readonly dek: SecretBytes
  /** 32 bytes. Random, and kept over epochs; made anew only when it was lost. */
  readonly macKey: SecretBytes
}

/**
 * A stretch of the ledger under one data encryption key, one seal mode and one set of recovery parties. It starts with
 * a snapshot, so nothing older has to be read with another key.
 */
export class Epoch {
  /** From 1, by one for every new epoch. */
  readonly number: number
  readonly ledgerId: Uint8Array
  readonly sealMode: SealMode
  /** Of {@link import('./ledger.ts').Rekey}. */
  readonly recovery: Uint8Array
  readonly keys: EpochKeys
  readonly #macKey: KeyObject
  readonly #sealedPartKey: KeyObject
  readonly #snapshotKey: KeyObject

  constructor(description: EpochDescription) {
    this.number = description.number
    this.ledgerId = description.ledgerId
    this.sealMode = description.sealMode
    this.recovery = description.recovery
    this.keys = description.keys
    this.#macKey = createSecretKey(this.keys.macKey.reveal())
    this.#sealedPartKey = this.#derive('taw ledger sealed part key v1')
    this.#snapshotKey = this.#derive('taw ledger snapshot key v1')
  }

  get sealedPartKey(): KeyObject {
    return this.#sealedPartKey
  }

  get snapshotKey(): KeyObject {
    return this.#snapshotKey
  }

  /** HMAC-SHA-256 of framed input. */
  mac(label: string, ...parts: readonly Uint8Array[]): Buffer {
    return createHmac('sha256', this.#macKey)
      .update(framed(label, this.ledgerId, ...parts))
      .digest()
  }

  /** Whether `mac` is {@link Epoch.mac} of the same; in constant time. */
  hasMac(mac: Uint8Array, label: string, ...parts: readonly Uint8Array[]): boolean {
    const expected = this.mac(label, ...parts)
    return mac.length === expected.length && timingSafeEqual(mac, expected)
  }

  /** The epoch that follows. What is undefined stays as it is. */
  next(change: Partial<Pick<EpochDescription, 'sealMode' | 'recovery' | 'keys'>>): Epoch {
    const { ledgerId, sealMode, recovery, keys } = this
    return new Epoch({ ledgerId, sealMode, recovery, keys, ...change, number: this.number + 1 })
  }

  #derive(label: string): KeyObject {
    const key = hkdfSync('sha256', this.keys.dek.reveal(), this.ledgerId, label, keyLength)
    return createSecretKey(new Uint8Array(key))
  }
}

export interface EpochDescription {
  readonly number: number
  readonly ledgerId: Uint8Array
  readonly sealMode: SealMode
  readonly recovery: Uint8Array
  readonly keys: EpochKeys
}

export const newMacKey = (): SecretBytes => new SecretBytes(randomBytes(keyLength))
