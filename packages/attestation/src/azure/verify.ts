import { mergeAmdCollateral, readAmdCollateralFile } from '../amd/collateral.ts'
import type { AmdCollateral } from '../amd/collateral.ts'
import type { AmdVerifier, SnpClaims } from '../amd/verify.ts'
import { Checks } from '../core/checks.ts'
import type { CryptoPort } from '../core/crypto.ts'
import { toHex } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import type { CollateralRules } from '../core/grace.ts'
import { markVerified } from '../core/result.ts'
import type { Check, Verified } from '../core/result.ts'
import type { IntelCollateral } from '../intel/collateral.ts'
import type { IntelVerifier, TdxClaims } from '../intel/verify.ts'
import type { AzureVtpmEvidence } from './evidence.ts'
import { parseHclReport } from './hcl-report.ts'
import type { HclReport } from './hcl-report.ts'
import { quotedPcrs } from './pcrs.ts'
import { parseRuntimeData } from './runtime-data.ts'
import type { RuntimeData } from './runtime-data.ts'
import { parseTpmQuote, parseTpmSignature } from './tpm-quote.ts'
import type { TpmHash, TpmQuote } from './tpm-quote.ts'

/** What vouches for the hardware's part; for SNP the VCEK certificate in the evidence counts too. */
export interface AzureVtpmCollateral {
  readonly amd: AmdCollateral
  readonly intel: IntelCollateral
}

export interface AzureVtpmVerifierOptions {
  /** `nodeCrypto` or `webCrypto`. */
  readonly crypto: CryptoPort
  /** These verify the hardware's part, with the trust that they were made with. */
  readonly amd: AmdVerifier
  readonly intel: IntelVerifier
}

/** What verified vTPM evidence says. Byte strings are lower-case hex. */
export interface AzureVtpmClaims {
  readonly kind: 'azure-vtpm'
  /**
   * The hardware's own claims. They are about Azure's paravisor, for that is what the hardware measures on such a VM; the
   * guest is in the PCRs.
   */
  readonly hardware: Verified<SnpClaims> | Verified<TdxClaims>
  readonly hcl: Pick<HclReport, 'version' | 'reportSize' | 'requestType' | 'reportType' | 'hashType'>
  /** Of the keys in the runtime data. */
  readonly keyIds: readonly string[]
  readonly userData: string | undefined
  readonly vmConfiguration: RuntimeData['vmConfiguration']
  /** SHA-256 of the attestation key's SubjectPublicKeyInfo. */
  readonly attestationKeySha256: string
  /** What the requester of the vTPM's quote had signed along. */
  readonly nonce: string
  readonly firmwareVersion: string
  readonly clockInfo: TpmQuote['clockInfo']
  readonly pcrBank: TpmHash
  /** By index; those that the quote selects. */
  readonly pcrs: Readonly<Record<string, string>>
  /** The time that the verification is for. */
  readonly verifiedAt: Date
  /** From when on some certificate or collateral of the hardware is not valid any more. */
  readonly validUntil: Date
  /** Everything that was checked, in order, the hardware's part included. */
  readonly checks: readonly Check[]
}

/** Verifies the evidence of confidential VMs on Azure. */
export interface AzureVtpmVerifier {
  /**
   * Verifies evidence at a time: the hardware's report or quote, that it vouches for the runtime data, that the vTPM's key
   * in there signed the TPM quote, and that the PCR values are the quoted ones. Whether they are what you want is for
   * {@link appraiseAzureVtpm} to say.
   *
   * @param rules what is forgiven about the hardware's collateral; default: nothing
   * @throws EvidenceInvalid `hcl-report-format`, those of the hardware's verification, `runtime-data-binding`,
   *   `runtime-data`, `tpm-quote-format`, `tpm-quote-signature` or `pcr-digest`
   */
  readonly verifyEvidence: (
    evidence: AzureVtpmEvidence,
    collateral: AzureVtpmCollateral,
    at: Date,
    rules?: CollateralRules,
  ) => Promise<Verified<AzureVtpmClaims>>
}

export function azureVtpmVerifier(options: AzureVtpmVerifierOptions): AzureVtpmVerifier {
  return {
    verifyEvidence: (evidence, collateral, at, rules = {}) =>
      verifyEvidence(copyOf(evidence), collateral, { ...rules, at }, options),
  }
}

type VerificationTime = CollateralRules & { readonly at: Date }

async function verifyEvidence(
  evidence: AzureVtpmEvidence,
  collateral: AzureVtpmCollateral,
  time: VerificationTime,
  verifiers: AzureVtpmVerifierOptions,
): Promise<Verified<AzureVtpmClaims>> {
  const { crypto } = verifiers
  const checks = new Checks()
  return checks.run(async () => {
    const { hardwareReport, runtimeData, ...hcl } = parseHclReport(evidence.hclReport)
    const hardware =
      hcl.reportType === 'SNP'
        ? await verifySnp(hardwareReport, evidence, collateral, time, verifiers)
        : await verifyTdx(evidence, collateral, time, verifiers)
    include(checks, hardware.checks)
    checks.passed('hcl-report-format', { found: `${hcl.reportType}, version ${hcl.version}` })
    await requireBinding(checks, hcl.hashType, runtimeData, reportDataOf(hardware), crypto)
    const { attestationKey, ...runtime } = parseRuntimeData(runtimeData)
    checks.passed('runtime-data')
    const { quote, hash } = await verifyTpmQuote(checks, evidence.tpmQuote, attestationKey, crypto)
    const pcrs = await quotedPcrs(crypto, quote, evidence.tpmQuote.pcrs, hash)
    checks.passed('pcr-digest', { found: quote.pcrDigest })
    return markVerified<AzureVtpmClaims>({
      kind: 'azure-vtpm',
      hardware,
      hcl,
      ...runtime,
      attestationKeySha256: toHex(await crypto.sha256(attestationKey)),
      nonce: quote.extraData,
      firmwareVersion: quote.firmwareVersion,
      clockInfo: quote.clockInfo,
      pcrBank: quote.pcrSelection.bank,
      pcrs,
      verifiedAt: new Date(time.at),
      validUntil: hardware.validUntil,
      checks: checks.list,
    })
  })
}

