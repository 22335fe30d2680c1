import { Checks } from '../core/checks.ts'
import { COSE_ALGORITHMS, signedBytes } from '../core/cose.ts'
import type { CoseSign1 } from '../core/cose.ts'
import type { CryptoPort } from '../core/crypto.ts'
import { fromHex, toHex } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { markVerified } from '../core/result.ts'
import type { Check, Verified } from '../core/result.ts'
import { realmKey } from './keys.ts'
import type { CcaKey, CcaPlatformKey } from './keys.ts'
import { parseCcaToken } from './token.ts'
import type { CcaPlatformClaims, CcaRealmClaims } from './token.ts'

export interface CcaVerifyOptions {
  readonly crypto: CryptoPort
  /**
   * The platforms that are trusted. Arm has no certificate chain for them: the keys come from the makers, or from a
   * service that keeps their endorsements.
   */
  readonly platformKeys: readonly CcaPlatformKey[]
}

/** What a verified CCA token says. A token has no time in it: the realm's challenge is what makes it fresh. */
export interface CcaClaims {
  readonly kind: 'cca-token'
  readonly platform: CcaPlatformClaims
  readonly lifecycleState: CcaLifecycleState
  readonly realm: CcaRealmClaims
  /** Everything that was checked, in order. */
  readonly checks: readonly Check[]
}

export type CcaLifecycleState =
  | 'unknown'
  | 'assembly-and-test'
  | 'rot-provisioning'
  | 'secured'
  | 'non-cca-platform-debug'
  | 'recoverable-cca-platform-debug'
  | 'decommissioned'
  | 'reserved'

/**
 * Verifies an Arm CCA attestation token (DEN0137, A7.2): that a trusted platform signed its half, that this half names the
 * realm's key, and that this key signed the realm's half.
 *
 * @throws EvidenceInvalid `token-format`, `platform-key`, `platform-signature`, `key-binding` or `realm-signature`
 */
export async function verifyCcaToken(
  token: Uint8Array,
  options: CcaVerifyOptions,
): Promise<Verified<CcaClaims>> {
  const bytes = Uint8Array.from(token)
  const checks = new Checks()
  return checks.run(async () => {
    const { platform, realm } = parseCcaToken(bytes)
    checks.passed('token-format')
    await requirePlatformSignature(checks, platform.cose, platform.claims.instanceId, options)
    checks.requireEqual('key-binding', {
      message: "the platform's half of the CCA token does not name the key of the realm's half",
      expected: platform.claims.challenge,
      found: await realmKeyHash(options.crypto, realm.claims),
    })
    const isSigned = await isSignedWith(options.crypto, realm.cose, realmKey(realm.claims.publicKey))
    checks.require('realm-signature', isSigned, () => ({
      message: 'verifying the realm token: its signature is wrong',
      expected: 'a signature by the key in the token',
      found: 'another one',
    }))
    return markVerified<CcaClaims>({
      kind: 'cca-token',
      platform: platform.claims,
      lifecycleState: lifecycleState(platform.claims.lifecycle),
      realm: realm.claims,
      checks: checks.list,
    })
  })
}

async function requirePlatformSignature(
  checks: Checks,
  cose: CoseSign1,
  instanceId: string,
  { crypto, platformKeys }: CcaVerifyOptions,
): Promise<void> {
  const candidates = platformKeys.filter(
    (key) => key.instanceId === undefined || key.instanceId === instanceId,
  )
  checks.require('platform-key', candidates.length > 0, () => ({
    message: 'verifying the platform token: there is no trusted key for this platform',
    expected: `a key of instance ${instanceId}`,
    found: platformKeys.length === 0 ? 'no key' : `${platformKeys.length} keys of other instances`,
    remedy: "give the platform's attestation key, as its maker publishes it",
  }))
  let isSigned = false
  for (const key of candidates) isSigned ||= await isSignedWith(crypto, cose, key)
  checks.require('platform-signature', isSigned, () => ({
    message: 'verifying the platform token: no trusted key signed it',
    expected: 'a signature by a trusted platform key',
    found: `one of ${COSE_ALGORITHMS.get(cose.algorithm)?.name ?? `algorithm ${cose.algorithm}`} by none of them`,
  }))
}

/** False too when the token names an algorithm that is not the key's. */
async function isSignedWith(crypto: CryptoPort, cose: CoseSign1, { scheme, spki }: CcaKey): Promise<boolean> {
  if (COSE_ALGORITHMS.get(cose.algorithm)?.scheme !== scheme) return false
  const key = await crypto.importKey(scheme, spki)
  return key !== undefined && (await crypto.verify(key, signedBytes(cose), cose.signature))
}

/** Over the claim's byte string as it stands (DEN0137, A7.2). */
async function realmKeyHash(crypto: CryptoPort, claims: CcaRealmClaims): Promise<string> {
  const key = fromHex(claims.publicKey)
  switch (claims.publicKeyHashAlgorithm) {
    case 'sha-256':
      return toHex(await crypto.sha256(key))
    case 'sha-384':
      return toHex(await crypto.sha384(key))
    case 'sha-512':
      return toHex(await crypto.sha512(key))
    default:
      throw new EvidenceInvalid('key-binding', {
        message: "the realm token names an unknown hash algorithm for the realm's key",
        expected: 'sha-256, sha-384 or sha-512',
        found: `'${claims.publicKeyHashAlgorithm.slice(0, 40)}'`,
      })
  }
}

/** The upper byte of the lifecycle claim; the lower one is for the implementation (DEN0137, A7.2). */
const LIFECYCLE_STATES: ReadonlyMap<number, CcaLifecycleState> = new Map([
  [0x00, 'unknown'],
  [0x10, 'assembly-and-test'],
  [0x20, 'rot-provisioning'],
  [0x30, 'secured'],
  [0x40, 'non-cca-platform-debug'],
  [0x50, 'recoverable-cca-platform-debug'],
  [0x60, 'decommissioned'],
])

function lifecycleState(lifecycle: number): CcaLifecycleState {
  return LIFECYCLE_STATES.get(Math.floor(lifecycle / 256)) ?? 'reserved'
}
