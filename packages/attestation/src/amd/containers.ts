import { fromBase64, fromUtf8 } from '../core/encoding.ts'
import { decoding, malformed } from '../core/errors.ts'
import { parseJson, rawMembers } from '../core/json.ts'
import { REPORT_LENGTH } from './report.ts'

/** A report, with the certificate table that came along. */
export interface SnpContainer {
  readonly report: Uint8Array
  readonly certificateTable: Uint8Array | undefined
}

/** A report and a table of five certificates, in base64. */
const MAX_JSON_BYTES = 256 * 1024

/**
 * Finds an SEV-SNP report in what tools keep: the bare 1184 bytes, or a JSON object with the attributes of Linux
 * configfs-tsm (`provider`, `outblob`, `auxblob`) in base64 or base64url.
 *
 * @returns undefined when it is neither
 * @throws EvidenceInvalid `report-format` when it is such an object, but can't be read
 */
export function findSnpReport(bytes: Uint8Array): SnpContainer | undefined {
  // JSON starts with 7b or white space, a report with its version: 2 or a little more.
  if (bytes.length === REPORT_LENGTH && (bytes[0] ?? 0) < 9) {
    return { report: Uint8Array.from(bytes), certificateTable: undefined }
  }
  const [first] = bytes
  if (
    bytes.length > MAX_JSON_BYTES ||
    first === undefined ||
    !'{ \t\r\n'.includes(String.fromCharCode(first))
  ) {
    return undefined
  }
  return decoding('report-format', 'the configfs-tsm report', () => {
    const members = rawMembers(fromUtf8(bytes))
    const report = members.get('outblob')
    if (report === undefined) return undefined
    const provider = text(members.get('provider') ?? '"sev_guest"', 'provider').trim()
    if (provider !== 'sev_guest') return undefined
    const table = members.get('auxblob')
    const tableBytes = table === undefined ? new Uint8Array(0) : fromBase64(text(table, 'auxblob'))
    return {
      report: fromBase64(text(report, 'outblob')),
      certificateTable: tableBytes.length === 0 ? undefined : tableBytes,
    }
  })
}

function text(json: string, name: string): string {
  const value = parseJson(json)
  if (typeof value !== 'string') throw malformed(`'${name}' is malformed`, 'a text', typeof value)
  return value
}
