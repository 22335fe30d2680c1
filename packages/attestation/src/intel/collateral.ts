import type { RevocationList } from '../core/crl.ts'
import type { Certificate } from '../core/x509.ts'
import type { QeIdentity } from './qe-identity.ts'
import type { TcbInfo } from './tcb-info.ts'

declare const decoded: unique symbol

/**
 * A document of Intel's provisioning service, decoded but not verified. Only this package makes one, so that `content` is what
 * `signedBytes` say.
 */
export interface SignedDocument<Content> {
  readonly [decoded]: true
  readonly content: Content
  /** The exact bytes that the signature is over, and that `content` was decoded from. */
  readonly signedBytes: Uint8Array
  /** r‖s, 64 bytes. */
  readonly signature: Uint8Array
  /** The chain that was given for this very document, leaf first. Undefined: find one among `certificates`. */
  readonly issuerChain: readonly Certificate[] | undefined
}

/** For this package alone. */
export function markDecoded<Content>(
  document: Omit<SignedDocument<Content>, typeof decoded>,
): SignedDocument<Content> {
  return document as SignedDocument<Content>
}

export interface IssuedRevocationList {
  readonly list: RevocationList
  /** The chain that was given for this very list, leaf first. */
  readonly issuerChain: readonly Certificate[] | undefined
}

/**
 * What vouches for Intel quotes: TCB info, QE identities, revocation lists and their issuers. All of it was read, none of it
 * is trusted: the verifier picks what fits a quote and the time, and verifies that.
 *
 * Make one with `collateralFromFiles` (any files, known by their content) or `collateralFromParts` (what a PCS or PCCS
 * answered, where each document comes with its issuer chain). Build it once and use it for many quotes.
 */
export interface IntelCollateral {
  readonly tcbInfos: readonly SignedDocument<TcbInfo>[]
  readonly qeIdentities: readonly SignedDocument<QeIdentity>[]
  readonly revocationLists: readonly IssuedRevocationList[]
  /** Certificates that came without saying what for: issuers, and PCK certificates for quotes that have none inside. */
  readonly certificates: readonly Certificate[]
}

export const NO_COLLATERAL: IntelCollateral = {
  tcbInfos: [],
  qeIdentities: [],
  revocationLists: [],
  certificates: [],
}

export function mergeCollateral(...parts: readonly IntelCollateral[]): IntelCollateral {
  return {
    tcbInfos: parts.flatMap((part) => part.tcbInfos),
    qeIdentities: parts.flatMap((part) => part.qeIdentities),
    revocationLists: parts.flatMap((part) => part.revocationLists),
    certificates: parts.flatMap((part) => part.certificates),
  }
}
