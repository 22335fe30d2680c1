import type { CryptoPort } from '../core/crypto.ts'
import type { AmdRoot } from './roots.ts'

export interface AmdVerifierOptions {
  /** `nodeCrypto` or `webCrypto`. */
  readonly crypto: CryptoPort
  /**
   * `required`: a current revocation list of the ARK must be there. `if-given`: without one the check is recorded as
   * skipped; one that is there must be genuine and current all the same.
   */
  readonly revocation: 'required' | 'if-given'
  /** Default: AMD's own, {@link genuineAmdRoots}. Others are for test PKIs. */
  readonly anchors?: readonly AmdRoot[]
  /** How many verified certificate chains are remembered; default 1024. */
  readonly cacheEntries?: number
}
