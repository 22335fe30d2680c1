import { isAllZero } from '../core/bytes.ts'
import { nameOf, timeText, isSignedBy } from '../core/chain.ts'
import type { CryptoPort } from '../core/crypto.ts'
import { toHex } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import type { Certificate } from '../core/x509.ts'
import { CURRENT_INTEL_ROOT_SHA256 } from './anchors.ts'
import { certificatesInQuote } from './certification.ts'
import { isPckCertificate, parsePckExtensions } from './pck.ts'
import type { PckExtensions } from './pck.ts'
import type { CertificationData, Quote } from './quote.ts'
import type { SgxReport } from './sgx-report.ts'
import type { TdReport } from './td-report.ts'

/** JSON that only holds strings, numbers, booleans, null, lists and objects. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

/**
 * All fields of a quote under their names in the formats' documents, for people and tools that look into it. Byte fields are
 * lower-case hex in the order of the structure. Nothing of it is verified.
 */
export function quoteFacts(quote: Quote): Record<string, Json> {
  const { header, certification, trailing } = quote
  return {
    version: header.version,
    att_key_type: header.attestationKeyType,
    tee_type: header.teeType,
    qe_vendor_id: toHex(header.qeVendorId),
    user_data: toHex(header.userData),
    header_svns: toHex(header.svns),
    ...bodyFacts(quote),
    signature_data_len: quote.signatureDataLength,
    exact_len: quote.length,
    trailing_bytes: trailing.length,
    trailing_all_zero: isAllZero(trailing),
    ...(quote.outerCertificationType === undefined
      ? {}
      : { outer_cert_data_type: quote.outerCertificationType, outer_cert_len_slack: 0 }),
    cert_data_type: certification.type,
    cert_data_len: certification.bytes.length,
    // A quote with bytes left over inside its signature data isn't read.
    cert_data_slack: 0,
    qe_auth_data_len: quote.qeAuthData.length,
    qe_report: sgxReportFacts(quote.qeReport),
    ...certificationFacts(certification),
  }
}

function bodyFacts(quote: Quote): Record<string, Json> {
  const type = quote.bodyType === undefined ? {} : { body_type_raw: quote.bodyType }
  return quote.kind === 'sgx-quote'
    ? { body_type: 'SGX', ...type, body: sgxReportFacts(quote.body) }
    : { body_type: quote.body.extension ? 'TD15' : 'TD10', ...type, body: tdReportFacts(quote.body) }
}

export function sgxReportFacts(report: SgxReport): Record<string, Json> {
  return {
    cpusvn: toHex(report.cpuSvn),
    miscselect: toHex(report.miscSelect),
    isvextprodid: toHex(report.isvExtProdId),
    attributes: toHex(report.attributes),
    debug: report.debug,
    mode64: report.mode64,
    provision_key: report.provisionKey,
    mrenclave: toHex(report.mrEnclave),
    mrsigner: toHex(report.mrSigner),
    configid: toHex(report.configId),
    isvprodid: report.isvProdId,
    isvsvn: report.isvSvn,
    configsvn: report.configSvn,
    isvfamilyid: toHex(report.isvFamilyId),
    report_data: toHex(report.reportData),
  }
}

export function tdReportFacts(report: TdReport): Record<string, Json> {
  const [rtmr0, rtmr1, rtmr2, rtmr3] = report.rtmrs
  return {
    tee_tcb_svn: toHex(report.teeTcbSvn),
    mrseam: toHex(report.mrSeam),
    mrsignerseam: toHex(report.mrSignerSeam),
    seamattributes: toHex(report.seamAttributes),
    tdattributes: toHex(report.tdAttributes),
    xfam: toHex(report.xfam),
    mrtd: toHex(report.mrTd),
    mrconfigid: toHex(report.mrConfigId),
    mrowner: toHex(report.mrOwner),
    mrownerconfig: toHex(report.mrOwnerConfig),
    rtmr0: toHex(rtmr0),
    rtmr1: toHex(rtmr1),
    rtmr2: toHex(rtmr2),
    rtmr3: toHex(rtmr3),
    report_data: toHex(report.reportData),
    ...(report.extension
      ? {
          tee_tcb_svn2: toHex(report.extension.teeTcbSvn2),
          mrservicetd: toHex(report.extension.mrServiceTd),
        }
      : {}),
    debug: report.debug,
    sept_ve_disable: report.septVeDisable,
  }
}

