/** One check of a verification, whether it passed or not; together they explain the verdict. */
export interface Check {
  /** Stable name in kebab case, for example `pck-chain`, `qe-identity`, `tcb-level`. */
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly expected?: string
  readonly found?: string
}

export type EvidenceKind =
  'sgx-quote' | 'tdx-quote' | 'snp-report' | 'nitro-document' | 'azure-vtpm' | 'cca-token'

declare const verified: unique symbol

/**
 * Claims that a verifier checked. Only the verifiers of this package can make one: the brand is not exported, so no
 * other code can pass unverified claims for verified ones.
 */
export type Verified<Claims> = Claims & { readonly [verified]: true }

/** For the verifiers of this package alone. */
export function markVerified<Claims extends object>(claims: Claims): Verified<Claims> {
  return claims as Verified<Claims>
}
