/** What a verification may forgive about collateral. Nothing, unless it is said. */
export interface CollateralRules {
  /**
   * Milliseconds for which TCB info, QE identities and revocation lists are taken after their end, where none at hand is current;
   * default 0. Certificates get no grace, nor does what is revoked or not genuine. Revocations of that time go unnoticed.
   */
  readonly gracePeriod?: number | undefined
}

/** Until when something that ends then is taken. NaN, and what no date can hold, makes an invalid date: it is never taken. */
export const takenUntil = (end: Date, { gracePeriod = 0 }: CollateralRules): Date =>
  new Date(end.getTime() + Math.max(0, gracePeriod))
