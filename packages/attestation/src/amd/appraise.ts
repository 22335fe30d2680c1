import { Appraisal } from '../core/appraisal.ts'
import type { Check, Verified } from '../core/result.ts'
import { tcbText } from './tcb.ts'
import type { AmdProduct, TcbComponent, TcbVersion } from './tcb.ts'
import type { SnpClaims } from './verify.ts'

/** The least patch levels that are accepted, component by component; those left out may have any. */
export type TcbMinimum = Readonly<Partial<Record<TcbComponent, number>>>

/**
 * What an SEV-SNP guest has to be. Fields that are absent are not compared, except `debug` and `migrateMa`. Byte strings are
 * hex of either case; of a list, one has to match.
 */
export interface SnpPolicy {
  readonly products?: readonly AmdProduct[] | undefined
  /** Launch measurements, 48 bytes. */
  readonly measurements?: readonly string[] | undefined
  /** 64 bytes: binds the report to a key, a nonce, or whatever its requester put there. */
  readonly reportData?: readonly string[] | undefined
  /** 32 bytes that the host gave at launch. */
  readonly hostData?: readonly string[] | undefined
  /** SHA-384 of the key that signed the guest's ID block; 48 bytes. */
  readonly idKeyDigests?: readonly string[] | undefined
  /** SHA-384 of the key that signed the ID key; 48 bytes. A report without an author key matches none. */
  readonly authorKeyDigests?: readonly string[] | undefined
  /** 16 bytes of the ID block. */
  readonly familyIds?: readonly string[] | undefined
  /** 16 bytes of the ID block. */
  readonly imageIds?: readonly string[] | undefined
  /** 64 bytes, zeros after Turin's 8. */
  readonly chipIds?: readonly string[] | undefined
  /** Cloud providers of VLEKs, for example `CN=cc-us-east-2.amazonaws.com`. A report under a VCEK matches none. */
  readonly cspIds?: readonly string[] | undefined
  readonly signingKeys?: readonly SnpClaims['signingKey'][] | undefined
  readonly minimumGuestSvn?: number | undefined
  /** Privilege levels that the report may be requested from, 0 to 3. */
  readonly vmpls?: readonly number[] | undefined
  /** Compared with the reported TCB version, the one that the key belongs to. */
  readonly minimumTcb?: TcbMinimum | undefined
  /** Compared with the TCB version that the host can't go back behind. */
  readonly minimumCommittedTcb?: TcbMinimum | undefined
  /** Compared with the TCB version at launch or the last migration. */
  readonly minimumLaunchTcb?: TcbMinimum | undefined
  /** Report versions; CPUID needs 3. */
  readonly minimumVersion?: number | undefined
  /** Firmware that is running, `major.minor` or `major.minor.build`. */
  readonly minimumFirmware?: string | undefined
  /** ABI version that the guest's policy demands, `major.minor`. */
  readonly minimumAbi?: string | undefined
  readonly guestPolicy?: SnpGuestPolicyRules | undefined
  readonly platform?: SnpPlatformRules | undefined
}

/** What the platform below a guest has to be (a manifest's `Infrastructures`). Absent fields are not compared. */
export interface SnpPlatformPolicy extends Pick<
  SnpPolicy,
  | 'products'
  | 'chipIds'
  | 'cspIds'
  | 'signingKeys'
  | 'minimumTcb'
  | 'minimumCommittedTcb'
  | 'minimumFirmware'
  | 'platform'
> {
  /** DER of the ARK that the evidence must chain to. */
  readonly rootCa?: Uint8Array | undefined
}

export interface SnpGuestPolicyRules {
  /** Must equal the DEBUG bit; default false. The host can read a debug guest's memory. */
  readonly debug?: boolean | undefined
  /** Must equal the MIGRATE_MA bit; default false. A migration agent can take the guest's secrets elsewhere. */
  readonly migrateMa?: boolean | undefined
  /** Whether the guest may run on machines with SMT. */
  readonly smt?: boolean | undefined
  readonly singleSocket?: boolean | undefined
  readonly cxlAllow?: boolean | undefined
  readonly memAes256Xts?: boolean | undefined
  readonly raplDis?: boolean | undefined
  readonly ciphertextHiding?: boolean | undefined
  readonly pageSwapDisable?: boolean | undefined
}

export interface SnpPlatformRules {
  readonly smtEnabled?: boolean | undefined
  readonly tsmeEnabled?: boolean | undefined
  readonly eccEnabled?: boolean | undefined
  readonly raplDisabled?: boolean | undefined
  readonly ciphertextHidingEnabled?: boolean | undefined
  readonly aliasCheckComplete?: boolean | undefined
  readonly iommuWriteSafe?: boolean | undefined
  readonly tioEnabled?: boolean | undefined
}

