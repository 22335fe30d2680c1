import { Appraisal } from '../core/appraisal.ts'
import { timeText } from '../core/chain.ts'
import type { Check, Verified } from '../core/result.ts'
import { IMAGE_PCRS } from './document.ts'
import type { NitroClaims } from './verify.ts'

/**
 * What a Nitro enclave has to be. Fields that are absent are not compared, except `debug`. Byte strings are hex of either
 * case; of a list, one has to match.
 */
export interface NitroPolicy {
  /**
   * By index, for example `{ '0': ['…'], '8': ['…'] }`; 48 bytes each. PCR0 is the image, PCR1 kernel and boot ramdisk,
   * PCR2 the application, PCR3 the parent's IAM role, PCR4 the parent instance, PCR8 the image's signing certificate.
   */
  readonly pcrs?: Readonly<Record<string, readonly string[]>> | undefined
  /** Must equal debug mode, which is when one of PCR0 to PCR2 is zero; default false. */
  readonly debug?: boolean | undefined
  readonly publicKeys?: readonly string[] | undefined
  readonly userData?: readonly string[] | undefined
  readonly nonces?: readonly string[] | undefined
  readonly moduleIds?: readonly string[] | undefined
  /** The document must be at least as new as this. */
  readonly issuedAfter?: Date | undefined
}

/** Where an enclave has to run (a manifest's `Infrastructures`). Absent fields are not compared. */
export interface NitroPlatformPolicy extends Pick<NitroPolicy, 'pcrs'> {
  /** DER of the root certificate that the evidence must chain to. */
  readonly rootCa?: Uint8Array | undefined
}

const OTHER_ENCLAVE = 'run the enclave image that the policy names, or add this value to the policy'
const NEW_DOCUMENT = 'request a new document, for the key or nonce that it is to bind'

const isZero = (pcr: string | undefined): boolean => pcr === undefined || /^0*$/.test(pcr)

/**
 * Compares a verified document with a policy.
 *
 * @returns the comparisons, all of them passed
 * @throws PolicyMismatch at the first that fails
 */
export function appraiseNitro(claims: Verified<NitroClaims>, policy: NitroPolicy): readonly Check[] {
  const appraisal = new Appraisal()
  // No measured image has zeros in any of them.
  const isDebug = IMAGE_PCRS.some((index) => isZero(claims.pcrs[index]))
  appraisal.flag(
    {
      name: 'debug',
      what: 'the debug mode of the enclave (PCR0, PCR1 or PCR2 is zero)',
      remedy: isDebug
        ? 'run the enclave without --debug-mode, or (for tests only) set debug in the policy'
        : 'unset debug in the policy: the enclave is a production one',
    },
    policy.debug ?? false,
    isDebug,
  )
  appraisePcrs(appraisal, claims, policy.pcrs, OTHER_ENCLAVE)
  const fields = [
    ['public-key', 'the public key', policy.publicKeys, claims.publicKey],
    ['user-data', 'the user data', policy.userData, claims.userData],
    ['nonce', 'the nonce', policy.nonces, claims.nonce],
  ] as const
  for (const [name, what, allowed, found] of fields) {
    appraisal.oneOf({ name, what, remedy: NEW_DOCUMENT }, allowed, found ?? 'none')
  }
  appraisal.oneOf(
    { name: 'module-id', what: 'the module id', remedy: OTHER_ENCLAVE },
    policy.moduleIds,
    claims.moduleId,
  )
  if (policy.issuedAfter) {
    const issued = new Date(claims.timestamp)
    appraisal.holds(
      { name: 'issued-after', what: "the document's time", remedy: NEW_DOCUMENT },
      issued >= policy.issuedAfter,
      { expected: `from ${timeText(policy.issuedAfter)} on`, found: timeText(issued) },
    )
  }
  return appraisal.checks
}

/**
 * Compares where a verified document comes from with a policy; what the enclave is doesn't matter.
 *
 * @returns the comparisons, all of them passed
 * @throws PolicyMismatch at the first that fails
 */
export function appraiseNitroPlatform(
  claims: Verified<NitroClaims>,
  policy: NitroPlatformPolicy,
): readonly Check[] {
  const appraisal = new Appraisal()
  appraisePcrs(appraisal, claims, policy.pcrs, 'start the enclave from an instance that the policy names')
  appraisal.rootCa(policy.rootCa, claims.rootCa)
  return appraisal.checks
}

function appraisePcrs(
  appraisal: Appraisal,
  claims: NitroClaims,
  pcrs: NitroPolicy['pcrs'],
  remedy: string,
): void {
  for (const [index, allowed] of Object.entries(pcrs ?? {})) {
    const field = { name: `pcr${index}`, what: `PCR${index}`, remedy }
    appraisal.oneOf(field, allowed, claims.pcrs[index] ?? 'none')
  }
}
