import type { EvidenceProvider } from '@taw/evidence'
import type { OwnCollateral } from '../evidence/quote-collateral.ts'
import type { EvidenceVerification } from '../evidence/verification.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { SealedLedger } from '../ledger/open.ts'
import type { Logger } from '../logger.ts'
import type { AuthorityNames } from '../pki/authority-names.ts'
import type { Curve } from '../pki/curve.ts'
import type { Authority, Issuer } from '../pki/authority.ts'
import type { KeyPool } from '../secrets/key-pool.ts'

/** What operations need from outside. Wired in `main.ts`; tests give their own clock, backend and evidence. */
export interface Ports {
  readonly ledger: Ledger
  /** What recovery opens, when the Coordinator started in state 1. */
  readonly sealed: SealedLedger | undefined
  readonly keyPool: KeyPool
  /** Of this Coordinator. */
  readonly evidence: EvidenceProvider
  /** Of this Coordinator's evidence. */
  readonly collateral: OwnCollateral
  /** Of marbles, and of whatever quotes users want signed. */
  readonly verification: EvidenceVerification
  /** The marble root, ready to sign; imported once per authority. */
  readonly issuer: (authority: Authority) => Issuer
  /** What the Coordinator's own certificates are valid for. */
  readonly names: AuthorityNames
  readonly curve: Curve
  /** Then marbles need no evidence, and none is looked at. */
  readonly simulation: boolean
  readonly now: () => Date
  readonly log: Logger
}