const OTHER_GUEST = 'run the guest that the policy names, or add this value to the policy'
const OTHER_HOST = 'ask the provider to configure the machine so, use another machine, or change the policy'
const UPDATE = 'ask the provider to update the firmware, or accept lower levels in the policy'

/**
 * Compares a verified report with a policy.
 *
 * @returns the comparisons, all of them passed
 * @throws PolicyMismatch at the first that fails
 */
export function appraiseSnp(claims: Verified<SnpClaims>, policy: SnpPolicy): readonly Check[] {
  const appraisal = new Appraisal()
  appraiseGuestPolicy(appraisal, claims, policy.guestPolicy ?? {})
  appraiseIdentity(appraisal, claims, policy)
  appraiseVersions(appraisal, claims, policy)
  appraisePlatform(appraisal, claims, policy.platform ?? {})
  return appraisal.checks
}

/**
 * Compares the platform of a verified report with a policy; what the guest is doesn't matter.
 *
 * @returns the comparisons, all of them passed
 * @throws PolicyMismatch at the first that fails
 */
export function appraiseSnpPlatform(
  claims: Verified<SnpClaims>,
  policy: SnpPlatformPolicy,
): readonly Check[] {
  const appraisal = new Appraisal()
  const { rootCa, ...fields } = policy
  appraiseIdentity(appraisal, claims, fields)
  appraiseVersions(appraisal, claims, fields)
  appraisePlatform(appraisal, claims, fields.platform ?? {})
  appraisal.rootCa(rootCa, claims.rootCa)
  return appraisal.checks
}

function appraiseGuestPolicy(appraisal: Appraisal, { report }: SnpClaims, rules: SnpGuestPolicyRules): void {
  const { policy } = report
  appraisal.flag(
    {
      name: 'debug',
      what: "the DEBUG bit of the guest's policy",
      remedy: policy.debug
        ? 'launch the guest without the DEBUG bit, or (for tests only) set debug in the policy'
        : 'unset debug in the policy: the guest is a production one',
    },
    rules.debug ?? false,
    policy.debug,
  )
  appraisal.flag(
    {
      name: 'migration-agent',
      what: "the MIGRATE_MA bit of the guest's policy",
      remedy: 'launch the guest with the other setting, or change migrateMa in the policy',
    },
    rules.migrateMa ?? false,
    policy.migrateMa,
  )
  const bits = [
    ['policy-smt', 'SMT', 'smt'],
    ['policy-single-socket', 'SINGLE_SOCKET', 'singleSocket'],
    ['policy-cxl-allow', 'CXL_ALLOW', 'cxlAllow'],
    ['policy-mem-aes-256-xts', 'MEM_AES_256_XTS', 'memAes256Xts'],
    ['policy-rapl-dis', 'RAPL_DIS', 'raplDis'],
    ['policy-ciphertext-hiding', 'CIPHERTEXT_HIDING_DRAM', 'ciphertextHiding'],
    ['policy-page-swap-disable', 'PAGE_SWAP_DISABLE', 'pageSwapDisable'],
  ] as const
  for (const [name, bit, key] of bits) {
    const field = {
      name,
      what: `the ${bit} bit of the guest's policy`,
      remedy: 'launch the guest with another policy',
    }
    appraisal.flag(field, rules[key], policy[key])
  }
}

function appraiseIdentity(appraisal: Appraisal, claims: SnpClaims, policy: SnpPolicy): void {
  const { report } = claims
  const field = (name: string, what: string, remedy = OTHER_GUEST) => ({ name, what, remedy })
  appraisal.oneOf(field('measurement', 'the launch measurement'), policy.measurements, report.measurement)
  appraisal.oneOf(
    field(
      'report-data',
      'the report data',
      'request the report anew, for the key or nonce that it is to bind',
    ),
    policy.reportData,
    report.reportData,
  )
  appraisal.oneOf(field('host-data', 'the host data'), policy.hostData, report.hostData)
  appraisal.oneOf(field('id-key-digest', 'the digest of the ID key'), policy.idKeyDigests, report.idKeyDigest)
  appraisal.oneOf(
    field('author-key-digest', 'the digest of the author key'),
    policy.authorKeyDigests,
    // Without AUTHOR_KEY_EN the field says nothing (AMD 56860, ATTESTATION_REPORT).
    report.flags.authorKeyEnabled ? report.authorKeyDigest : 'none',
  )
  appraisal.oneOf(field('family-id', 'the family id'), policy.familyIds, report.familyId)
  appraisal.oneOf(field('image-id', 'the image id'), policy.imageIds, report.imageId)
  appraisal.atLeast(
    field('guest-svn', "the guest's security version"),
    policy.minimumGuestSvn,
    report.guestSvn,
  )
  appraisal.numberIn(field('vmpl', 'the privilege level'), policy.vmpls, report.vmpl)
  appraisal.oneOf(field('product', 'the processor', OTHER_HOST), policy.products, claims.product)
  appraisal.oneOf(field('signing-key', 'the signing key', OTHER_HOST), policy.signingKeys, claims.signingKey)
  appraisal.oneOf(field('chip-id', 'the chip', OTHER_HOST), policy.chipIds, report.chipId)
  appraisal.oneOf(field('csp-id', 'the cloud provider', OTHER_HOST), policy.cspIds, claims.cspId ?? 'none')
}

