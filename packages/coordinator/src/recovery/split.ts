import { constants, createHash, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto'
import { split } from 'shamir-secret-sharing'
import { SecretBytes } from '../secrets/secret-bytes.ts'

/** Bytes of the data encryption key, and of each share of an XOR split. */
const dekBytes = 32

/** What recovery needs to know while the state is still sealed. Public: no part of it helps to guess the key. */
export interface RecoveryDescription {
  /** Shares that are needed; 0: recovery is not possible. */
  readonly threshold: number
  /** How the key was split. */
  readonly scheme: 'none' | 'single' | 'xor' | 'shamir'
  readonly parties: readonly RecoveryParty[]
}

export interface RecoveryParty {
  readonly name: string
  /** PEM of the party's RSA public key, as the manifest has it. */
  readonly publicKey: string
  /** SHA-256 of the party's share, lower-case hex. */
  readonly shareHash: string
}

export interface SplitKey {
  /** The new data encryption key. */
  readonly dek: SecretBytes
  /** Party → its share, RSA-OAEP (SHA-256) encrypted to its key. */
  readonly recoverySecrets: ReadonlyMap<string, Uint8Array>
  readonly description: RecoveryDescription
}

/**
 * Makes a data encryption key and gives each recovery party its share (spec/recovery.md).
 *
 * @param keys party → PEM of an RSA public key, checked before
 * @param threshold 0: all parties are needed
 */
export async function splitNewKey(keys: ReadonlyMap<string, string>, threshold: number): Promise<SplitKey> {
  const { dek, shares, scheme } = await makeShares(keys.size, threshold)
  const recoverySecrets = new Map<string, Uint8Array>()
  const parties: RecoveryParty[] = []
  for (const [index, [name, publicKey]] of [...keys].entries()) {
    const share = shares[index]
    if (share === undefined) throw new Error('there are fewer shares than recovery keys')
    recoverySecrets.set(name, encryptTo(publicKey, share))
    parties.push({ name, publicKey, shareHash: createHash('sha256').update(share).digest('hex') })
    share.fill(0)
  }
  const needed = scheme === 'shamir' ? threshold : keys.size
  return { dek: new SecretBytes(dek), recoverySecrets, description: { threshold: needed, scheme, parties } }
}

interface Shares {
  readonly dek: Uint8Array
  readonly shares: readonly Uint8Array[]
  readonly scheme: RecoveryDescription['scheme']
}

async function makeShares(parties: number, threshold: number): Promise<Shares> {
  if (parties === 0) return { dek: new Uint8Array(randomBytes(dekBytes)), shares: [], scheme: 'none' }
  if (parties === 1) {
    const dek = new Uint8Array(randomBytes(dekBytes))
    return { dek, shares: [new Uint8Array(dek)], scheme: 'single' }
  }
  if (threshold === 0 || threshold === parties) {
    const shares = Array.from({ length: parties }, () => new Uint8Array(randomBytes(dekBytes)))
    return { dek: xor(shares), shares, scheme: 'xor' }
  }
  const dek = new Uint8Array(randomBytes(dekBytes))
  return { dek, shares: await split(dek, parties, threshold), scheme: 'shamir' }
}

/** The key of an n-of-n split: the XOR of all shares. */
export function xor(shares: readonly Uint8Array[]): Uint8Array {
  const key = new Uint8Array(dekBytes)
  for (const share of shares) {
    for (const [index, octet] of share.entries()) key[index] = (key[index] ?? 0) ^ octet
  }
  return key
}

function encryptTo(publicKey: string, share: Uint8Array): Uint8Array {
  return publicEncrypt(
    { key: createPublicKey(publicKey), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
    share,
  )
}

/** Version of the encoding below. */
const descriptionVersion = 1

/** As UTF-8 JSON, so that a person can read which parties recovery needs. */
export function encodeDescription(description: RecoveryDescription): Uint8Array {
  return Buffer.from(JSON.stringify({ version: descriptionVersion, ...description }))
}

/** @throws Error when the bytes are no description of this version */
export function decodeDescription(bytes: Uint8Array): RecoveryDescription {
  const parsed: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
  const fields = recordOf(parsed)
  if (fields?.['version'] !== descriptionVersion)
    throw new Error('the recovery parties are stored in another version')
  const { threshold, scheme, parties } = fields
  const known = schemes.find((name) => name === scheme)
  if (typeof threshold !== 'number' || known === undefined || !Array.isArray(parties)) {
    throw new Error('the stored recovery parties have another shape')
  }
  return { threshold, scheme: known, parties: parties.map(decodeParty) }
}

const schemes = ['none', 'single', 'xor', 'shamir'] as const

function decodeParty(party: unknown): RecoveryParty {
  const { name, publicKey, shareHash } = recordOf(party) ?? {}
  if (typeof name === 'string' && typeof publicKey === 'string' && typeof shareHash === 'string') {
    return { name, publicKey, shareHash }
  }
  throw new Error('a stored recovery party has another shape')
}

const recordOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined
