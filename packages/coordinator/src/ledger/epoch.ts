import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'
import type { SealMode } from '../manifest/model.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import { framed, sameBytes } from './framing.ts'

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
  readonly #tagKey: KeyObject

  constructor(description: EpochDescription) {
    this.number = description.number
    this.ledgerId = description.ledgerId
    this.sealMode = description.sealMode
    this.recovery = description.recovery
    this.keys = description.keys
    this.#macKey = createSecretKey(this.keys.macKey.reveal())
    this.#sealedPartKey = this.#derive('taw ledger sealed part key v1')
    this.#snapshotKey = this.#derive('taw ledger snapshot key v1')
    this.#tagKey = this.#derive('taw ledger tag key v2')
  }

  get sealedPartKey(): KeyObject {
    return this.#sealedPartKey
  }

  get snapshotKey(): KeyObject {
    return this.#snapshotKey
  }

  /** HMAC-SHA-256 of framed input. */
  mac(label: string, ...parts: readonly Uint8Array[]): Buffer {
    return this.#hmac(this.#macKey, label, parts)
  }

  /** Whether `mac` is {@link Epoch.mac} of the same; in constant time. */
  hasMac(mac: Uint8Array, label: string, ...parts: readonly Uint8Array[]): boolean {
    return sameBytes(mac, this.mac(label, ...parts))
  }

  /** As {@link Epoch.mac}, under a key that follows from the data encryption key. */
  tag(label: string, ...parts: readonly Uint8Array[]): Buffer {
    return this.#hmac(this.#tagKey, label, parts)
  }

  /** Whether `tag` is {@link Epoch.tag} of the same; in constant time. */
  hasTag(tag: Uint8Array, label: string, ...parts: readonly Uint8Array[]): boolean {
    return sameBytes(tag, this.tag(label, ...parts))
  }

  /** The epoch that follows. What is undefined stays as it is. */
  next(change: Partial<Pick<EpochDescription, 'sealMode' | 'recovery' | 'keys'>>): Epoch {
    const { ledgerId, sealMode, recovery, keys } = this
    return new Epoch({ ledgerId, sealMode, recovery, keys, ...change, number: this.number + 1 })
  }

  #hmac(key: KeyObject, label: string, parts: readonly Uint8Array[]): Buffer {
    return createHmac('sha256', key)
      .update(framed(label, this.ledgerId, ...parts))
      .digest()
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
