import {
  constants,
  createHash,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  privateDecrypt,
  timingSafeEqual,
  verify,
} from 'node:crypto'
import { promisify } from 'node:util'
import { combine } from 'shamir-secret-sharing'
import { Refusal } from '../refusal.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import { type RecoveryDescription, type RecoveryParty, xor } from './split.ts'

/** Bits of the ephemeral key (spec/recovery.md). */
const ephemeralBits = 4096

/** Lengths at which an upload is the secret itself: a key, a Shamir share, and what older versions of the original had. */
const plainLengths: ReadonlySet<number> = new Set([32, 33, 16])

/** Whether an upload is taken as the secret itself; all others are taken as encrypted. */
export const isPlainSecret = (upload: Uint8Array): boolean => plainLengths.has(upload.length)

const generate = promisify(generateKeyPair)

/**
 * Collects the shares of one recovery. Each is checked when it comes, against what the ledger keeps readable without
 * its key: a wrong, repeated or unsigned one is refused alone and disturbs nothing.
 */
export class RecoverySession {
  readonly description: RecoveryDescription
  readonly #shares = new Map<string, Uint8Array>()
  #ephemeral: Promise<{ readonly publicKey: KeyObject; readonly privateKey: KeyObject }> | undefined

  constructor(description: RecoveryDescription) {
    this.description = description
  }

  /** Names of the parties whose shares are here. */
  get parties(): readonly string[] {
    return [...this.#shares.keys()]
  }

  /** Shares that are missing; until the threshold is reached it counts all parties, as the original does. */
  get remaining(): number {
    return this.isComplete ? 0 : this.description.parties.length - this.#shares.size
  }

  get isComplete(): boolean {
    return this.description.scheme !== 'none' && this.#shares.size >= this.description.threshold
  }

  /** SubjectPublicKeyInfo DER of an RSA key that lives as long as this session. */
  async ephemeralPublicKey(): Promise<Uint8Array> {
    const { publicKey } = await this.#ephemeralKey()
    return publicKey.export({ type: 'spki', format: 'der' })
  }

  /**
   * The share in an upload, decrypted if it is encrypted to the ephemeral key (RSA-OAEP, SHA-256).
   *
   * @throws {@link Refusal} `request_malformed` when it is neither a secret nor decrypts
   */
  async open(upload: Uint8Array): Promise<Uint8Array> {
    if (isPlainSecret(upload)) return upload
    const { privateKey } = await this.#ephemeralKey()
    try {
      return privateDecrypt(
        { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
        upload,
      )
    } catch {
      throw new Refusal(
        'request_malformed',
        `recovering: the secret of ${upload.length} bytes is neither a plain one (32 or 33 bytes) nor encrypted to ` +
          'the key of /api/v2/recover/public-key, which changes at every start',
      )
    }
  }

  /**
   * Takes a share whose owner has signed it.
   *
   * @param signature RSA PKCS #1 v1.5 with SHA-256 over the share, by the owner's recovery key
   * @returns the owner's name
   * @throws {@link Refusal} `recovery_invalid`; the session is as before then
   */
  add(share: Uint8Array, signature: Uint8Array): string {
    const party = this.#ownerOf(share)
    if (this.#shares.has(party.name)) {
      throw invalid(`the secret of "${party.name}" is here already; another party must upload its own`)
    }
    if (!verify('sha256', share, createPublicKey(party.publicKey), signature)) {
      throw invalid(
        `the signature is not one by the recovery key of "${party.name}" over this secret ` +
          '(RSA PKCS #1 v1.5, SHA-256, over the decrypted secret)',
      )
    }
    this.#shares.set(party.name, Uint8Array.from(share))
    return party.name
  }

  /** The data encryption key, once enough shares are here. Whether it opens the state shows when it is tried. */
  async combine(): Promise<SecretBytes> {
    const shares = [...this.#shares.values()]
    const [first] = shares
    if (!this.isComplete || first === undefined) throw new Error('not enough shares are here yet')
    switch (this.description.scheme) {
      case 'shamir':
        return new SecretBytes(await combine(shares))
      case 'xor':
        return new SecretBytes(xor(shares))
      case 'single':
      case 'none':
        return new SecretBytes(Uint8Array.from(first))
    }
  }

  /** Forgets a share that was just added, when it completed the set but the key opens nothing. */
  remove(party: string): void {
    this.#shares.get(party)?.fill(0)
    this.#shares.delete(party)
  }

  /** Wipes all shares. */
  end(): void {
    for (const share of this.#shares.values()) share.fill(0)
    this.#shares.clear()
  }

  #ownerOf(share: Uint8Array): RecoveryParty {
    const hash = createHash('sha256').update(share).digest()
    const owner = this.description.parties.find(({ shareHash }) => {
      const known = Buffer.from(shareHash, 'hex')
      return known.length === hash.length && timingSafeEqual(known, hash)
    })
    if (owner !== undefined) return owner
    throw invalid(
      this.description.scheme === 'none'
        ? 'the manifest named no recovery keys, so nothing can recover its state; set a new manifest'
        : 'it is the secret of no recovery party of this state; after an update of the recovery keys only the newest ' +
            'recovery secrets count',
    )
  }

  #ephemeralKey(): Promise<{ readonly publicKey: KeyObject; readonly privateKey: KeyObject }> {
    this.#ephemeral ??= generate('rsa', { modulusLength: ephemeralBits })
    return this.#ephemeral
  }
}

const invalid = (reason: string): Refusal => new Refusal('recovery_invalid', `recovering: ${reason}`)
