import { AMD_PRODUCTS } from '../amd/tcb.ts'
import { TCB_LEVEL_STATUSES, TCB_STATUSES } from '../intel/tcb-status.ts'
import {
  bigInteger,
  bytes,
  flag,
  hex,
  hexOrEmpty,
  integer,
  list,
  map,
  name,
  object,
  oneOrList,
  scalar,
  text,
  textLike,
} from './field.ts'
import type { Field } from './field.ts'

/** The members of an entry of a manifest's `Packages` and `Infrastructures`. docs/manifest.md says what they mean. */

const U64 = 2n ** 64n - 1n
const U32 = 2 ** 32 - 1

const hexes = (...lengths: readonly number[]) => oneOrList(hex(...lengths))
const texts = list(text)
export const evaluationNumber = integer(U32)

const tcbMembers = {
  Debug: flag,
  AcceptedAdvisories: texts,
} as const

/** At the top of a package: its SGX enclaves, as manifests always named them. */
const sgxMembers = {
  UniqueID: hexOrEmpty(32),
  SignerID: hexOrEmpty(32),
  ProductID: bigInteger(U64),
  SecurityVersion: bigInteger(U64),
  ...tcbMembers,
  AcceptedTCBStatuses: list(name('TCB status', TCB_LEVEL_STATUSES)),
} as const

/** Lengths: Intel TDX DCAP Quoting Library API, A.3.2 and A.3.4 (SHA-384 measurements, 8 bytes of attributes). */
const tdx = object({
  MRTD: hexes(48),
  RTMR0: hexes(48),
  RTMR1: hexes(48),
  RTMR2: hexes(48),
  RTMR3: hexes(48),
  MRConfigID: hexes(48),
  MROwner: hexes(48),
  MROwnerConfig: hexes(48),
  MRSeam: hexes(48),
  MRSignerSeam: hexes(48),
  MRServiceTD: hexes(48),
  TDAttributes: hexes(8),
  XFAM: hexes(8),
  SeptVEDisable: flag,
  MinimumTEETCBSVN: textLike(
    /^(?:[0-9a-fA-F]{2}){1,16}$/,
    'up to 16 bytes in hex, the first component first',
  ),
  ...tcbMembers,
  AcceptedTCBStatuses: list(name('TCB status', TCB_STATUSES)),
  MinimumTCBEvaluationDataNumber: evaluationNumber,
})

const tcbVersion = object({
  FMC: integer(255),
  Bootloader: integer(255),
  TEE: integer(255),
  SNP: integer(255),
  Microcode: integer(255),
})

/** Lengths: AMD 56860, 7.3, ATTESTATION_REPORT. */
const snp = object({
  Measurement: hexes(48),
  HostData: hexes(32),
  IDKeyDigest: hexes(48),
  AuthorKeyDigest: hexes(48),
  FamilyID: hexes(16),
  ImageID: hexes(16),
  ChipID: hexes(64),
  CSPID: oneOrList(text),
  Products: oneOrList(name('product', AMD_PRODUCTS)),
  SigningKeys: oneOrList(name('signing key', ['VCEK', 'VLEK'])),
  MinimumGuestSVN: integer(U32),
  VMPL: oneOrList(integer(3)),
  MinimumTCB: tcbVersion,
  MinimumCommittedTCB: tcbVersion,
  MinimumLaunchTCB: tcbVersion,
  MinimumReportVersion: integer(U32),
  MinimumABI: textLike(/^\d{1,3}\.\d{1,3}$/, 'a version, "major.minor"'),
  MinimumFirmware: textLike(
    /^\d{1,3}\.\d{1,3}(?:\.\d{1,3})?$/,
    'a version, "major.minor" or "major.minor.build"',
  ),
  Debug: flag,
  Policy: object({
    SMT: flag,
    MigrateMA: flag,
    SingleSocket: flag,
    CXLAllow: flag,
    MemAES256XTS: flag,
    RAPLDis: flag,
    CiphertextHiding: flag,
    PageSwapDisable: flag,
  }),
  Platform: object({
    SMT: flag,
    TSME: flag,
    ECC: flag,
    RAPLDisabled: flag,
    CiphertextHiding: flag,
    AliasCheckComplete: flag,
    IOMMUWriteSafe: flag,
    TIO: flag,
  }),
})

/**
 * PCRs by index: `"4"`, or `"PCR4"` as build tools write it.
 *
 * @param indexes a pattern for those up to `highest`
 */
function pcrs(
  highest: number,
  indexes: string,
  ...lengths: readonly number[]
): Field<Readonly<Record<string, readonly string[]>>> {
  const pattern = `^(?:[Pp][Cc][Rr])?(${indexes})$`
  return map(hexes(...lengths), {
    pattern,
    expected: `the index of a PCR, "0" to "${highest}", or "PCR0" to "PCR${highest}"`,
    keyOf: (given) => new RegExp(pattern).exec(given)?.[1],
  })
}

/** AWS Nitro Enclaves, attestation_process.md: indexes 0 to 31, SHA-384. */
const nitroPcrs = pcrs(31, '[0-9]|[12][0-9]|3[01]', 48)

const nitro = object({ PCRs: nitroPcrs, ModuleID: oneOrList(text), Debug: flag })

/** A TPM has 24 PCRs (TCG PC Client Platform TPM Profile, 4.6); banks are of SHA-256 or SHA-384. */
const azureVtpm = object({
  PCRs: pcrs(23, '[0-9]|1[0-9]|2[0-3]', 32, 48),
  VMConfiguration: map(oneOrList(scalar)),
  SNP: snp,
  TDX: tdx,
})

/** An entry of `Packages`. */
export const packageField = object({ ...sgxMembers, TDX: tdx, SNP: snp, Nitro: nitro, AzureVTPM: azureVtpm })

/** An entry of `Infrastructures`; at its top what is about Intel's platforms, as manifests always named it. */
export const infrastructureField = object({
  CPUSVN: bytes,
  QESVN: integer(65535),
  PCESVN: integer(65535),
  RootCA: bytes,
  SNP: object({
    ChipID: hexes(64),
    CSPID: oneOrList(text),
    Products: oneOrList(name('product', AMD_PRODUCTS)),
    SigningKeys: oneOrList(name('signing key', ['VCEK', 'VLEK'])),
    MinimumTCB: tcbVersion,
    MinimumCommittedTCB: tcbVersion,
    MinimumFirmware: snp.fields.MinimumFirmware,
    Platform: snp.fields.Platform,
    RootCA: bytes,
  }),
  Nitro: object({ PCRs: nitroPcrs, RootCA: bytes }),
})

/** The same, for decoders and schemas. */
export const packageForm = packageField.form
export const infrastructureForm = infrastructureField.form

type ValueOf<F> = F extends Field<infer T> ? T : never
export type PackageSource = ValueOf<typeof packageField>
export type TdxSource = ValueOf<typeof tdx>
export type SnpSource = ValueOf<typeof snp>
export type TcbVersionSource = ValueOf<typeof tcbVersion>
export type NitroSource = ValueOf<typeof nitro>
export type AzureVtpmSource = ValueOf<typeof azureVtpm>
export type InfrastructureSource = ValueOf<typeof infrastructureField>
