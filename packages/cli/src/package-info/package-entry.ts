import {
  azureVtpmFacts,
  parseAzureVtpmEvidence,
  parseHclReport,
  parseNitroDocument,
  parseQuote,
  parseSnpReport,
} from '@taw/attestation'
import type { FoundEvidence, SgxReport, SnpReport, TdReport } from '@taw/attestation'
import { CliError } from '../errors.ts'
import type { EnclaveProperties } from './sigstruct.ts'

/** An entry of a manifest's `Packages` (docs/manifest.md). */
export type PackageEntry = Readonly<Record<string, unknown>>

/** The enclave by its signer, so that newer versions satisfy it too. (By `UniqueID` it would be this build alone.) */
export const enclaveEntry = ({ signerId, productId, securityVersion }: EnclaveProperties): PackageEntry => ({
  SignerID: signerId,
  ProductID: productId,
  SecurityVersion: securityVersion,
})

/**
 * The entry that accepts the workload in evidence. What is zero was not measured, and is left out; so is what says where
 * the workload runs.
 *
 * @throws EvidenceInvalid when the evidence can't be read; CliError for a kind that no package can name
 */
export function evidenceEntry({ kind, bytes }: FoundEvidence): PackageEntry {
  switch (kind) {
    case 'sgx-quote':
    case 'tdx-quote':
      return quoteEntry(bytes)
    case 'snp-report':
      return { SNP: snpEntry(parseSnpReport(bytes)) }
    case 'nitro-document': {
      const { pcrs, debug } = parseNitroDocument(bytes).document
      return { Nitro: debug ? { Debug: true } : { PCRs: measured(pcrs, NITRO_PCRS) } }
    }
    case 'azure-vtpm':
      return { AzureVTPM: azureEntry(bytes) }
    case 'cca-token':
      throw new CliError('Packages of a manifest can not name workloads on Arm CCA yet')
  }
}

function quoteEntry(bytes: Uint8Array): PackageEntry {
  const quote = parseQuote(bytes)
  return quote.kind === 'sgx-quote' ? sgxEntry(quote.body) : { TDX: tdxEntry(quote.body) }
}

const sgxEntry = ({ mrSigner, mrEnclave, isvProdId, isvSvn, debug }: SgxReport): PackageEntry => ({
  ...enclaveEntry({
    uniqueId: hex(mrEnclave),
    signerId: hex(mrSigner),
    productId: isvProdId,
    securityVersion: isvSvn,
  }),
  ...(debug ? { Debug: true } : {}),
})

function tdxEntry(report: TdReport): PackageEntry {
  const [rtmr0, rtmr1, rtmr2, rtmr3] = report.rtmrs
  return withoutZeros({
    MRTD: hex(report.mrTd),
    RTMR0: hex(rtmr0),
    RTMR1: hex(rtmr1),
    RTMR2: hex(rtmr2),
    RTMR3: hex(rtmr3),
    MRConfigID: hex(report.mrConfigId),
    MROwner: hex(report.mrOwner),
    MROwnerConfig: hex(report.mrOwnerConfig),
    ...(report.extension ? { MRServiceTD: hex(report.extension.mrServiceTd) } : {}),
    ...(report.debug ? { Debug: true } : {}),
  })
}

function snpEntry(report: SnpReport): PackageEntry {
  const { fmc, bootloader, tee, snp, microcode } = report.reportedTcb
  return withoutZeros({
    Measurement: report.measurement,
    HostData: report.hostData,
    VMPL: report.vmpl,
    MinimumTCB: {
      ...(fmc === undefined ? {} : { FMC: fmc }),
      Bootloader: bootloader,
      TEE: tee,
      SNP: snp,
      Microcode: microcode,
    },
    ...(report.policy.debug ? { Debug: true } : {}),
    ...(report.policy.migrateMa ? { Policy: { MigrateMA: true } } : {}),
  })
}

/** The image, its kernel, the application, and the image's signer (AWS Nitro Enclaves, attestation_process.md). */
const NITRO_PCRS = ['0', '1', '2', '8']
/** Boot loader, keys of Secure Boot, and what loaders measure (TCG PC Client Platform Firmware Profile, 3.3.4; systemd). */
const BOOT_PCRS = ['4', '7', '8', '9', '11']

function azureEntry(bytes: Uint8Array): PackageEntry {
  const evidence = parseAzureVtpmEvidence(bytes)
  const { hclReport, tdQuote } = evidence
  const { reportType, hardwareReport } = parseHclReport(hclReport)
  const { pcrs: values, tpm_quote: quote } = azureVtpmFacts(evidence)
  // Evidence has the values of the PCRs that the quote selects, or of all from PCR0 on; the selected ones are signed.
  const isShort = values.length === quote.pcr_select.length
  const pcrs = Object.fromEntries(
    quote.pcr_select.flatMap((index, place) => {
      const value = values[isShort ? place : index]
      return value === undefined ? [] : [[String(index), value]]
    }),
  )
  const td = tdQuote && parseQuote(tdQuote)
  return {
    PCRs: measured(pcrs, BOOT_PCRS),
    ...(reportType === 'SNP' ? { SNP: snpEntry(parseSnpReport(hardwareReport)) } : {}),
    ...(td?.kind === 'tdx-quote' ? { TDX: tdxEntry(td.body) } : {}),
  }
}

const measured = (pcrs: Readonly<Record<string, string>>, indexes: readonly string[]): PackageEntry =>
  withoutZeros(Object.fromEntries(indexes.flatMap((index) => (index in pcrs ? [[index, pcrs[index]]] : []))))

const withoutZeros = (members: Readonly<Record<string, unknown>>): PackageEntry =>
  Object.fromEntries(
    Object.entries(members).filter(([, value]) => typeof value !== 'string' || !/^0+$/.test(value)),
  )

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
