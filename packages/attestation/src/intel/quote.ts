import { ByteReader } from '../core/bytes.ts'
import { toHex } from '../core/encoding.ts'
import { EvidenceInvalid, decoding, malformed } from '../core/errors.ts'
import { SGX_REPORT_LENGTH, parseSgxReport } from './sgx-report.ts'
import type { SgxReport } from './sgx-report.ts'
import { TD_REPORT_10_LENGTH, TD_REPORT_15_LENGTH, parseTdReport } from './td-report.ts'
import type { TdReport } from './td-report.ts'

// Structures, types and sizes: Intel SGX ECDSA QuoteLibReference for DCAP API, appendix A (v3), and Intel TDX DCAP Quoting
// Library API, appendix A (v4, v5). Numbers are little-endian.

export const QUOTE_HEADER_LENGTH = 48
/** ECDSA over P-256, the only kind of attestation key that Intel's quoting enclaves have. */
const ATTESTATION_KEY_ECDSA_P256 = 2
const TEE_TYPE_SGX = 0x00000000
const TEE_TYPE_TDX = 0x00000081
/** Body types of v5, with the TEE and the length that each belongs to. */
const BODIES: ReadonlyMap<number, { readonly teeType: QuoteHeader['teeType']; readonly length: number }> =
  new Map([
    [1, { teeType: 'SGX', length: SGX_REPORT_LENGTH }],
    [2, { teeType: 'TDX', length: TD_REPORT_10_LENGTH }],
    [3, { teeType: 'TDX', length: TD_REPORT_15_LENGTH }],
  ])
/** 939a7233-f79c-4ca9-940a-0db3957f0607. */
export const INTEL_QE_VENDOR_ID = '939a7233f79c4ca9940a0db3957f0607'

const CERTIFICATION_PPID_CLEARTEXT = 1
const CERTIFICATION_PPID_RSA2048 = 2
const CERTIFICATION_PPID_RSA3072 = 3
const CERTIFICATION_PCK_CHAIN = 5
const CERTIFICATION_QE_REPORT = 6

/**
 * The largest quote that is read. Genuine ones have 5 KB; some services hand them out in buffers of 8,000 bytes, and the
 * Linux interface allows 16 KB.
 */
export const MAX_QUOTE_BYTES = 65_536

export interface QuoteHeader {
  readonly version: 3 | 4 | 5
  readonly attestationKeyType: number
  readonly teeType: 'SGX' | 'TDX'
  /** 4 bytes: QE and PCE SVN in v3, zero in later versions. */
  readonly svns: Uint8Array
  /** 16 bytes. */
  readonly qeVendorId: Uint8Array
  /** 20 bytes. */
  readonly userData: Uint8Array
}

/** What certifies the key that signed the QE report. */
export type CertificationData =
  | {
      readonly form: 'pck-chain'
      readonly type: number
      /** PEM, sometimes with a NUL byte or more after it. */
      readonly bytes: Uint8Array
    }
  | {
      readonly form: 'ppid'
      readonly type: number
      readonly ppid: 'cleartext' | 'rsa2048-encrypted' | 'rsa3072-encrypted'
      readonly bytes: Uint8Array
      /** 16 bytes. */
      readonly cpuSvn: Uint8Array
      readonly pceSvn: number
      /** 2 bytes. */
      readonly pceId: Uint8Array
    }

interface QuoteCommon {
  readonly header: QuoteHeader
  /** Header and body: what the attestation key signed. */
  readonly signedBytes: Uint8Array
  /** r‖s over {@link signedBytes}. */
  readonly signature: Uint8Array
  /** x‖y, P-256. */
  readonly attestationKey: Uint8Array
  /** The QE's report as it was signed. */
  readonly qeReportBytes: Uint8Array
  readonly qeReport: SgxReport
  /** r‖s by the PCK over {@link qeReportBytes}. */
  readonly qeReportSignature: Uint8Array
  readonly qeAuthData: Uint8Array
  readonly certification: CertificationData
  /** 6 for v4 and v5. */
  readonly outerCertificationType: number | undefined
  /** What a v5 quote names: 1 for SGX, 2 for TDX 1.0, 3 for TDX 1.5. */
  readonly bodyType: number | undefined
  readonly signatureDataLength: number
  /** Bytes that belong to the quote. */
  readonly length: number
  /** What stands behind the quote in the buffer. Nothing signs it. */
  readonly trailing: Uint8Array
}

