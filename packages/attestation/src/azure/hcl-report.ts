import { ByteReader } from '../core/bytes.ts'
import { toHex } from '../core/encoding.ts'
import { decoding, malformed } from '../core/errors.ts'

// Layout: Microsoft, "Azure confidential VMs, guest attestation design", table "Attestation report" (vTPM NV index
// 0x01400001); numbers are little-endian.

/** `HCLA`. */
const MAGIC = '48434c41'
/** The hardware's report has this much room, whatever its kind; bytes. */
const HARDWARE_REPORT_LENGTH = 1184
/** 2 in all reports of both header versions. */
const VERSIONS = { first: 1, last: 2 } as const
/** The NV index has 2600 bytes; runtime data of 1.1 to 1.2 KB. */
const MAX_REPORT_BYTES = 32 * 1024

const REPORT_TYPES: ReadonlyMap<number, HclReport['reportType']> = new Map([
  [2, 'SNP'],
  [4, 'TDX'],
])
export const HASH_TYPES: ReadonlyMap<number, HclReport['hashType']> = new Map([
  [1, 'SHA-256'],
  [2, 'SHA-384'],
  [3, 'SHA-512'],
])

/** The report that Azure's paravisor (HCL) keeps in the vTPM: a hardware report, and the data that it is bound to. */
export interface HclReport {
  readonly version: number
  /** Of the whole report, as its header states it. */
  readonly reportSize: number
  readonly requestType: number
  readonly reportType: 'SNP' | 'TDX'
  /** 1184 bytes: an SNP report, or a TDREPORT (which proves nothing outside of the machine) with zeros after it. */
  readonly hardwareReport: Uint8Array
  readonly hashType: 'SHA-256' | 'SHA-384' | 'SHA-512'
  /** JSON; its hash is the hardware report's data. */
  readonly runtimeData: Uint8Array
}

/**
 * Reads an HCL report. What follows the runtime data (the rest of the NV index) is left alone: nothing is bound to it.
 *
 * @throws EvidenceInvalid `hcl-report-format`
 */
export function parseHclReport(bytes: Uint8Array): HclReport {
  return decoding('hcl-report-format', 'the HCL report', () => {
    if (bytes.length > MAX_REPORT_BYTES) {
      throw malformed('it is too large', `at most ${MAX_REPORT_BYTES} bytes`, `${bytes.length} bytes`)
    }
    const reader = new ByteReader(bytes)
    const magic = toHex(reader.take(4, 'signature'))
    if (magic !== MAGIC) throw malformed('it has another signature', `${MAGIC} (HCLA)`, magic)
    const version = reader.u32le('version')
    if (version < VERSIONS.first || version > VERSIONS.last) {
      throw malformed('it has another version', `${VERSIONS.first} or ${VERSIONS.last}`, String(version))
    }
    const reportSize = reader.u32le('report size')
    const requestType = reader.u32le('request type')
    reader.skip(16, 'status and reserved')
    const hardwareReport = reader.take(HARDWARE_REPORT_LENGTH, 'hardware report')
    reader.skip(8, 'data size and version of the runtime data')
    const reportType = known(REPORT_TYPES, reader.u32le('report type'), 'report type')
    const hashType = known(HASH_TYPES, reader.u32le('hash type'), 'hash type')
    const runtimeData = reader.take(reader.u32le('size of the runtime data'), 'runtime data')
    return { version, reportSize, requestType, reportType, hardwareReport, hashType, runtimeData }
  })
}

function known<T>(values: ReadonlyMap<number, T>, value: number, what: string): T {
  const name = values.get(value)
  if (name === undefined) {
    const expected = [...values].map(([number, meaning]) => `${number} (${String(meaning)})`).join(' or ')
    throw malformed(`its ${what} is unknown`, expected, String(value))
  }
  return name
}
