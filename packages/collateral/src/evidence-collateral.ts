import {
  NO_EVIDENCE_COLLATERAL,
  parseAzureVtpmEvidence,
  parseHclReport,
  readAmdCollateralFile,
} from '@taw/attestation'
import type {
  AmdCollateral,
  CollateralRules,
  EvidenceCollateral,
  FoundEvidence,
  IntelCollateral,
} from '@taw/attestation'

export interface VendorCollateral {
  readonly forQuote: (evidence: Uint8Array, rules?: CollateralRules) => Promise<IntelCollateral>
  readonly forSnpReport: (
    report: Uint8Array,
    given?: AmdCollateral,
    rules?: CollateralRules,
  ) => Promise<AmdCollateral>
}

/** @see CollateralService.forEvidence */
export async function collateralForEvidence(
  { kind, bytes, collateral }: FoundEvidence,
  vendors: VendorCollateral,
  rules: CollateralRules = {},
): Promise<EvidenceCollateral> {
  switch (kind) {
    case 'sgx-quote':
    case 'tdx-quote':
      return { ...NO_EVIDENCE_COLLATERAL, intel: await vendors.forQuote(bytes, rules) }
    case 'snp-report':
      return { ...NO_EVIDENCE_COLLATERAL, amd: await vendors.forSnpReport(bytes, collateral.amd, rules) }
    case 'azure-vtpm':
      return forAzure(bytes, vendors, rules)
    case 'nitro-document':
      // All certificates are in the document, and AWS publishes no revocation lists for them.
      return NO_EVIDENCE_COLLATERAL
    case 'cca-token':
      // Whose platform keys to trust, nobody publishes.
      return NO_EVIDENCE_COLLATERAL
  }
}

/** What the hardware below the vTPM needs. */
async function forAzure(
  json: Uint8Array,
  vendors: VendorCollateral,
  rules: CollateralRules,
): Promise<EvidenceCollateral> {
  const { hclReport, vcek, tdQuote } = parseAzureVtpmEvidence(json)
  if (tdQuote !== undefined)
    return { ...NO_EVIDENCE_COLLATERAL, intel: await vendors.forQuote(tdQuote, rules) }
  const given = vcek && readAmdCollateralFile(vcek, 'the VCEK certificate')
  const { hardwareReport } = parseHclReport(hclReport)
  return { ...NO_EVIDENCE_COLLATERAL, amd: await vendors.forSnpReport(hardwareReport, given, rules) }
}
