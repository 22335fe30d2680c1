/**
 * A TEE of our own, for tests: acts as the CPU vendors, with roots of its own. Nothing that is deployed trusts these.
 * This package imports no other of the project, so that it shares no mistake with the verifier.
 */
export { createIntelVendor } from './intel/vendor.ts'
export type {
  CollateralFaults,
  CollateralParts,
  IntelVendor,
  IntelVendorOptions,
  IssueFault,
  IssueOptions,
  TcbInfoQuery,
} from './intel/vendor.ts'
export { OUTDATED_TEE_TCB_SVN } from './intel/platform.ts'
export type { IntelPlatform, PlatformOptions, SgxQuoteOptions, TdxQuoteOptions } from './intel/platform.ts'
export { TCB_STATUSES } from './intel/platform-tcb.ts'
export type { PlatformTcbStatus } from './intel/platform-tcb.ts'
export { QE_ISVSVN } from './intel/documents.ts'
export type { Json, JsonObject, Tee } from './intel/documents.ts'
export type { QuoteFault, QuoteOptions } from './intel/quote.ts'
export type { SgxReportFields, TdReportFields } from './intel/reports.ts'
export type { PckCa } from './intel/authorities.ts'
export { pem } from './encoding/x509.ts'

export type { DeviceFault } from './devices/device.ts'
export { createGramineDevice } from './devices/gramine.ts'
export type { EnclaveIdentity, GramineDevice, GramineDeviceOptions } from './devices/gramine.ts'
export { createTsmDevice } from './devices/tsm.ts'
export type { TsmDevice, TsmDeviceOptions, TsmRequest } from './devices/tsm.ts'

export { createAmdVendor } from './amd/vendor.ts'
export type {
  AmdChip,
  AmdIssueFault,
  AmdVendor,
  AmdVendorOptions,
  ChipOptions,
  SnpReportFault,
  SnpReportOptions,
} from './amd/vendor.ts'
export type { EndorsementType } from './amd/authorities.ts'
export { certificateTable } from './amd/certificate-table.ts'
export type { TableEntry } from './amd/certificate-table.ts'
export type { SnpReportFields } from './amd/report.ts'
export type { AmdProduct, SnpTcb } from './amd/tcb.ts'

export { createNitroVendor } from './nitro/vendor.ts'
export type {
  EnclaveOptions,
  NitroDocumentOptions,
  NitroEnclave,
  NitroFault,
  NitroVendor,
  NitroVendorOptions,
} from './nitro/vendor.ts'

export { startCollateralService } from './service/collateral-service.ts'
export type { CollateralService, CollateralServiceOptions } from './service/collateral-service.ts'
export type { ContentFault, Resource, ServiceFault } from './service/answer.ts'
export type { IntelFlavour } from './service/intel.ts'

export { startKit } from './kit.ts'
export type { DeviceDescription, Kit, KitDescription, KitOptions, SnpIdentity, TdIdentity } from './kit.ts'

export { createAzureVm } from './azure/vm.ts'
export type { AzureEvidenceOptions, AzureFault, AzureVm, AzureVmOptions } from './azure/vm.ts'
