import { bytesEqual } from '../core/bytes.ts'
import type { BoundedCache } from '../core/cache.ts'
import { contentKey } from '../core/content-key.ts'
import type { CryptoPort } from '../core/crypto.ts'
import type { Certificate } from '../core/x509.ts'
import { timeText } from '../core/chain.ts'
import type { SignedChain } from '../core/chain.ts'
import type { Checks } from '../core/checks.ts'
import {
  requireNotRevoked,
  requireRevocationListValidAt,
  verifyRevocationListSignature,
} from '../core/crl.ts'
import type { RevocationList } from '../core/crl.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import type { CollateralRules } from '../core/grace.ts'
import type { AmdVerifierOptions } from './options.ts'

export interface RevocationTrust {
  readonly crypto: CryptoPort
  readonly revocation: AmdVerifierOptions['revocation']
  /** Lists whose signatures were good, by the bytes of list and ARK. */
  readonly revocationLists: BoundedCache<true>
}

export const CRL = { check: 'amd-crl', what: 'revocation list of the ARK' } as const

/**
 * Checks the ASK or ASVK against the revocation lists of its ARK. Lists of other product lines are left alone. Each list
 * of this one has to be genuine; those that are older or newer than the time may be there too (folders collect them), as
 * long as one is current. A certificate that any list up to that time names is revoked.
 *
 * @returns the current list; undefined when there is none, and none was demanded
 */
export async function checkRevocation(
  checks: Checks,
  chain: SignedChain,
  crls: readonly RevocationList[],
  { at, ...rules }: CollateralRules & { readonly at: Date },
  trust: RevocationTrust,
): Promise<RevocationList | undefined> {
  const { anchor } = chain
  const own = crls.filter((list) => bytesEqual(list.issuer, anchor.subject))
  const [newest] = newestFirst(own)
  if (!newest) {
    requireOptional(checks, trust.revocation, anchor.subjectCommonName)
    return undefined
  }
  for (const list of own) await requireGenuine(list, anchor, trust)
  const current =
    own.find((list) => at >= list.thisUpdate && at <= list.nextUpdate) ?? newestUpTo(own, at) ?? newest
  requireRevocationListValidAt(current, at, CRL, rules)
  for (const list of own.filter(({ thisUpdate }) => thisUpdate <= at)) {
    for (const certificate of chain.certificates) {
      if (bytesEqual(certificate.issuer, list.issuer)) requireNotRevoked(list, certificate, CRL)
    }
  }
  checks.passed(CRL.check, { found: `of ${timeText(current.thisUpdate)}` })
  if (at > current.nextUpdate) {
    checks.passed('collateral-grace', { found: `the ${CRL.what} ended at ${timeText(current.nextUpdate)}` })
  }
  return current
}

const newestFirst = (lists: readonly RevocationList[]): readonly RevocationList[] =>
  lists.toSorted((a, b) => b.thisUpdate.getTime() - a.thisUpdate.getTime())

const newestUpTo = (lists: readonly RevocationList[], at: Date): RevocationList | undefined =>
  newestFirst(lists).find(({ thisUpdate }) => thisUpdate <= at)

async function requireGenuine(
  list: RevocationList,
  ark: Certificate,
  { crypto, revocationLists }: RevocationTrust,
): Promise<void> {
  const key = await contentKey(crypto, [list.raw, ark.raw])
  await revocationLists.getOrMake(key, async () => {
    await verifyRevocationListSignature(crypto, list, ark, CRL)
    return true as const
  })
}

function requireOptional(
  checks: Checks,
  revocation: AmdVerifierOptions['revocation'],
  ark: string | undefined,
): void {
  if (revocation === 'if-given') {
    checks.skipped(CRL.check, 'no revocation list was given, and none was demanded')
    return
  }
  throw new EvidenceInvalid(CRL.check, {
    message: `the revocation list of '${ark ?? 'the ARK'}' is missing`,
    expected: 'a current revocation list',
    found: 'none',
    remedy:
      "get it from AMD's key distribution service (vcek/v1/{product}/crl), or verify without demanding one",
  })
}
