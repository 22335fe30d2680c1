import { randomBytes } from 'node:crypto'

/** What can be wrong with a quoting device. */
export type DeviceFault =
  /** Readers wait, until the fault ends or the device does. */
  | 'hang'
  /** It answers with nothing. */
  | 'empty'
  /** It answers with noise. */
  | 'garbage'
  /** It answers with evidence over other report data, as when another process came between. */
  | 'other-report-data'

/** How often devices look whether somebody reads; milliseconds. Node can't be told when a pipe is opened. */
export const POLL_MS = 2

/** What a reader gets under a fault. */
export function answerUnder(
  fault: DeviceFault | undefined,
  reportData: Uint8Array,
  answer: (reportData: Uint8Array) => Uint8Array,
): Uint8Array {
  switch (fault) {
    case 'empty':
      return Buffer.alloc(0)
    case 'garbage':
      return randomBytes(1000)
    case 'other-report-data':
      return answer(randomBytes(64))
    case 'hang':
    case undefined:
      return answer(reportData)
  }
}
