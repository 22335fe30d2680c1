import type { SnpPlatformPolicy, SnpPolicy } from '../amd/appraise.ts'
import type { AzureVtpmPolicy } from '../azure/appraise.ts'
import type { IntelPlatformPolicy } from '../intel/appraise-platform.ts'
import type { SgxPolicy } from '../intel/appraise-sgx.ts'
import type { TdxPolicy } from '../intel/appraise-tdx.ts'
import type { NitroPlatformPolicy, NitroPolicy } from '../nitro/appraise.ts'

/** What a policy was read from: members by their canonical names, values as they were read; hex is in lower case. */
export type PolicySource = Readonly<Record<string, unknown>>

/** What a workload has to be on each kind of TEE that it may run on. Evidence of a kind that is not here is refused. */
export interface PackagePolicy {
  readonly sgx?: SgxPolicy | undefined
  readonly tdx?: TdxPolicy | undefined
  readonly snp?: SnpPolicy | undefined
  readonly nitro?: NitroPolicy | undefined
  readonly azureVtpm?: AzureVtpmPolicy | undefined
  /** For showing it; nothing is decided by it. */
  readonly source?: PolicySource | undefined
}

/**
 * What a platform has to be, by its vendor. Platforms of a vendor that is not here are refused; one that names no vendor at all
 * demands nothing.
 */
export interface InfrastructurePolicy {
  /** For SGX enclaves and TDs, Azure's VMs on TDX included. */
  readonly intel?: IntelPlatformPolicy | undefined
  /** For SEV-SNP guests, Azure's VMs on SEV-SNP included. */
  readonly snp?: SnpPlatformPolicy | undefined
  readonly nitro?: NitroPlatformPolicy | undefined
  /** For showing it; nothing is decided by it. */
  readonly source?: PolicySource | undefined
}
