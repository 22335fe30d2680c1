export { EvidenceInvalid, PolicyMismatch } from './core/errors.ts'
export type { ErrorDetail } from './core/errors.ts'
export type { Check, EvidenceKind, Verified } from './core/result.ts'
export type { CryptoPort, MaybePromise, PublicKey, SignatureScheme } from './core/crypto.ts'
export {
  BUNDLE_FORMAT,
  BUNDLE_VERSION,
  isCollateralBundle,
  readCollateralBundle,
} from './core/collateral-bundle.ts'
export type { BundledDocument } from './core/collateral-bundle.ts'
export { webCrypto } from './core/web.ts'
export { closestName } from './core/closest-name.ts'
export { foldName } from './core/fold.ts'
export { parseCertificate, parseCertificateChain } from './core/x509.ts'
export type { Certificate } from './core/x509.ts'

export { appraiseIntelPlatform } from './intel/appraise-platform.ts'
export type { IntelPlatformPolicy } from './intel/appraise-platform.ts'
export { appraiseSgx } from './intel/appraise-sgx.ts'
export type { SgxPolicy } from './intel/appraise-sgx.ts'
export type { TcbPolicy } from './intel/appraise-tcb.ts'
export { appraiseTdx } from './intel/appraise-tdx.ts'
export type { TdxPolicy } from './intel/appraise-tdx.ts'
export { INTEL_ROOTS } from './intel/anchors.ts'
export { intelCollateralChecker } from './intel/check-collateral.ts'
export type { CheckedCollateral, CollateralAnswer, IntelCollateralChecker } from './intel/check-collateral.ts'
export { intelClaimsJson } from './intel/claims-json.ts'
export { NO_COLLATERAL, mergeCollateral } from './intel/collateral.ts'
export type { IntelCollateral } from './intel/collateral.ts'
export { collateralFromFiles, readCollateralFile } from './intel/collateral-files.ts'
export { collateralRequest } from './intel/collateral-request.ts'
export type { CollateralRequest } from './intel/collateral-request.ts'
export { findQuote } from './intel/containers.ts'
export type { QuoteContainer } from './intel/containers.ts'
export { parseQuote } from './intel/quote.ts'
export type { Quote, SgxQuote, TdxQuote } from './intel/quote.ts'
export { inspectQuote, quoteFacts } from './intel/quote-facts.ts'
export type { Json } from './intel/quote-facts.ts'
export { collateralFromParts } from './intel/read-collateral.ts'
export type { IntelCollateralParts } from './intel/read-collateral.ts'
export type { SgxReport } from './intel/sgx-report.ts'
export type { TcbEvaluation, TcbPart } from './intel/tcb-evaluation.ts'
export { TCB_STATUSES } from './intel/tcb-status.ts'
export type { TcbLevelStatus, TcbStatus } from './intel/tcb-status.ts'
export type { TdReport } from './intel/td-report.ts'
export { intelVerifier } from './intel/verify.ts'
export type { IntelVerifier, IntelVerifierOptions, SgxClaims, TdxClaims } from './intel/verify.ts'

export { amdCollateralChecker } from './amd/check-collateral.ts'
export type { AmdCollateralChecker, VcekIdentity } from './amd/check-collateral.ts'
export { appraiseSnp } from './amd/appraise.ts'
export type { SnpGuestPolicyRules, SnpPlatformRules, SnpPolicy, TcbMinimum } from './amd/appraise.ts'
export {
  NO_AMD_COLLATERAL,
  amdCollateralFromFiles,
  mergeAmdCollateral,
  readAmdCollateralFile,
} from './amd/collateral.ts'
export type { AmdCollateral } from './amd/collateral.ts'
export { findSnpReport } from './amd/containers.ts'
export type { SnpContainer } from './amd/containers.ts'
export type { SnpEndorsement } from './amd/endorsement.ts'
export { snpClaimsJson, snpEndorsementFacts, snpReportFacts } from './amd/facts.ts'
export type { AmdVerifierOptions } from './amd/options.ts'
export { parseSnpReport } from './amd/report.ts'
export type { SnpGuestPolicy, SnpPlatformInfo, SnpReport } from './amd/report.ts'
export { genuineAmdRoots } from './amd/roots.ts'
export type { AmdRoot } from './amd/roots.ts'
export { AMD_PRODUCTS, decodeTcb } from './amd/tcb.ts'
export type { AmdProduct, TcbVersion } from './amd/tcb.ts'
export { amdVerifier } from './amd/verify.ts'
export type { AmdVerifier, SnpClaims } from './amd/verify.ts'

