// The binary structures of quotes, and TCB levels in JSON, from their fields.

export type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json }

export interface ReportOptions {
  readonly cpuSvn?: string
  readonly miscSelect?: string
  readonly attributes?: string
  readonly mrEnclave?: string
  readonly mrSigner?: string
  readonly isvProdId?: number
  readonly isvSvn?: number
  readonly reportData?: Uint8Array
}

export interface QuoteOptions {
  readonly report?: ReportOptions
  readonly qe?: ReportOptions
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

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

export const lengthPrefixed = (bytes: Uint8Array): readonly Uint8Array[] => [u32(bytes.length), bytes]

export function quoteHeader(version: number, teeType: number): Buffer {
  const vendor = Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex')
  return Buffer.concat([u16(version), u16(2), u32(teeType), Buffer.alloc(4), vendor, Buffer.alloc(20)])
}

export function sgxReport(options: ReportOptions): Buffer {
  const report = Buffer.alloc(384)
  const put = (hex: string | undefined, offset: number): void => {
    if (hex !== undefined) report.write(hex, offset, 'hex')
  }
  put(options.cpuSvn ?? '02'.repeat(16), 0)
  put(options.miscSelect, 16)
  put(options.attributes ?? '05000000000000000700000000000000', 48)
  put(options.mrEnclave ?? '11'.repeat(32), 64)
  put(options.mrSigner ?? '22'.repeat(32), 128)
  report.writeUInt16LE(options.isvProdId ?? 3, 256)
  report.writeUInt16LE(options.isvSvn ?? 4, 258)
  report.set(options.reportData ?? new Uint8Array(64), 320)
  return report
}

export function tdReport(options: TdOptions): Buffer {
  const report = Buffer.alloc(options.teeTcbSvn2 === undefined ? 584 : 648)
  const put = (hex: string | undefined, offset: number): void => {
    if (hex !== undefined) report.write(hex, offset, 'hex')
  }
  put(options.teeTcbSvn ?? '05000300', 0)
  put(options.mrSignerSeam, 64)
  put(options.seamAttributes, 112)
  put(options.tdAttributes ?? '0000001000000000', 120)
  put(options.mrTd ?? '33'.repeat(48), 136)
  put(options.rtmr3 ?? '44'.repeat(48), 472)
  put(options.teeTcbSvn2, 584)
  return report
}
