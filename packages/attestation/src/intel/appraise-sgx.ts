import { Appraisal } from '../core/appraisal.ts'
import { toHex } from '../core/encoding.ts'
import type { Check, Verified } from '../core/result.ts'
import { appraiseTcb } from './appraise-tcb.ts'
import type { TcbPolicy } from './appraise-tcb.ts'
import type { SgxClaims } from './verify.ts'

/** What an SGX enclave has to be. Fields that are absent are not compared, except `debug`. */
export interface SgxPolicy extends TcbPolicy {
  /** MRENCLAVE, hex of either case. */
  readonly uniqueId?: string | undefined
  /** MRSIGNER, hex of either case. */
  readonly signerId?: string | undefined
  /** ISVPRODID. */
  readonly productId?: number | bigint | undefined
  /** ISVSVN, a minimum. */
  readonly securityVersion?: number | undefined
  /** Must equal the enclave's debug flag; default false. The host can read a debug enclave's memory. */
  readonly debug?: boolean | undefined
  /** The 64 bytes that the enclave chose, hex; how evidence is bound to a key or nonce. */
  readonly reportData?: string | undefined
}

const OTHER_ENCLAVE = 'run the enclave that the policy names, or change the policy'

/**
 * Compares a verified quote with a policy.
 *
 * @returns the comparisons, all of them passed
 * @throws PolicyMismatch at the first that fails: `debug`, `unique-id`, `signer-id`, `product-id`, `security-version`,
 * `report-data`, `tcb-evaluation-data-number`, `tcb-status` or `tcb-advisories`
 */
export function appraiseSgx(claims: Verified<SgxClaims>, policy: SgxPolicy): readonly Check[] {
  const appraisal = new Appraisal()
  const { body } = claims.quote
  appraisal.flag(
    {
      name: 'debug',
      what: 'the debug flag of the enclave',
      remedy: body.debug
        ? 'build and sign the enclave for production, or (for tests only) set `Debug` in the policy'
        : 'unset `Debug` in the policy: the enclave is a production one',
    },
    policy.debug ?? false,
    body.debug,
  )
  const equal = (name: string, what: string, expected: string | undefined, found: string): void => {
    appraisal.oneOf(
      { name, what, remedy: OTHER_ENCLAVE },
      expected === undefined ? undefined : [expected],
      found,
    )
  }
  equal('unique-id', 'the UniqueID (MRENCLAVE)', policy.uniqueId, toHex(body.mrEnclave))
  equal('signer-id', 'the SignerID (MRSIGNER)', policy.signerId, toHex(body.mrSigner))
  equal('product-id', 'the ProductID (ISVPRODID)', policy.productId?.toString(), String(body.isvProdId))
  appraisal.atLeast(
    {
      name: 'security-version',
      what: 'the SecurityVersion (ISVSVN)',
      remedy: 'run a newer version of the enclave',
    },
    policy.securityVersion,
    body.isvSvn,
  )
  equal('report-data', 'the report data', policy.reportData, toHex(body.reportData))
  appraiseTcb(appraisal, claims.tcb, policy)
  return appraisal.checks
}
