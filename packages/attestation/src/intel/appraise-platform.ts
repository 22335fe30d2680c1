import { Appraisal } from '../core/appraisal.ts'
import { toHex } from '../core/encoding.ts'
import type { Check, Verified } from '../core/result.ts'
import type { SgxClaims, TdxClaims } from './verify.ts'

/** What the platform below an enclave or TD has to be (a manifest's `Infrastructures`). Absent fields are not compared. */
export interface IntelPlatformPolicy {
  /** A minimum for each byte of the CPUSVN that the PCK certificate states; up to 16 bytes. */
  readonly cpuSvn?: Uint8Array | undefined
  /** ISVSVN of the quoting enclave, a minimum. */
  readonly qeSvn?: number | undefined
  /** PCESVN that the PCK certificate states, a minimum. */
  readonly pceSvn?: number | undefined
  /** The root certificate that the evidence must chain to, DER. */
  readonly rootCa?: Uint8Array | undefined
}

const OUTDATED = 'ask your provider to update the platform, or lower the minimum'

/**
 * Compares the platform of a verified quote with a policy.
 *
 * @returns the comparisons, all of them passed
 * @throws PolicyMismatch `cpu-svn`, `qe-svn`, `pce-svn` or `root-ca`
 */
export function appraiseIntelPlatform(
  claims: Verified<SgxClaims> | Verified<TdxClaims>,
  policy: IntelPlatformPolicy,
): readonly Check[] {
  const appraisal = new Appraisal()
  const { platform, quote } = claims
  if (policy.cpuSvn) {
    // A byte beyond the CPUSVN's 16 reaches no minimum.
    const reaches = policy.cpuSvn.every((minimum, index) => (platform.cpuSvn[index] ?? -1) >= minimum)
    appraisal.holds({ name: 'cpu-svn', what: 'the CPUSVN', remedy: OUTDATED }, reaches, {
      expected: `at least ${toHex(policy.cpuSvn)}, byte by byte`,
      found: toHex(platform.cpuSvn),
    })
  }
  appraisal.atLeast(
    { name: 'qe-svn', what: "the quoting enclave's ISVSVN", remedy: OUTDATED },
    policy.qeSvn,
    quote.qeReport.isvSvn,
  )
  appraisal.atLeast({ name: 'pce-svn', what: 'the PCESVN', remedy: OUTDATED }, policy.pceSvn, platform.pceSvn)
  appraisal.rootCa(policy.rootCa, claims.rootCa)
  return appraisal.checks
}
