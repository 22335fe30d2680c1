import { appraiseSnp } from '../amd/appraise.ts'
import type { SnpPolicy } from '../amd/appraise.ts'
import { Appraisal } from '../core/appraisal.ts'
import { PolicyMismatch } from '../core/errors.ts'
import type { Check, Verified } from '../core/result.ts'
import { appraiseTdx } from '../intel/appraise-tdx.ts'
import type { TdxPolicy } from '../intel/appraise-tdx.ts'
import type { AzureVtpmClaims } from './verify.ts'

/**
 * What a confidential VM on Azure has to be. Fields that are absent are not compared, but for what the hardware's policies
 * refuse by themselves, such as debugging. Byte strings are hex of either case; of a list, one has to match.
 */
export interface AzureVtpmPolicy {
  /** By index, for example `{ '4': ['…'], '11': ['…'] }`. The guest's boot and what it measures are in here. */
  readonly pcrs?: Readonly<Record<string, readonly string[]>> | undefined
  /** What the vTPM's quote has to have signed along: binds the evidence to a key or a nonce. */
  readonly nonces?: readonly string[] | undefined
  /** 64 bytes that the guest wrote into the runtime data. */
  readonly userData?: readonly string[] | undefined
  /** Members of Azure's VM configuration, for example `{ 'secure-boot': [true] }`. */
  readonly vmConfiguration?: Readonly<Record<string, readonly (string | number | boolean)[]>> | undefined
  /** For VMs on SEV-SNP. When there is only `tdx`, they are refused. */
  readonly snp?: SnpPolicy | undefined
  /** For VMs on TDX. When there is only `snp`, they are refused. */
  readonly tdx?: TdxPolicy | undefined
}

const OTHER_VM = 'run the VM that the policy names, or add this value to the policy'

/**
 * Compares verified evidence with a policy.
 *
 * @returns the comparisons, all of them passed, the hardware's first
 * @throws PolicyMismatch at the first that fails
 */
export function appraiseAzureVtpm(
  claims: Verified<AzureVtpmClaims>,
  policy: AzureVtpmPolicy,
): readonly Check[] {
  const hardware = appraiseHardware(claims, policy)
  const appraisal = new Appraisal(hardware)
  for (const [index, allowed] of Object.entries(policy.pcrs ?? {})) {
    const field = { name: `pcr${index}`, what: `PCR${index}`, remedy: OTHER_VM }
    appraisal.oneOf(field, allowed, claims.pcrs[index] ?? 'none')
  }
  const request = 'request new evidence, for the key or nonce that it is to bind'
  appraisal.oneOf({ name: 'nonce', what: 'the nonce', remedy: request }, policy.nonces, claims.nonce)
  appraisal.oneOf(
    { name: 'user-data', what: 'the user data', remedy: request },
    policy.userData,
    claims.userData ?? 'none',
  )
  for (const [name, allowed] of Object.entries(policy.vmConfiguration ?? {})) {
    const found = Object.hasOwn(claims.vmConfiguration, name) ? String(claims.vmConfiguration[name]) : 'none'
    const field = { name: 'vm-configuration', what: `'${name}' of the VM's configuration`, remedy: OTHER_VM }
    appraisal.oneOf(field, allowed.map(String), found)
  }
  return appraisal.checks
}

function appraiseHardware({ hardware }: AzureVtpmClaims, { snp, tdx }: AzureVtpmPolicy): readonly Check[] {
  const isNamed = hardware.kind === 'snp-report' ? snp !== undefined : tdx !== undefined
  if (!isNamed && (snp ?? tdx) !== undefined) {
    throw new PolicyMismatch('hardware', {
      message: 'the VM is on another kind of hardware than the policy allows',
      expected: snp ? 'SEV-SNP' : 'TDX',
      found: hardware.kind === 'snp-report' ? 'SEV-SNP' : 'TDX',
      remedy: 'run the VM on that hardware, or add a policy for this kind',
    })
  }
  return hardware.kind === 'snp-report' ? appraiseSnp(hardware, snp ?? {}) : appraiseTdx(hardware, tdx ?? {})
}
