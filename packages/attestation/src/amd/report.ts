import { ByteReader } from '../core/bytes.ts'
import { toHex } from '../core/encoding.ts'
import { decoding, malformed } from '../core/errors.ts'
import { TCB_LENGTH, decodeTcb, productOfCpuid } from './tcb.ts'
import type { AmdProduct, TcbVersion } from './tcb.ts'

/** ATTESTATION_REPORT (AMD 56860, 7.3); bytes. */
export const REPORT_LENGTH = 1184
/** ABI versions whose fields this library knows: 2 (firmware 1.51), 3 (1.55: CPUID), 4, 5 (1.58: mitigation vectors). */
const VERSIONS = { first: 2, last: 5 } as const
/** SIGNATURE_ALGO (AMD 56860, signing algorithms): ECDSA with P-384 and SHA-384, the only one. */
export const ALGORITHM_ECDSA_P384_SHA384 = 1

/** Guest policy (AMD 56860, guest policy structure). */
export interface SnpGuestPolicy {
  /** The whole field, `0x` and 16 hex digits. */
  readonly raw: string
  readonly abiMinor: number
  readonly abiMajor: number
  readonly smt: boolean
  /** Bit 17, which has to be one. */
  readonly reserved1: boolean
  readonly migrateMa: boolean
  readonly debug: boolean
  readonly singleSocket: boolean
  readonly cxlAllow: boolean
  readonly memAes256Xts: boolean
  readonly raplDis: boolean
  readonly ciphertextHiding: boolean
  readonly pageSwapDisable: boolean
}

/** PLATFORM_INFO (AMD 56860, 7.3). */
export interface SnpPlatformInfo {
  /** `0x` and hex digits without leading zeros. */
  readonly raw: string
  readonly smtEnabled: boolean
  readonly tsmeEnabled: boolean
  readonly eccEnabled: boolean
  readonly raplDisabled: boolean
  readonly ciphertextHidingEnabled: boolean
  /** The check against aliased memory was made since the last reset (AMD-SB-3015, BadRAM). */
  readonly aliasCheckComplete: boolean
  readonly iommuWriteSafe: boolean
  readonly tioEnabled: boolean
}

export type SnpSigningKey = 'VCEK' | 'VLEK' | 'none' | 'reserved'

/** The facts of a report. Byte strings are lower-case hex in the report's order. */
export interface SnpReport {
  readonly version: number
  readonly guestSvn: number
  readonly policy: SnpGuestPolicy
  readonly familyId: string
  readonly imageId: string
  readonly vmpl: number
  readonly signatureAlgo: number
  readonly platformInfo: SnpPlatformInfo
  readonly flags: {
    readonly raw: string
    readonly authorKeyEnabled: boolean
    readonly maskChipKey: boolean
    readonly signingKey: SnpSigningKey
  }
  readonly reportData: string
  readonly measurement: string
  readonly hostData: string
  readonly idKeyDigest: string
  readonly authorKeyDigest: string
  readonly reportId: string
  readonly reportIdMa: string
  readonly chipId: string
  /** From version 3 on. Family and model are the combined ones (base and extended). */
  readonly cpuid?: { readonly family: number; readonly model: number; readonly stepping: number }
  /** Undefined for version 2, and for processors that this library doesn't know. */
  readonly productFromCpuid: AmdProduct | undefined
  readonly currentTcb: TcbVersion
  readonly reportedTcb: TcbVersion
  readonly committedTcb: TcbVersion
  readonly launchTcb: TcbVersion
  /** Firmware, as `major.minor.build`. */
  readonly currentVersion: string
  readonly committedVersion: string
  /** From version 5 on; `0x` and hex digits without leading zeros. */
  readonly launchMitVector?: string
  readonly currentMitVector?: string
}

/**
 * Reads a report, without verifying anything of it.
 *
 * @param product decides how the TCB versions are laid out. Without it the CPUID in the report does; a report of version
 *   2 doesn't say, and is read as Milan's and Genoa's.
 * @throws EvidenceInvalid `report-format`
 */
export function parseSnpReport(bytes: Uint8Array, product?: AmdProduct): SnpReport {
  return decoding('report-format', 'the SEV-SNP report', () => readReport(bytes, product))
}

function readReport(bytes: Uint8Array, product: AmdProduct | undefined): SnpReport {
  if (bytes.length !== REPORT_LENGTH) {
    throw malformed('it has another length', `${REPORT_LENGTH} bytes`, `${bytes.length} bytes`)
  }
  const reader = new ByteReader(bytes)
  const version = reader.u32le('VERSION')
  if (version < VERSIONS.first || version > VERSIONS.last) {
    throw malformed(
      'it has a version that this library does not know',
      `${VERSIONS.first} to ${VERSIONS.last}`,
      String(version),
    )
  }
  const guest = readGuest(reader)
  const { currentTcb, ...platform } = readPlatform(reader)
  const identity = readIdentity(reader)
  const { reportedTcb, cpuid: cpuidBytes, chipId } = readChip(reader)
  const { committedTcb, launchTcb, launchMitVector, currentMitVector, ...firmware } = readFirmware(reader)

  const cpuid = version >= 3 ? cpuidBytes : undefined
  const productFromCpuid = cpuid && productOfCpuid(cpuid)
  const layout = product ?? productFromCpuid ?? 'Milan'
  return {
    version,
    ...guest,
    ...platform,
    ...identity,
    chipId,
    ...(cpuid ? { cpuid } : {}),
    productFromCpuid,
    currentTcb: decodeTcb(currentTcb, layout),
    reportedTcb: decodeTcb(reportedTcb, layout),
    committedTcb: decodeTcb(committedTcb, layout),
    launchTcb: decodeTcb(launchTcb, layout),
    ...firmware,
    ...(version >= 5 ? { launchMitVector, currentMitVector } : {}),
  }
}

