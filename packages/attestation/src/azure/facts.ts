import { snpClaimsJson } from '../amd/facts.ts'
import { timeText } from '../core/chain.ts'
import { toHex } from '../core/encoding.ts'
import { intelClaimsJson } from '../intel/claims-json.ts'
import type { AzureVtpmEvidence } from './evidence.ts'
import { parseHclReport } from './hcl-report.ts'
import { parseRuntimeData } from './runtime-data.ts'
import { parseTpmQuote } from './tpm-quote.ts'
import type { AzureVtpmClaims } from './verify.ts'

/**
 * What stands in vTPM evidence, for people and tools that look into it. Byte fields are lower-case hex. Nothing is
 * verified. The hardware's report is `parseHclReport(…).hardwareReport` or the evidence's `tdQuote`: their own functions
 * show them.
 *
 * @throws EvidenceInvalid when a part can't be read
 */
export function azureVtpmFacts(evidence: AzureVtpmEvidence) {
  const hcl = parseHclReport(evidence.hclReport)
  const runtime = parseRuntimeData(hcl.runtimeData)
  const quote = parseTpmQuote(evidence.tpmQuote.message)
  return {
    hcl: {
      version: hcl.version,
      report_size: hcl.reportSize,
      request_type: hcl.requestType,
      report_type: hcl.reportType,
      hash_type: hcl.hashType,
      var_data_size: hcl.runtimeData.length,
      user_data: runtime.userData ?? null,
      vm_config: runtime.vmConfiguration,
      key_ids: runtime.keyIds,
    },
    tpm_quote: {
      nonce: quote.extraData,
      firmware: quote.firmwareVersion,
      pcr_bank: quote.pcrSelection.bank,
      pcr_select: quote.pcrSelection.indexes,
      pcr_digest: quote.pcrDigest,
    },
    pcrs: evidence.tpmQuote.pcrs.map((pcr) => toHex(pcr)),
  }
}

/** Verified claims as JSON, under the same names; the hardware's are in `snp_report` or `td_quote`. */
export function azureVtpmClaimsJson(claims: AzureVtpmClaims) {
  const { hardware, hcl } = claims
  return {
    hcl: {
      version: hcl.version,
      report_size: hcl.reportSize,
      request_type: hcl.requestType,
      report_type: hcl.reportType,
      hash_type: hcl.hashType,
      user_data: claims.userData ?? null,
      vm_config: claims.vmConfiguration,
      key_ids: claims.keyIds,
    },
    attestation_key_sha256: claims.attestationKeySha256,
    tpm_quote: {
      nonce: claims.nonce,
      firmware: claims.firmwareVersion,
      pcr_bank: claims.pcrBank,
      clock: claims.clockInfo.clock,
      reset_count: claims.clockInfo.resetCount,
      restart_count: claims.clockInfo.restartCount,
    },
    pcrs: claims.pcrs,
    ...(hardware.kind === 'snp-report'
      ? { snp_report: snpClaimsJson(hardware) }
      : { td_quote: intelClaimsJson(hardware) }),
    verified_at: timeText(claims.verifiedAt),
    valid_until: timeText(claims.validUntil),
  }
}
