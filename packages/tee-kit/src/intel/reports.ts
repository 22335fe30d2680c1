import { put, u16, u32 } from '../encoding/bytes.ts'

// What processors report about enclaves and trust domains. Byte fields are hex, in the order of the structure.

/** SGX REPORT without KEYID and MAC (Intel SDM volume 3D, "Layout of REPORT"). */
export interface SgxReportFields {
  readonly cpuSvn?: string
  readonly miscSelect?: string
  readonly isvExtProdId?: string
  /** 16 bytes. Without it: INIT, MODE64 and what `debug` says. */
  readonly attributes?: string
  readonly debug?: boolean
  readonly mrEnclave?: string
  readonly mrSigner?: string
  readonly configId?: string
  readonly isvProdId?: number
  readonly isvSvn?: number
  readonly configSvn?: number
  readonly isvFamilyId?: string
  /** Up to 64 bytes. */
  readonly reportData?: Uint8Array
}

/** TD report bodies (Intel TDX DCAP Quoting Library API, A.3.2 and A.3.4). */
export interface TdReportFields {
  readonly teeTcbSvn?: string
  readonly mrSeam?: string
  readonly mrSignerSeam?: string
  readonly seamAttributes?: string
  /** 8 bytes. Without it: SEPT_VE_DISABLE and what `debug` says. */
  readonly tdAttributes?: string
  readonly debug?: boolean
  readonly xfam?: string
  readonly mrTd?: string
  readonly mrConfigId?: string
  readonly mrOwner?: string
  readonly mrOwnerConfig?: string
  /** RTMR0 to RTMR3. */
  readonly rtmrs?: readonly string[]
  /** Up to 64 bytes. */
  readonly reportData?: Uint8Array
  /** The next two: TDX 1.5 only. */
  readonly teeTcbSvn2?: string
  readonly mrServiceTd?: string
}

/** FLAGS: INIT, MODE64 (0x05), DEBUG (0x02); XFRM: x87, SSE, AVX, AVX-512. */
const attributesOf = (debug: boolean): string => `${debug ? '07' : '05'}00000000000000e700000000000000`

/** 384 bytes. */
export function sgxReport(fields: SgxReportFields): Buffer {
  const report = Buffer.alloc(384)
  put(report, 0, 16, fields.cpuSvn ?? '')
  put(report, 16, 4, fields.miscSelect ?? '')
  put(report, 32, 16, fields.isvExtProdId ?? '')
  put(report, 48, 16, fields.attributes ?? attributesOf(fields.debug ?? false))
  put(report, 64, 32, fields.mrEnclave ?? '')
  put(report, 128, 32, fields.mrSigner ?? '')
  put(report, 192, 64, fields.configId ?? '')
  put(report, 256, 2, u16(fields.isvProdId ?? 0))
  put(report, 258, 2, u16(fields.isvSvn ?? 0))
  put(report, 260, 2, u16(fields.configSvn ?? 0))
  put(report, 304, 16, fields.isvFamilyId ?? '')
  put(report, 320, 64, fields.reportData ?? '')
  return report
}

/** TDATTRIBUTES: SEPT_VE_DISABLE (bit 28), DEBUG (bit 0). */
const tdAttributesOf = (debug: boolean): string => `${debug ? '01' : '00'}00001000000000`

/** @param generation 584 bytes for TDX 1.0, 648 for 1.5 */
export function tdReport(fields: TdReportFields, generation: '1.0' | '1.5'): Buffer {
  const report = Buffer.alloc(generation === '1.0' ? 584 : 648)
  put(report, 0, 16, fields.teeTcbSvn ?? '')
  put(report, 16, 48, fields.mrSeam ?? '5c'.repeat(48))
  put(report, 64, 48, fields.mrSignerSeam ?? '')
  put(report, 112, 8, fields.seamAttributes ?? '')
  put(report, 120, 8, fields.tdAttributes ?? tdAttributesOf(fields.debug ?? false))
  put(report, 128, 8, fields.xfam ?? 'e702060000000000')
  put(report, 136, 48, fields.mrTd ?? '')
  put(report, 184, 48, fields.mrConfigId ?? '')
  put(report, 232, 48, fields.mrOwner ?? '')
  put(report, 280, 48, fields.mrOwnerConfig ?? '')
  for (const [index, rtmr] of (fields.rtmrs ?? []).entries()) {
    if (index > 3) throw new RangeError('a TD has four RTMRs')
    put(report, 328 + 48 * index, 48, rtmr)
  }
  put(report, 520, 64, fields.reportData ?? '')
  if (generation === '1.5') {
    put(report, 584, 16, fields.teeTcbSvn2 ?? fields.teeTcbSvn ?? '')
    put(report, 600, 48, fields.mrServiceTd ?? '')
  }
  return report
}

/** Quote format 5: type (2: TDX 1.0, 3: TDX 1.5) and length of the body go before it. */
export const bodyDescriptor = (body: Uint8Array): Buffer =>
  Buffer.concat([u16(body.length === 584 ? 2 : 3), u32(body.length)])