export interface SgxQuote extends QuoteCommon {
  readonly kind: 'sgx-quote'
  readonly body: SgxReport
}

export interface TdxQuote extends QuoteCommon {
  readonly kind: 'tdx-quote'
  readonly body: TdReport
}

export type Quote = SgxQuote | TdxQuote

/**
 * Reads a quote (SGX v3; SGX and TDX v4, and v5 with body type 1, 2 or 3). Takes a copy, so the caller's buffer may change afterwards.
 * Bytes after the quote are allowed; see {@link QuoteCommon.trailing}.
 *
 * @throws EvidenceInvalid `quote-format` or `qe-vendor`
 */
export function parseQuote(bytes: Uint8Array): Quote {
  return decoding('quote-format', 'the quote', () => {
    if (bytes.length > MAX_QUOTE_BYTES) {
      throw malformed('it is too large', `at most ${MAX_QUOTE_BYTES} bytes`, `${bytes.length} bytes`)
    }
    return readQuote(new Uint8Array(bytes))
  })
}

/** Whether the bytes start like a quote that {@link parseQuote} reads. */
export function looksLikeQuote(bytes: Uint8Array): boolean {
  if (bytes.length < QUOTE_HEADER_LENGTH) return false
  const [version = 0, high] = bytes
  return version >= 3 && version <= 5 && high === 0 && toHex(bytes.subarray(12, 28)) === INTEL_QE_VENDOR_ID
}

function readQuote(bytes: Uint8Array): Quote {
  const reader = new ByteReader(bytes)
  const header = readHeader(reader)
  const body = readBody(reader, header)
  const signedBytes = bytes.subarray(0, reader.offset)

  const signatureDataLength = reader.u32le('signature data length')
  const signatureData = new ByteReader(reader.take(signatureDataLength, 'signature data'))
  const signature = signatureData.take(64, 'quote signature')
  const attestationKey = signatureData.take(64, 'attestation key')
  const wrapped = header.version === 3 ? undefined : readOuterCertification(signatureData)
  const qe = wrapped?.content ?? signatureData
  const qeReportBytes = qe.take(SGX_REPORT_LENGTH, 'QE report')
  const qeReportSignature = qe.take(64, 'QE report signature')
  const qeAuthData = qe.take(qe.u16le('QE authentication data length'), 'QE authentication data')
  const certificationType = qe.u16le('certification data type')
  const certificationBytes = qe.take(qe.u32le('certification data length'), 'certification data')
  qe.end('certification data')
  signatureData.end('signature data')

  return {
    ...body,
    header,
    signedBytes,
    signature,
    attestationKey,
    qeReportBytes,
    qeReport: parseSgxReport(qeReportBytes),
    qeReportSignature,
    qeAuthData,
    certification: readCertification(certificationType, certificationBytes),
    outerCertificationType: wrapped?.type,
    signatureDataLength,
    length: reader.offset,
    trailing: reader.rest(),
  }
}

function readHeader(reader: ByteReader): QuoteHeader {
  const version = reader.u16le('version')
  if (version !== 3 && version !== 4 && version !== 5) {
    throw malformed('it has an unsupported version', '3 (SGX), 4 or 5 (TDX)', String(version))
  }
  const attestationKeyType = reader.u16le('attestation key type')
  if (attestationKeyType !== ATTESTATION_KEY_ECDSA_P256) {
    throw malformed(
      'it has an unsupported attestation key type',
      '2 (ECDSA P-256)',
      String(attestationKeyType),
    )
  }
  // In v3 these four bytes are reserved and zero, which is the SGX type as well. Later versions may have either.
  const teeType = reader.u32le('TEE type')
  const known = version === 3 ? [TEE_TYPE_SGX] : [TEE_TYPE_SGX, TEE_TYPE_TDX]
  if (!known.includes(teeType)) {
    throw malformed(
      `its TEE type does not fit version ${version}`,
      known.map((one) => `0x${one.toString(16)}`).join(' or '),
      `0x${teeType.toString(16)}`,
    )
  }
  const svns = reader.take(4, 'QE and PCE SVN')
  const qeVendorId = reader.take(16, 'QE vendor id')
  const userData = reader.take(20, 'user data')
  const vendor = toHex(qeVendorId)
  if (vendor !== INTEL_QE_VENDOR_ID) {
    throw new EvidenceInvalid('qe-vendor', {
      message: `the quote is by a quoting enclave of an unknown vendor '${vendor}'`,
      expected: `${INTEL_QE_VENDOR_ID} (Intel)`,
      found: vendor,
    })
  }
  return {
    version,
    attestationKeyType,
    teeType: teeType === TEE_TYPE_SGX ? 'SGX' : 'TDX',
    svns,
    qeVendorId,
    userData,
  }
}