/** What is verified can't change while it is. */
function copyOf({ hclReport, tpmQuote, vcek, tdQuote }: AzureVtpmEvidence): AzureVtpmEvidence {
  return {
    hclReport: Uint8Array.from(hclReport),
    tpmQuote: {
      message: Uint8Array.from(tpmQuote.message),
      signature: Uint8Array.from(tpmQuote.signature),
      pcrs: tpmQuote.pcrs.map((pcr) => Uint8Array.from(pcr)),
    },
    vcek: vcek && Uint8Array.from(vcek),
    tdQuote: tdQuote && Uint8Array.from(tdQuote),
  }
}

function verifySnp(
  hardwareReport: Uint8Array,
  { vcek }: AzureVtpmEvidence,
  collateral: AzureVtpmCollateral,
  { at, ...rules }: VerificationTime,
  { amd }: AzureVtpmVerifierOptions,
): Promise<Verified<SnpClaims>> {
  const own = vcek ? [readAmdCollateralFile(vcek, 'the VCEK certificate in the evidence')] : []
  return amd.verifyReport(hardwareReport, mergeAmdCollateral(...own, collateral.amd), at, rules)
}

/** The TDREPORT in the HCL report proves nothing outside of the machine; Azure's quoting service made a quote of it. */
async function verifyTdx(
  { tdQuote }: AzureVtpmEvidence,
  collateral: AzureVtpmCollateral,
  { at, ...rules }: VerificationTime,
  { intel }: AzureVtpmVerifierOptions,
): Promise<Verified<TdxClaims>> {
  const failure = (message: string, found: string): EvidenceInvalid =>
    new EvidenceInvalid('td-quote', { message, expected: 'a TDX quote', found })
  if (!tdQuote) throw failure("the evidence is of a TDX machine, but Azure's TDX quote is missing", 'none')
  const claims = await intel.verifyQuote(tdQuote, collateral.intel, at, rules)
  if (claims.kind !== 'tdx-quote')
    throw failure('the evidence is of a TDX machine, but its quote is not', claims.kind)
  return claims
}

/** Lower-case hex. */
function reportDataOf(hardware: AzureVtpmClaims['hardware']): string {
  return hardware.kind === 'snp-report' ? hardware.report.reportData : toHex(hardware.quote.body.reportData)
}

function include(checks: Checks, others: readonly Check[]): void {
  for (const { name, outcome, ...detail } of others) {
    if (outcome === 'skipped') checks.skipped(name, detail.found ?? '')
    else checks.passed(name, detail)
  }
}

/** The report data is the hash of the runtime data, with zeros up to 64 bytes. */
async function requireBinding(
  checks: Checks,
  hashType: HclReport['hashType'],
  runtimeData: Uint8Array,
  reportData: string,
  crypto: CryptoPort,
): Promise<void> {
  const digest = toHex(await hashOf(hashType, runtimeData, crypto))
  checks.requireEqual('runtime-data-binding', {
    message: "the hardware's report does not vouch for the runtime data of the HCL report",
    expected: reportData,
    found: digest.padEnd(reportData.length, '0'),
    remedy: 'get the HCL report from the vTPM of the VM anew',
  })
}

function hashOf(
  type: HclReport['hashType'],
  data: Uint8Array,
  crypto: CryptoPort,
): Uint8Array | Promise<Uint8Array> {
  switch (type) {
    case 'SHA-256':
      return crypto.sha256(data)
    case 'SHA-384':
      return crypto.sha384(data)
    case 'SHA-512':
      return crypto.sha512(data)
  }
}

async function verifyTpmQuote(
  checks: Checks,
  evidence: AzureVtpmEvidence['tpmQuote'],
  attestationKey: Uint8Array,
  crypto: CryptoPort,
): Promise<{ quote: TpmQuote; hash: TpmHash }> {
  const quote = parseTpmQuote(evidence.message)
  checks.passed('tpm-quote-format')
  const { scheme, hash, signature } = parseTpmSignature(evidence.signature)
  const key = await crypto.importKey(scheme, attestationKey)
  const isSigned = key !== undefined && (await crypto.verify(key, evidence.message, signature))
  checks.require('tpm-quote-signature', isSigned, () => ({
    message: "verifying the TPM quote: the vTPM's key did not sign it",
    expected: 'a signature by the attestation key that the hardware vouches for',
    found: 'another one',
    remedy: 'get the quote and the HCL report from the same VM, without a restart in between',
  }))
  return { quote, hash }
}
