import { sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { put } from '../encoding/bytes.ts'
import { CPUID, encodeTcb } from './tcb.ts'
import type { AmdProduct, SnpTcb } from './tcb.ts'

/** Fields of ATTESTATION_REPORT (AMD 56860, 7.3); those left out are those of a plain guest. Byte fields are hex. */
export interface SnpReportFields {
  /** Real ones are 2 to 5; default 3. */
  readonly version?: number
  readonly guestSvn?: number
  /** The whole of POLICY. Without it: SMT allowed, bit 17, and what `debug` says. */
  readonly policy?: bigint
  readonly debug?: boolean
  readonly familyId?: string
  readonly imageId?: string
  readonly vmpl?: number
  readonly signatureAlgorithm?: number
  readonly platformInfo?: bigint
  readonly maskChipKey?: boolean
  /** Up to 64 bytes. */
  readonly reportData?: Uint8Array
  readonly measurement?: string
  readonly hostData?: string
  readonly idKeyDigest?: string
  readonly authorKeyDigest?: string
  readonly reportedTcb?: SnpTcb
  readonly committedTcb?: SnpTcb
  readonly launchTcb?: SnpTcb
  /** Family, model, stepping. */
  readonly cpuid?: readonly [number, number, number]
  readonly chipId?: string
}

/** What the chip itself puts into its reports. */
export interface ReportingChip {
  readonly product: AmdProduct
  /** Hex; zeros when the host masks it. */
  readonly chipId: string
  readonly tcb: SnpTcb
}

/** Bytes. */
const REPORT_LENGTH = 1184
/** Bytes that the signature is over. */
const SIGNED_LENGTH = 0x2a0
/** POLICY: SMT (16), the bit that has to be one (17), DEBUG (19). */
const PLAIN_POLICY = 0x30000n
const POLICY_DEBUG = 0x80000n
/** PLATFORM_INFO: SMT, ECC, alias check complete. */
const PLATFORM_INFO = 0x25n
/** Build, minor, major. */
const FIRMWARE = Buffer.of(29, 55, 1)
/** SIGNING_KEY in bits 2 to 4, MASK_CHIP_KEY in bit 1, AUTHOR_KEY_EN in bit 0. */
const SIGNING_KEY = { VCEK: 0, VLEK: 1 << 2 } as const

/** All of a report but its signature, which stays zero. */
export function snpReport(
  chip: ReportingChip,
  signingKey: keyof typeof SIGNING_KEY,
  fields: SnpReportFields,
): Buffer {
  const { version = 3 } = fields
  const report = Buffer.alloc(REPORT_LENGTH)
  report.writeUInt32LE(version, 0x00)
  report.writeUInt32LE(fields.guestSvn ?? 0, 0x04)
  report.writeBigUInt64LE(
    fields.policy ?? (fields.debug === true ? PLAIN_POLICY | POLICY_DEBUG : PLAIN_POLICY),
    0x08,
  )
  put(report, 0x10, 16, fields.familyId ?? '')
  put(report, 0x20, 16, fields.imageId ?? '')
  report.writeUInt32LE(fields.vmpl ?? 0, 0x30)
  report.writeUInt32LE(fields.signatureAlgorithm ?? 1, 0x34)
  report.writeBigUInt64LE(fields.platformInfo ?? PLATFORM_INFO, 0x40)
  const authorKey = fields.authorKeyDigest === undefined ? 0 : 1
  report.writeUInt32LE(SIGNING_KEY[signingKey] | (fields.maskChipKey === true ? 2 : 0) | authorKey, 0x48)
  put(report, 0x50, 64, fields.reportData ?? '')
  put(report, 0x90, 48, fields.measurement ?? '')
  put(report, 0xc0, 32, fields.hostData ?? '')
  put(report, 0xe0, 48, fields.idKeyDigest ?? '')
  put(report, 0x110, 48, fields.authorKeyDigest ?? '')
  // A guest without a migration agent has ones here (REPORT_ID_MA).
  report.fill(0xff, 0x160, 0x180)
  if (version >= 3) put(report, 0x188, 3, Buffer.from(fields.cpuid ?? CPUID[chip.product]))
  put(report, 0x1a0, 64, fields.chipId ?? chip.chipId)
  put(report, 0x1e8, 3, FIRMWARE)
  put(report, 0x1ec, 3, FIRMWARE)
  for (const [offset, tcb] of [
    [0x38, chip.tcb],
    [0x180, fields.reportedTcb ?? chip.tcb],
    [0x1e0, fields.committedTcb ?? chip.tcb],
    [0x1f0, fields.launchTcb ?? chip.tcb],
  ] as const) {
    put(report, offset, 8, encodeTcb(chip.product, tcb))
  }
  return report
}

/** Signs a report in its place: ECDSA P-384 with SHA-384, r and s little-endian in 72 bytes each. */
export function signReport(report: Buffer, key: KeyObject): void {
  const signature = sign('sha384', report.subarray(0, SIGNED_LENGTH), { key, dsaEncoding: 'ieee-p1363' })
  report.fill(0, SIGNED_LENGTH)
  put(report, SIGNED_LENGTH, 72, Buffer.from(signature.subarray(0, 48)).reverse())
  put(report, SIGNED_LENGTH + 72, 72, Buffer.from(signature.subarray(48)).reverse())
}
