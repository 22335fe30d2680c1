import { u32 } from '../encoding/bytes.ts'

/** Report types of the paravisor's header. */
export const REPORT_TYPE = { SNP: 2, TDX: 4 } as const
/** Hash type 1. */
const SHA256 = 1
/** Bytes of room for the hardware's report. */
const HARDWARE_REPORT_LENGTH = 1184

/**
 * The content of the vTPM's NV index 0x01400001.
 *
 * @param report the hardware's, over the hash of the runtime data
 * @param reportType of {@link REPORT_TYPE}
 * @param hashType 1: SHA-256, 2: SHA-384, 3: SHA-512
 */
export function hclReport(
  report: Uint8Array,
  runtimeData: Uint8Array,
  reportType: number,
  hashType = SHA256,
): Buffer {
  const hardware = Buffer.concat([report, Buffer.alloc(HARDWARE_REPORT_LENGTH - report.length)])
  const size = 32 + hardware.length + 20 + runtimeData.length
  const numbers = (...values: readonly number[]): Buffer => Buffer.concat(values.map(u32))
  return Buffer.concat([
    Buffer.from('HCLA'),
    // Version, size, request type; then status and reserved.
    numbers(2, size, 2),
    Buffer.alloc(16),
    hardware,
    numbers(20 + runtimeData.length, 1, reportType, hashType, runtimeData.length),
    runtimeData,
  ])
}
