import type { SnpPolicy, TcbMinimum } from '../amd/appraise.ts'
import type { AzureVtpmPolicy } from '../azure/appraise.ts'
import { fromHex } from '../core/encoding.ts'
import type { SgxPolicy } from '../intel/appraise-sgx.ts'
import type { TdxPolicy } from '../intel/appraise-tdx.ts'
import type { NitroPolicy } from '../nitro/appraise.ts'
import { packageField } from './fields.ts'
import type {
  AzureVtpmSource,
  NitroSource,
  PackageSource,
  SnpSource,
  TcbVersionSource,
  TdxSource,
} from './fields.ts'
import { acceptsSgx, checkWorkload } from './workload.ts'
import { Place } from './place.ts'
import type { PolicyFinding } from './place.ts'
import type { PackagePolicy } from './policy.ts'

/** A policy that was read, and what there is to say about it. */
export interface PolicyReading<Policy> {
  /** When there are problems: one that accepts nothing. */
  readonly policy: Policy
  readonly problems: readonly PolicyFinding[]
  readonly warnings: readonly PolicyFinding[]
}

/**
 * Reads an entry of a manifest's `Packages` (docs/manifest.md): SGX by its top-level members, other kinds of TEE by `TDX`, `SNP`,
 * `Nitro` and `AzureVTPM`. Names of members match without case. Each kind that is named has to say which workload it accepts,
 * unless it accepts only workloads under debug.
 *
 * @param json what `JSON.parse` gives, or the like: integers may be bigints too
 */
export function readPackagePolicy(json: unknown): PolicyReading<PackagePolicy> {
  const root = Place.root()
  const source = packageField.read(json, root)
  const { problems, warnings } = root.findings
  if (source) checkWorkload(source, root, new Set(problems.map(({ path }) => String(path[0]))))
  const policy = source && problems.length === 0 ? packagePolicy(source) : {}
  return { policy, problems, warnings }
}

const packagePolicy = (source: PackageSource): PackagePolicy => ({
  sgx: acceptsSgx(source) ? sgxPolicy(source) : undefined,
  tdx: source.TDX && tdxPolicy(source.TDX),
  snp: source.SNP && snpPolicy(source.SNP),
  nitro: source.Nitro && nitroPolicy(source.Nitro),
  azureVtpm: source.AzureVTPM && azureVtpmPolicy(source.AzureVTPM),
  source,
})

const sgxPolicy = (source: PackageSource): SgxPolicy => ({
  uniqueId: source.UniqueID,
  signerId: source.SignerID,
  productId: source.ProductID,
  securityVersion: source.SecurityVersion === undefined ? undefined : Number(source.SecurityVersion),
  debug: source.Debug ?? false,
  acceptedTcbStatuses: source.AcceptedTCBStatuses,
  acceptedAdvisories: source.AcceptedAdvisories,
})

const tdxPolicy = (source: TdxSource): TdxPolicy => ({
  mrTd: source.MRTD,
  rtmr0: source.RTMR0,
  rtmr1: source.RTMR1,
  rtmr2: source.RTMR2,
  rtmr3: source.RTMR3,
  mrConfigId: source.MRConfigID,
  mrOwner: source.MROwner,
  mrOwnerConfig: source.MROwnerConfig,
  mrSeam: source.MRSeam,
  mrSignerSeam: source.MRSignerSeam,
  mrServiceTd: source.MRServiceTD,
  tdAttributes: source.TDAttributes,
  xfam: source.XFAM,
  debug: source.Debug ?? false,
  septVeDisable: source.SeptVEDisable,
  minimumTeeTcbSvn:
    source.MinimumTEETCBSVN === undefined ? undefined : Array.from(fromHex(source.MinimumTEETCBSVN)),
  acceptedTcbStatuses: source.AcceptedTCBStatuses,
  acceptedAdvisories: source.AcceptedAdvisories,
  minimumTcbEvaluationDataNumber: source.MinimumTCBEvaluationDataNumber,
})

export const tcbMinimum = (source: TcbVersionSource | undefined): TcbMinimum | undefined =>
  source && {
    ...(source.FMC === undefined ? {} : { fmc: source.FMC }),
    ...(source.Bootloader === undefined ? {} : { bootloader: source.Bootloader }),
    ...(source.TEE === undefined ? {} : { tee: source.TEE }),
    ...(source.SNP === undefined ? {} : { snp: source.SNP }),
    ...(source.Microcode === undefined ? {} : { microcode: source.Microcode }),
  }

export const snpPlatformRules = (source: SnpSource['Platform']): SnpPolicy['platform'] =>
  source && {
    smtEnabled: source.SMT,
    tsmeEnabled: source.TSME,
    eccEnabled: source.ECC,
    raplDisabled: source.RAPLDisabled,
    ciphertextHidingEnabled: source.CiphertextHiding,
    aliasCheckComplete: source.AliasCheckComplete,
    iommuWriteSafe: source.IOMMUWriteSafe,
    tioEnabled: source.TIO,
  }

const snpPolicy = (source: SnpSource): SnpPolicy => ({
  measurements: source.Measurement,
  hostData: source.HostData,
  idKeyDigests: source.IDKeyDigest,
  authorKeyDigests: source.AuthorKeyDigest,
  familyIds: source.FamilyID,
  imageIds: source.ImageID,
  chipIds: source.ChipID,
  cspIds: source.CSPID,
  products: source.Products,
  signingKeys: source.SigningKeys,
  minimumGuestSvn: source.MinimumGuestSVN,
  vmpls: source.VMPL,
  minimumTcb: tcbMinimum(source.MinimumTCB),
  minimumCommittedTcb: tcbMinimum(source.MinimumCommittedTCB),
  minimumLaunchTcb: tcbMinimum(source.MinimumLaunchTCB),
  minimumVersion: source.MinimumReportVersion,
  minimumAbi: source.MinimumABI,
  minimumFirmware: source.MinimumFirmware,
  guestPolicy: {
    debug: source.Debug ?? false,
    smt: source.Policy?.SMT,
    migrateMa: source.Policy?.MigrateMA,
    singleSocket: source.Policy?.SingleSocket,
    cxlAllow: source.Policy?.CXLAllow,
    memAes256Xts: source.Policy?.MemAES256XTS,
    raplDis: source.Policy?.RAPLDis,
    ciphertextHiding: source.Policy?.CiphertextHiding,
    pageSwapDisable: source.Policy?.PageSwapDisable,
  },
  platform: snpPlatformRules(source.Platform),
})

const nitroPolicy = (source: NitroSource): NitroPolicy => ({
  pcrs: source.PCRs,
  moduleIds: source.ModuleID,
  debug: source.Debug ?? false,
})

/** Azure's paravisor, which makes the report, runs at VMPL 0; the guest above it must not stand in for it. */
const PARAVISOR_VMPL = 0

const azureVtpmPolicy = (source: AzureVtpmSource): AzureVtpmPolicy => ({
  pcrs: source.PCRs,
  vmConfiguration: source.VMConfiguration,
  snp: source.SNP && { ...snpPolicy(source.SNP), vmpls: source.SNP.VMPL ?? [PARAVISOR_VMPL] },
  tdx: source.TDX && tdxPolicy(source.TDX),
})
