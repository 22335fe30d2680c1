import { ByteReader } from '../core/bytes.ts'

/** An SGX enclave report body; byte fields are in the order of the structure. */
export interface SgxReport {
  /** 16 bytes. */
  readonly cpuSvn: Uint8Array
  /** 4 bytes, a little-endian number. */
  readonly miscSelect: Uint8Array
  readonly isvExtProdId: Uint8Array
  /** 16 bytes: FLAGS (8 bytes, little-endian) and XFRM (8 bytes). */
  readonly attributes: Uint8Array
  readonly debug: boolean
  readonly mode64: boolean
  readonly provisionKey: boolean
  /** 32 bytes; a manifest's `UniqueID`. */
  readonly mrEnclave: Uint8Array
  /** 32 bytes; a manifest's `SignerID`. */
  readonly mrSigner: Uint8Array
  readonly configId: Uint8Array
  readonly isvProdId: number
  readonly isvSvn: number
  readonly configSvn: number
  readonly isvFamilyId: Uint8Array
  /** 64 bytes that the enclave chose. */
  readonly reportData: Uint8Array
}

/** Bytes. Intel SDM volume 3D, table "Layout of REPORT" without KEYID and MAC. */
export const SGX_REPORT_LENGTH = 384

/** Bits of ATTRIBUTES.FLAGS (Intel SDM volume 3D, "ATTRIBUTES"). */
const FLAG_DEBUG = 0x02
const FLAG_MODE64 = 0x04
const FLAG_PROVISION_KEY = 0x10

/** @param bytes exactly {@link SGX_REPORT_LENGTH}; fields of the result are views into it */
export function parseSgxReport(bytes: Uint8Array): SgxReport {
  const reader = new ByteReader(bytes)
  const cpuSvn = reader.take(16, 'CPUSVN')
  const miscSelect = reader.take(4, 'MISCSELECT')
  reader.skip(12, 'reserved bytes')
  const isvExtProdId = reader.take(16, 'ISVEXTPRODID')
  const attributes = reader.take(16, 'ATTRIBUTES')
  const mrEnclave = reader.take(32, 'MRENCLAVE')
  reader.skip(32, 'reserved bytes')
  const mrSigner = reader.take(32, 'MRSIGNER')
  reader.skip(32, 'reserved bytes')
  const configId = reader.take(64, 'CONFIGID')
  const isvProdId = reader.u16le('ISVPRODID')
  const isvSvn = reader.u16le('ISVSVN')
  const configSvn = reader.u16le('CONFIGSVN')
  reader.skip(42, 'reserved bytes')
  const isvFamilyId = reader.take(16, 'ISVFAMILYID')
  const reportData = reader.take(64, 'REPORTDATA')
  reader.end('the enclave report')

  const [flags = 0] = attributes
  return {
    cpuSvn,
    miscSelect,
    isvExtProdId,
    attributes,
    debug: (flags & FLAG_DEBUG) !== 0,
    mode64: (flags & FLAG_MODE64) !== 0,
    provisionKey: (flags & FLAG_PROVISION_KEY) !== 0,
    mrEnclave,
    mrSigner,
    configId,
    isvProdId,
    isvSvn,
    configSvn,
    isvFamilyId,
    reportData,
  }
}
