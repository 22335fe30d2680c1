import { timeText } from '../core/chain.ts'
import type { SnpEndorsement } from './endorsement.ts'
import type { SnpGuestPolicy, SnpReport } from './report.ts'
import type { TcbVersion } from './tcb.ts'
import type { SnpClaims } from './verify.ts'

/**
 * All fields of a report under their names in AMD 56860, for people and tools that look into it. Byte fields are lower-case
 * hex in the order of the structure. Says nothing about whether they are true.
 */
export function snpReportFacts(report: SnpReport) {
  const { cpuid, flags } = report
  return {
    version: report.version,
    guest_svn: report.guestSvn,
    policy: policyFacts(report.policy),
    family_id: report.familyId,
    image_id: report.imageId,
    vmpl: report.vmpl,
    signature_algo: report.signatureAlgo,
    platform_info: report.platformInfo.raw,
    flags: {
      raw: flags.raw,
      author_key_en: flags.authorKeyEnabled,
      mask_chip_key: flags.maskChipKey,
      signing_key: flags.signingKey,
    },
    report_data: report.reportData,
    measurement: report.measurement,
    host_data: report.hostData,
    id_key_digest: report.idKeyDigest,
    author_key_digest: report.authorKeyDigest,
    report_id: report.reportId,
    report_id_ma: report.reportIdMa,
    chip_id: report.chipId,
    ...(cpuid
      ? { cpuid: { family: octet(cpuid.family), model: octet(cpuid.model), stepping: octet(cpuid.stepping) } }
      : {}),
    product_from_cpuid: report.productFromCpuid ?? null,
    current_tcb: tcbFacts(report.currentTcb),
    reported_tcb: tcbFacts(report.reportedTcb),
    committed_tcb: tcbFacts(report.committedTcb),
    launch_tcb: tcbFacts(report.launchTcb),
    current_version: report.currentVersion,
    committed_version: report.committedVersion,
    ...(report.launchMitVector === undefined ? {} : { launch_mit_vector: report.launchMitVector }),
    ...(report.currentMitVector === undefined ? {} : { current_mit_vector: report.currentMitVector }),
  }
}

/** Verified claims as JSON: the report's fields as {@link snpReportFacts} names them, and what vouches for them. */
export function snpClaimsJson(claims: SnpClaims) {
  return {
    ...snpReportFacts(claims.report),
    product: claims.product,
    product_name: claims.productName,
    csp_id: claims.cspId ?? null,
    endorsement_sha256: claims.endorsementSha256,
    verified_at: timeText(claims.verifiedAt),
    valid_until: timeText(claims.validUntil),
  }
}

/** What AMD says in a VCEK or VLEK certificate. */
export function snpEndorsementFacts(endorsement: SnpEndorsement) {
  const { certificate } = endorsement
  return {
    type: endorsement.type,
    subject_cn: certificate.subjectCommonName ?? null,
    issuer_cn: certificate.issuerCommonName ?? null,
    product_name: endorsement.productName,
    struct_version: endorsement.structVersion,
    not_before: timeText(certificate.notBefore),
    not_after: timeText(certificate.notAfter),
    tcb: tcbFacts(endorsement.tcb),
    hwid: endorsement.hwid ?? null,
    csp_id: endorsement.cspId ?? null,
  }
}

function policyFacts(policy: SnpGuestPolicy) {
  return {
    raw: policy.raw,
    abi_minor: policy.abiMinor,
    abi_major: policy.abiMajor,
    smt: policy.smt,
    reserved1: policy.reserved1,
    migrate_ma: policy.migrateMa,
    debug: policy.debug,
    single_socket: policy.singleSocket,
    cxl_allow: policy.cxlAllow,
    mem_aes_256_xts: policy.memAes256Xts,
    rapl_dis: policy.raplDis,
    ciphertext_hiding: policy.ciphertextHiding,
    page_swap_disable: policy.pageSwapDisable,
  }
}

function tcbFacts({ raw, fmc, bootloader, tee, snp, microcode }: TcbVersion) {
  return { raw, ...(fmc === undefined ? {} : { fmc }), bootloader, tee, snp, microcode }
}

const octet = (value: number): string => `0x${value.toString(16).padStart(2, '0')}`