// The members of an object are evaluated in the order in which they are written, which is that of the structure.

const hex = (reader: ByteReader, length: number, what: string): string => toHex(reader.take(length, what))

/** 0x04 to 0x33. */
const readGuest = (reader: ByteReader) => ({
  guestSvn: reader.u32le('GUEST_SVN'),
  policy: guestPolicy(reader.u64le('POLICY')),
  familyId: hex(reader, 16, 'FAMILY_ID'),
  imageId: hex(reader, 16, 'IMAGE_ID'),
  vmpl: reader.u32le('VMPL'),
})

/** 0x34 to 0x4f, the last four bytes of it reserved. */
function readPlatform(reader: ByteReader) {
  const fields = {
    signatureAlgo: reader.u32le('SIGNATURE_ALGO'),
    currentTcb: reader.take(TCB_LENGTH, 'CURRENT_TCB'),
    platformInfo: platformInfo(reader.u64le('PLATFORM_INFO')),
    flags: keyFlags(reader.u32le('key flags')),
  }
  reader.skip(4, 'reserved')
  return fields
}

/** 0x50 to 0x17f. */
const readIdentity = (reader: ByteReader) => ({
  reportData: hex(reader, 64, 'REPORT_DATA'),
  measurement: hex(reader, 48, 'MEASUREMENT'),
  hostData: hex(reader, 32, 'HOST_DATA'),
  idKeyDigest: hex(reader, 48, 'ID_KEY_DIGEST'),
  authorKeyDigest: hex(reader, 48, 'AUTHOR_KEY_DIGEST'),
  reportId: hex(reader, 32, 'REPORT_ID'),
  reportIdMa: hex(reader, 32, 'REPORT_ID_MA'),
})

/** 0x180 to 0x1df. */
function readChip(reader: ByteReader) {
  const reportedTcb = reader.take(TCB_LENGTH, 'REPORTED_TCB')
  const cpuid = { family: reader.u8('CPUID'), model: reader.u8('CPUID'), stepping: reader.u8('CPUID') }
  reader.skip(21, 'reserved')
  return { reportedTcb, cpuid, chipId: hex(reader, 64, 'CHIP_ID') }
}

/** 0x1e0 to 0x207; what follows, up to the signature, is reserved. */
const readFirmware = (reader: ByteReader) => ({
  committedTcb: reader.take(TCB_LENGTH, 'COMMITTED_TCB'),
  currentVersion: firmwareVersion(reader),
  committedVersion: firmwareVersion(reader),
  launchTcb: reader.take(TCB_LENGTH, 'LAUNCH_TCB'),
  launchMitVector: shortHex(reader.u64le('LAUNCH_MIT_VECTOR')),
  currentMitVector: shortHex(reader.u64le('CURRENT_MIT_VECTOR')),
})

const shortHex = (value: bigint | number): string => `0x${value.toString(16)}`

function bitsOf(value: bigint): (bit: number) => boolean {
  return (bit) => ((value >> BigInt(bit)) & 1n) === 1n
}

function guestPolicy(value: bigint): SnpGuestPolicy {
  const bit = bitsOf(value)
  return {
    raw: `0x${value.toString(16).padStart(16, '0')}`,
    abiMinor: Number(value & 0xffn),
    abiMajor: Number((value >> 8n) & 0xffn),
    smt: bit(16),
    reserved1: bit(17),
    migrateMa: bit(18),
    debug: bit(19),
    singleSocket: bit(20),
    cxlAllow: bit(21),
    memAes256Xts: bit(22),
    raplDis: bit(23),
    ciphertextHiding: bit(24),
    pageSwapDisable: bit(25),
  }
}

function platformInfo(value: bigint): SnpPlatformInfo {
  const bit = bitsOf(value)
  return {
    raw: shortHex(value),
    smtEnabled: bit(0),
    tsmeEnabled: bit(1),
    eccEnabled: bit(2),
    raplDisabled: bit(3),
    ciphertextHidingEnabled: bit(4),
    aliasCheckComplete: bit(5),
    iommuWriteSafe: bit(6),
    tioEnabled: bit(7),
  }
}

function keyFlags(value: number): SnpReport['flags'] {
  // Bits 2 to 4, SIGNING_KEY: 0 VCEK, 1 VLEK, 7 none, others reserved.
  const key = (value >> 2) & 7
  return {
    raw: shortHex(value),
    authorKeyEnabled: (value & 1) !== 0,
    maskChipKey: (value & 2) !== 0,
    signingKey: key === 0 ? 'VCEK' : key === 1 ? 'VLEK' : key === 7 ? 'none' : 'reserved',
  }
}

/** Three bytes (build, minor, major) and a reserved one. */
function firmwareVersion(reader: ByteReader): string {
  const build = reader.u8('firmware build')
  const minor = reader.u8('firmware minor')
  const major = reader.u8('firmware major')
  reader.skip(1, 'reserved')
  return `${major}.${minor}.${build}`
}
