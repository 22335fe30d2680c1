import type { Json } from '../../packages/tee-kit/src/intel/documents.ts'
import type { SgxReportFields } from '../../packages/tee-kit/src/intel/reports.ts'

// TCB levels as Intel's documents have them, and what a platform's quotes may say.

export interface QuoteOptions {
  readonly report?: SgxReportFields
  readonly qe?: SgxReportFields
  /** Default: the PCK chain inside. */
  readonly certification?: 'pck-chain' | 'ppid'
}

export interface TdOptions {
  readonly teeTcbSvn?: string
  /** Makes it a quote v5 of TDX 1.5. */
  readonly teeTcbSvn2?: string
  readonly mrSignerSeam?: string
  readonly seamAttributes?: string
  readonly tdAttributes?: string
  readonly mrTd?: string
  readonly rtmr3?: string
}

export function level(
  components: readonly number[],
  pceSvn: number,
  status: string,
  advisories: readonly string[] = [],
  tdxComponents?: readonly number[],
): Json {
  const list = (svns: readonly number[]): Json =>
    Array.from({ length: 16 }, (_, index) => ({ svn: svns[index] ?? 0 }))
  return {
    tcb: {
      sgxtcbcomponents: list(components),
      pcesvn: pceSvn,
      ...(tdxComponents ? { tdxtcbcomponents: list(tdxComponents) } : {}),
    },
    tcbDate: '2024-03-13T00:00:00Z',
    tcbStatus: status,
    ...(advisories.length > 0 ? { advisoryIDs: advisories } : {}),
  }
}

export const isvLevel = (isvsvn: number, status: string, advisories: readonly string[] = []): Json => ({
  tcb: { isvsvn },
  tcbDate: '2024-03-13T00:00:00Z',
  tcbStatus: status,
  ...(advisories.length > 0 ? { advisoryIDs: advisories } : {}),
})