export { appraiseNitro } from './nitro/appraise.ts'
export type { NitroPolicy } from './nitro/appraise.ts'
export { findNitroDocument } from './nitro/containers.ts'
export { parseNitroDocument } from './nitro/document.ts'
export type { NitroDocument, NitroMessage } from './nitro/document.ts'
export { nitroClaimsJson, nitroFacts } from './nitro/facts.ts'
export { genuineNitroRoots } from './nitro/root.ts'
export { nitroVerifier } from './nitro/verify.ts'
export type { NitroClaims, NitroVerifier, NitroVerifierOptions } from './nitro/verify.ts'

export { appraiseAzureVtpm } from './azure/appraise.ts'
export type { AzureVtpmPolicy } from './azure/appraise.ts'
export { looksLikeAzureVtpmEvidence, parseAzureVtpmEvidence } from './azure/evidence.ts'
export type { AzureVtpmEvidence } from './azure/evidence.ts'
export { azureVtpmClaimsJson, azureVtpmFacts } from './azure/facts.ts'
export { parseHclReport } from './azure/hcl-report.ts'
export type { HclReport } from './azure/hcl-report.ts'
export { azureVtpmVerifier } from './azure/verify.ts'
export type {
  AzureVtpmClaims,
  AzureVtpmCollateral,
  AzureVtpmVerifier,
  AzureVtpmVerifierOptions,
} from './azure/verify.ts'

export { appraiseCca } from './cca/appraise.ts'
export type { CcaPolicy } from './cca/appraise.ts'
export { ccaClaimsJson, ccaFacts } from './cca/facts.ts'
export { platformKeysFromJwk } from './cca/keys.ts'
export type { CcaPlatformKey } from './cca/keys.ts'
export { parseCcaToken } from './cca/token.ts'
export type { CcaToken } from './cca/token.ts'
export { verifyCcaToken } from './cca/verify.ts'
export type { CcaClaims, CcaLifecycleState, CcaVerifyOptions } from './cca/verify.ts'

export {
  NO_EVIDENCE_COLLATERAL,
  mergeEvidenceCollateral,
  readEvidenceCollateral,
} from './evidence/collateral.ts'
export type { EvidenceCollateral } from './evidence/collateral.ts'
export { evidenceClaimsJson, evidenceFacts } from './evidence/facts.ts'
export { bareEvidence, findEvidence } from './evidence/find.ts'
export type { FoundEvidence, Wrapping } from './evidence/find.ts'
export { guessKind } from './evidence/recognize.ts'
export { evidenceVerifier } from './evidence/verify.ts'
export type { EvidenceVerifier, EvidenceVerifierOptions, VendorRoots } from './evidence/verify.ts'

export { appraiseInfrastructures } from './package-policy/appraise-infrastructures.ts'
export { appraisePackage } from './package-policy/appraise-package.ts'
export type { EvidenceBindings, VerifiedClaims } from './package-policy/appraise-package.ts'
export { infrastructureForm, packageForm } from './package-policy/fields.ts'
export type { PolicyForm } from './package-policy/field.ts'
export type { PolicyFinding } from './package-policy/place.ts'
export type { InfrastructurePolicy, PackagePolicy } from './package-policy/policy.ts'
export { readInfrastructurePolicy } from './package-policy/read-infrastructure.ts'
export { readPackagePolicy } from './package-policy/read-package.ts'
export type { PolicyReading } from './package-policy/read-package.ts'