type Body = Pick<SgxQuote, 'kind' | 'body' | 'bodyType'> | Pick<TdxQuote, 'kind' | 'body' | 'bodyType'>

function readBody(reader: ByteReader, { version, teeType }: QuoteHeader): Body {
  if (version !== 5) {
    const length = teeType === 'SGX' ? SGX_REPORT_LENGTH : TD_REPORT_10_LENGTH
    return bodyOf(reader, teeType, length, undefined)
  }
  const bodyType = reader.u16le('body type')
  const described = BODIES.get(bodyType)
  if (described?.teeType !== teeType) {
    const known = [...BODIES].flatMap(([type, body]) => (body.teeType === teeType ? [type] : []))
    throw malformed(
      `its body type does not fit the TEE type, ${teeType}`,
      known.join(' or '),
      String(bodyType),
    )
  }
  const length = reader.u32le('body size')
  if (length !== described.length) {
    throw malformed(
      `its body size does not fit body type ${bodyType}`,
      `${described.length} bytes`,
      `${length} bytes`,
    )
  }
  return bodyOf(reader, teeType, length, bodyType)
}

function bodyOf(
  reader: ByteReader,
  teeType: QuoteHeader['teeType'],
  length: number,
  bodyType: number | undefined,
): Body {
  return teeType === 'SGX'
    ? { kind: 'sgx-quote', body: parseSgxReport(reader.take(length, 'enclave report')), bodyType }
    : { kind: 'tdx-quote', body: parseTdReport(reader.take(length, 'TD report')), bodyType }
}

/** Quotes v4 and v5 wrap QE report and certification data once more, as certification data of type 6. */
function readOuterCertification(signatureData: ByteReader): { type: number; content: ByteReader } {
  const type = signatureData.u16le('outer certification data type')
  if (type !== CERTIFICATION_QE_REPORT) {
    throw malformed('its outer certification data has an unsupported type', '6 (QE report)', String(type))
  }
  const length = signatureData.u32le('outer certification data length')
  return { type, content: new ByteReader(signatureData.take(length, 'outer certification data')) }
}

/** Bytes of CPUSVN, PCESVN and PCEID, which stand at the end of certification data of types 1 to 3. */
const PPID_TAIL_LENGTH = 20

function readCertification(type: number, bytes: Uint8Array): CertificationData {
  if (type === CERTIFICATION_PCK_CHAIN) return { form: 'pck-chain', type, bytes }
  const ppid =
    type === CERTIFICATION_PPID_CLEARTEXT
      ? 'cleartext'
      : type === CERTIFICATION_PPID_RSA2048
        ? 'rsa2048-encrypted'
        : type === CERTIFICATION_PPID_RSA3072
          ? 'rsa3072-encrypted'
          : undefined
  if (ppid === undefined) {
    throw malformed(
      'its certification data has an unsupported type',
      '1, 2, 3 (PPID) or 5 (PCK chain)',
      String(type),
    )
  }
  const tail = new ByteReader(bytes.subarray(Math.max(0, bytes.length - PPID_TAIL_LENGTH)))
  return {
    form: 'ppid',
    type,
    ppid,
    bytes,
    cpuSvn: tail.take(16, 'CPUSVN'),
    pceSvn: tail.u16le('PCESVN'),
    pceId: tail.take(2, 'PCEID'),
  }
}