function appraiseVersions(appraisal: Appraisal, { report }: SnpClaims, policy: SnpPolicy): void {
  const field = (name: string, what: string) => ({ name, what, remedy: UPDATE })
  appraisal.atLeast(
    field('report-version', 'the version of the report'),
    policy.minimumVersion,
    report.version,
  )
  const levels = [
    ['minimum-tcb', 'the reported TCB version', policy.minimumTcb, report.reportedTcb],
    ['minimum-committed-tcb', 'the committed TCB version', policy.minimumCommittedTcb, report.committedTcb],
    ['minimum-launch-tcb', 'the TCB version at launch', policy.minimumLaunchTcb, report.launchTcb],
  ] as const
  for (const [name, what, minimum, found] of levels) {
    if (minimum) {
      const values = { expected: minimumText(minimum), found: tcbText(found) }
      appraisal.holds(field(name, what), reaches(found, minimum), values)
    }
  }
  const versions = [
    ['minimum-firmware', 'the firmware', policy.minimumFirmware, report.currentVersion],
    ['minimum-abi', "the ABI version of the guest's policy", policy.minimumAbi, abiText(report.policy)],
  ] as const
  for (const [name, what, minimum, found] of versions) {
    if (minimum !== undefined) {
      appraisal.holds(field(name, what), versionReaches(found, minimum), {
        expected: `at least ${minimum}`,
        found,
      })
    }
  }
}

function appraisePlatform(appraisal: Appraisal, { report }: SnpClaims, rules: SnpPlatformRules): void {
  const bits = [
    ['platform-smt', 'SMT', 'smtEnabled'],
    ['platform-tsme', 'TSME', 'tsmeEnabled'],
    ['platform-ecc', 'ECC memory', 'eccEnabled'],
    ['platform-rapl-disabled', 'RAPL being off', 'raplDisabled'],
    ['platform-ciphertext-hiding', 'ciphertext hiding', 'ciphertextHidingEnabled'],
    ['platform-alias-check', 'a complete check for aliased memory', 'aliasCheckComplete'],
    ['platform-iommu-write-safe', 'safe writes of the IOMMU', 'iommuWriteSafe'],
    ['platform-tio', 'SEV-TIO', 'tioEnabled'],
  ] as const
  for (const [name, what, key] of bits) {
    appraisal.flag(
      { name, what: `${what} on the machine`, remedy: OTHER_HOST },
      rules[key],
      report.platformInfo[key],
    )
  }
}

const COMPONENTS = ['fmc', 'bootloader', 'tee', 'snp', 'microcode'] as const

/** A component that the processor doesn't have (FMC before Turin) reaches no minimum. */
function reaches(found: TcbVersion, minimum: TcbMinimum): boolean {
  return COMPONENTS.every((component) => {
    const least = minimum[component]
    if (least === undefined) return true
    const level = found[component]
    return level !== undefined && level >= least
  })
}

function minimumText(minimum: TcbMinimum): string {
  const parts = COMPONENTS.flatMap((component) => {
    const least = minimum[component]
    return least === undefined ? [] : [`${component} ${least}`]
  })
  return `at least ${parts.join(', ')}`
}

const abiText = ({ abiMajor, abiMinor }: { abiMajor: number; abiMinor: number }): string =>
  `${abiMajor}.${abiMinor}`

/** Compares dotted numbers from the left; what the minimum leaves out doesn't count. False when it is no such text. */
function versionReaches(found: string, minimum: string): boolean {
  if (!/^\d{1,5}(\.\d{1,5}){0,2}$/.test(minimum)) return false
  const foundParts = found.split('.').map(Number)
  for (const [index, least] of minimum.split('.').map(Number).entries()) {
    const part = foundParts[index] ?? 0
    if (part !== least) return part > least
  }
  return true
}
