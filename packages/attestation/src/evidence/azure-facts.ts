import { amdCollateralFromFiles } from '../amd/collateral.ts'
import type { SnpEndorsement } from '../amd/endorsement.ts'
import { snpReportFacts } from '../amd/facts.ts'
import { parseSnpReport } from '../amd/report.ts'
import type { AzureVtpmEvidence } from '../azure/evidence.ts'
import { azureVtpmFacts } from '../azure/facts.ts'
import { HASH_TYPES, parseHclReport } from '../azure/hcl-report.ts'
import { ALGORITHM, ATTEST_QUOTE, MAGIC } from '../azure/tpm-quote.ts'
import { timeText } from '../core/chain.ts'
import type { CryptoPort } from '../core/crypto.ts'
import { fromBase64, fromHex, fromUtf8, toHex } from '../core/encoding.ts'
import { parseJson, rawMembers } from '../core/json.ts'
import { inspectQuote } from '../intel/quote-facts.ts'
import { parseQuote } from '../intel/quote.ts'

/**
 * All parts of Azure's vTPM evidence as they stand: numbers and names as the HCL report, the TPM and the certificate write
 * them. Nothing is verified.
 */
export async function azureFacts(
  evidence: AzureVtpmEvidence,
  crypto: CryptoPort,
): Promise<Readonly<Record<string, unknown>>> {
  const { hardwareReport, reportType, hashType, runtimeData } = parseHclReport(evidence.hclReport)
  const { hcl, tpm_quote, pcrs } = azureVtpmFacts(evidence)
  const [vcek] = evidence.vcek ? amdCollateralFromFiles([evidence.vcek]).endorsements : []
  return {
    hcl: {
      ...hcl,
      hash_type: [...HASH_TYPES].find(([, name]) => name === hashType)?.[0] ?? null,
      hash_algorithm: hashType,
      var_hash: toHex(await crypto.sha256(runtimeData)),
      ...attestationKeyFacts(runtimeData),
    },
    tpm_quote: {
      magic: MAGIC.toString(16),
      type: ATTEST_QUOTE.toString(16),
      ...tpm_quote,
      pcr_select: [[BANK_ID[tpm_quote.pcr_bank], tpm_quote.pcr_select]],
    },
    pcrs: byIndex(pcrs, tpm_quote.pcr_select),
    ...(reportType === 'SNP' ? { snp_report: snpReportFacts(parseSnpReport(hardwareReport)) } : {}),
    ...(vcek ? { vcek: certificateFacts(vcek) } : {}),
    ...(evidence.tdQuote ? { td_quote: await inspectQuote(parseQuote(evidence.tdQuote), crypto) } : {}),
  }
}

/** TPM_ALG_ID in hex. */
const BANK_ID = {
  'SHA-256': `0x${ALGORITHM.sha256.toString(16)}`,
  'SHA-384': `0x${ALGORITHM.sha384.toString(16)}`,
} as const

/** The values of the PCRs that the quote selects, or of all from PCR0 on (azure/evidence.ts). */
function byIndex(pcrs: readonly string[], selected: readonly number[]): Record<string, string> {
  const indexes = pcrs.length === selected.length ? selected : pcrs.map((_, index) => index)
  return Object.fromEntries(pcrs.map((value, place) => [String(indexes[place] ?? place), value]))
}

/** Modulus in hex, and exponent as the key (a JSON Web Key) has it. */
function attestationKeyFacts(runtimeData: Uint8Array): Record<string, string> {
  const keys = parseJson(rawMembers(fromUtf8(runtimeData)).get('keys') ?? '[]')
  const key: unknown = Array.isArray(keys)
    ? keys.find((one: unknown) => member(one, 'kid') === 'HCLAkPub')
    : undefined
  const modulus = member(key, 'n')
  const exponent = member(key, 'e')
  if (typeof modulus !== 'string' || typeof exponent !== 'string') return {}
  return { ak_n: toHex(fromBase64(modulus)), ak_e: exponent }
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).find(([own]) => own === name)?.[1]
    : undefined

/** The VCEK certificate with its extensions under AMD's names (AMD 57230). */
function certificateFacts({
  certificate,
  tcb,
  hwid,
  ...endorsement
}: SnpEndorsement): Record<string, unknown> {
  return {
    issuer: certificate.issuerCommonName ?? null,
    not_before: timeText(certificate.notBefore),
    not_after: timeText(certificate.notAfter),
    extensions: {
      struct_version: endorsement.structVersion,
      product_name: endorsement.productName,
      ...(tcb.fmc === undefined ? {} : { fmc_spl: tcb.fmc }),
      bl_spl: tcb.bootloader,
      tee_spl: tcb.tee,
      ...reservedLevels(tcb),
      snp_spl: tcb.snp,
      ucode_spl: tcb.microcode,
      ...(hwid === undefined ? {} : { hwid, hwid_len: hwid.length / 2 }),
    },
  }
}

/** SPL4 to SPL7: bytes 2 to 5 of a TCB version (AMD 57230); Turin's, which starts with the FMC, has SPL5 to SPL7 at 4. */
function reservedLevels({ raw, fmc }: SnpEndorsement['tcb']): Record<string, number> {
  const levels = [...fromHex(raw)]
  const [names, at] =
    fmc === undefined ? [['spl4', 'spl5', 'spl6', 'spl7'], 2] : [['spl5', 'spl6', 'spl7'], 4]
  return Object.fromEntries(names.map((name, index) => [name, levels[at + index] ?? 0]))
}
