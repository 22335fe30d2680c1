import { ByteReader } from '../core/bytes.ts'

/** A TD report body of TDX 1.0, and what TDX 1.5 adds. Byte fields are in the order of the structure. */
export interface TdReport {
  /** 16 bytes: SVNs of the TDX module (0: its ISVSVN, 1: its major version), and of what it stands on. */
  readonly teeTcbSvn: Uint8Array
  /** 48 bytes, measurement of the TDX module. */
  readonly mrSeam: Uint8Array
  /** 48 bytes; zero for Intel's module. */
  readonly mrSignerSeam: Uint8Array
  /** 8 bytes. */
  readonly seamAttributes: Uint8Array
  /** 8 bytes, little-endian. */
  readonly tdAttributes: Uint8Array
  /** 8 bytes, little-endian. */
  readonly xfam: Uint8Array
  /** 48 bytes, the measurement of the TD's initial contents. */
  readonly mrTd: Uint8Array
  readonly mrConfigId: Uint8Array
  readonly mrOwner: Uint8Array
  readonly mrOwnerConfig: Uint8Array
  /** RTMR0 to RTMR3, 48 bytes each. */
  readonly rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  /** 64 bytes that the TD chose. */
  readonly reportData: Uint8Array
  /** TDATTRIBUTES.TUD bit 0. */
  readonly debug: boolean
  readonly septVeDisable: boolean
  /** TDX 1.5 only. */
  readonly extension: TdReportExtension | undefined
}

export interface TdReportExtension {
  /** 16 bytes: the SVNs of the module that runs now, which may be newer than the one that started the TD. */
  readonly teeTcbSvn2: Uint8Array
  /** 48 bytes, hash of the service TDs that are bound to this one; zero for none. */
  readonly mrServiceTd: Uint8Array
}

/** Bytes. Intel TDX DCAP Quoting Library API, A.3.2: TD report for TDX 1.0. */
export const TD_REPORT_10_LENGTH = 584
/** Bytes. The same, A.3.4: TD report for TDX 1.5. */
export const TD_REPORT_15_LENGTH = 648

/** TDATTRIBUTES (Intel TDX module specification, "TD_ATTRIBUTES"): bit 0 of byte 0, and bit 28. */
const ATTRIBUTE_DEBUG = 0x01
const ATTRIBUTE_SEPT_VE_DISABLE = 0x10

/** @param bytes exactly {@link TD_REPORT_10_LENGTH} or {@link TD_REPORT_15_LENGTH}; fields are views into it */
export function parseTdReport(bytes: Uint8Array): TdReport {
  const reader = new ByteReader(bytes)
  const teeTcbSvn = reader.take(16, 'TEE_TCB_SVN')
  const mrSeam = reader.take(48, 'MRSEAM')
  const mrSignerSeam = reader.take(48, 'MRSIGNERSEAM')
  const seamAttributes = reader.take(8, 'SEAMATTRIBUTES')
  const tdAttributes = reader.take(8, 'TDATTRIBUTES')
  const xfam = reader.take(8, 'XFAM')
  const mrTd = reader.take(48, 'MRTD')
  const mrConfigId = reader.take(48, 'MRCONFIGID')
  const mrOwner = reader.take(48, 'MROWNER')
  const mrOwnerConfig = reader.take(48, 'MROWNERCONFIG')
  const rtmrs = [
    reader.take(48, 'RTMR0'),
    reader.take(48, 'RTMR1'),
    reader.take(48, 'RTMR2'),
    reader.take(48, 'RTMR3'),
  ] as const
  const reportData = reader.take(64, 'REPORTDATA')
  const extension =
    bytes.length === TD_REPORT_15_LENGTH
      ? { teeTcbSvn2: reader.take(16, 'TEE_TCB_SVN_2'), mrServiceTd: reader.take(48, 'MRSERVICETD') }
      : undefined
  reader.end('the TD report')

  return {
    teeTcbSvn,
    mrSeam,
    mrSignerSeam,
    seamAttributes,
    tdAttributes,
    xfam,
    mrTd,
    mrConfigId,
    mrOwner,
    mrOwnerConfig,
    rtmrs,
    reportData,
    debug: ((tdAttributes[0] ?? 0) & ATTRIBUTE_DEBUG) !== 0,
    septVeDisable: ((tdAttributes[3] ?? 0) & ATTRIBUTE_SEPT_VE_DISABLE) !== 0,
    extension,
  }
}