export function pckFacts(pck: PckExtensions): Record<string, Json> {
  const { configuration } = pck
  const flag = (name: string, value: boolean | undefined): Record<string, Json> =>
    value === undefined ? {} : { [name]: value }
  return {
    ppid: toHex(pck.ppid),
    pcesvn: pck.pceSvn,
    cpusvn: toHex(pck.cpuSvn),
    comps: pck.components,
    pceid: toHex(pck.pceId),
    fmspc: toHex(pck.fmspc),
    sgxtype: pck.sgxType,
    ...(pck.platformInstanceId ? { platform_instance_id: toHex(pck.platformInstanceId) } : {}),
    ...(configuration
      ? {
          config: {
            ...flag('dynamicPlatform', configuration.dynamicPlatform),
            ...flag('cachedKeys', configuration.cachedKeys),
            ...flag('smtEnabled', configuration.smtEnabled),
          },
        }
      : {}),
  }
}

const PPID_FORMS = {
  cleartext: 'PPID_CLEARTEXT',
  'rsa2048-encrypted': 'PPID_RSA2048_ENCRYPTED',
  'rsa3072-encrypted': 'PPID_RSA3072_ENCRYPTED',
} as const

function certificationFacts(certification: CertificationData): Record<string, Json> {
  if (certification.form === 'ppid') {
    return {
      ppid_data: PPID_FORMS[certification.ppid],
      cd_cpusvn: toHex(certification.cpuSvn),
      cd_pcesvn: certification.pceSvn,
      cd_pceid: toHex(certification.pceId),
    }
  }
  const text = new TextDecoder('latin1').decode(certification.bytes)
  const lastLine = '-----END CERTIFICATE-----'
  // Without any PEM block (-1) the tail starts at 24: so have the recorded facts about Intel's own sample it.
  const end = text.lastIndexOf(lastLine) + lastLine.length
  return { cert_data_tail: toHex(certification.bytes.subarray(end)) }
}

/**
 * {@link quoteFacts}, what the PCK chain in the quote says, and which signatures are right. For looking into evidence, damaged
 * one too: what can't be read or verified is named, not thrown.
 */
export async function inspectQuote(quote: Quote, crypto: CryptoPort): Promise<Record<string, Json>> {
  const { certification } = quote
  const chain =
    certification.form === 'pck-chain' ? readable(() => certificatesInQuote(certification)) : undefined
  return {
    ...quoteFacts(quote),
    ...(chain === undefined
      ? {}
      : chain instanceof EvidenceInvalid
        ? { chain_error: chain.message }
        : await chainFacts(chain, crypto)),
  }
}

function readable<T>(read: () => T): T | EvidenceInvalid {
  try {
    return read()
  } catch (error) {
    if (error instanceof EvidenceInvalid) return error
    throw error
  }
}

async function chainFacts(chain: readonly Certificate[], crypto: CryptoPort): Promise<Record<string, Json>> {
  const pck = chain.find(isPckCertificate)
  const root = chain.at(-1)
  if (!pck || !root) return {}
  const platform = readable(() => parsePckExtensions(pck))
  const rootHash = toHex(await crypto.sha256(root.raw))
  const signatures = await Promise.all(
    chain.map((certificate, index) => isSignedBy(crypto, certificate, chain[index + 1] ?? certificate)),
  )
  return {
    chain: chain.map(nameOf),
    ...(platform instanceof EvidenceInvalid ? {} : { pck: pckFacts(platform) }),
    ...(pck.issuerCommonName === undefined ? {} : { pck_issuer: pck.issuerCommonName }),
    // A number in hex, so without leading zeros.
    pck_serial: pck.serial.replace(/^0+(?=.)/, ''),
    pck_nb: offsetTime(pck.notBefore),
    pck_na: offsetTime(pck.notAfter),
    chain_sigs: signatures,
    root_sha256: rootHash,
    root_is_current_intel_root: rootHash === CURRENT_INTEL_ROOT_SHA256,
  }
}

/** RFC 3339 with a numeric offset, which is how the collections of evidence write validity. */
const offsetTime = (time: Date): string => timeText(time).replace('Z', '+00:00')
