import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { PcrSelection } from '../../tpm-settings.ts'
import { type TpmJob, TpmError } from './tools.ts'

/** What PCRs of the SHA-256 bank hold. */
export type PcrValues = ReadonlyMap<number, Uint8Array>

/** Bytes of a PCR of the SHA-256 bank. */
export const pcrLength = 32

/** TCG PC Client Platform Firmware Profile, EV_SEPARATOR: the firmware extends a separator into each of PCRs 0 to 7 before it starts anything. */
const lastFirmwarePcr = 7

/** Lists of PCRs as tpm2-tools take them, which take no more than eight at once. */
export const pcrLists = (selection: PcrSelection): string[] =>
  groupsOf(selection).map((group) => `sha256:${group.join(',')}`)

const maxPcrsAtOnce = 8

function groupsOf(selection: PcrSelection): PcrSelection[] {
  const count = Math.ceil(selection.length / maxPcrsAtOnce)
  return Array.from({ length: count }, (_, index) =>
    selection.slice(index * maxPcrsAtOnce, (index + 1) * maxPcrsAtOnce),
  )
}

/** @throws {@link TpmError} also when nothing was measured into them, so that anything could be booted */
export async function readPcrs(job: TpmJob, selection: PcrSelection): Promise<PcrValues> {
  const file = job.file('pcrs')
  await job.run('tpm2_pcrread', [`sha256:${selection.join(',')}`, '--output', file])
  const bytes = await readFile(file)
  if (bytes.length !== selection.length * pcrLength) {
    throw new TpmError(
      `the TPM gave ${bytes.length} bytes for PCRs ${selection.join(', ')}, ` +
        `but ${selection.length * pcrLength} are needed: its SHA-256 bank must be switched on`,
    )
  }
  const values = new Map(
    selection.map((number, index) => [number, bytes.subarray(index * pcrLength, (index + 1) * pcrLength)]),
  )
  requireMeasured(values)
  return values
}

function requireMeasured(values: PcrValues): void {
  const empty = [...values]
    .filter(([, value]) => value.every((octet) => octet === 0))
    .map(([number]) => number)
  const firmware = empty.filter((number) => number <= lastFirmwarePcr)
  if (firmware.length === 0 && empty.length < values.size) return
  throw new TpmError(
    `PCR ${(firmware.length > 0 ? firmware : empty).join(', ')} is all zero: nothing was measured into it, so it ` +
      'tells no system from another; use firmware with measured boot, or PCRs that are used',
  )
}

/** TPM_CC_PolicyPCR (TPM 2.0 Library, part 2). */
const policyPcrCommand = [0x00, 0x00, 0x01, 0x7f]

/** TPML_PCR_SELECTION (same part) with one bank: TPM_ALG_SHA256, and a bitmap of three bytes for PCRs 0 to 23. */
const selectionHead = [0x00, 0x00, 0x00, 0x01, 0x00, 0x0b, 0x03]
const bitmapLength = 3

/**
 * The digest of a policy that demands these values, by one PolicyPCR for each of {@link pcrLists} (TPM 2.0 Library,
 * part 3, TPM2_PolicyPCR: policyDigest ← H(policyDigest ‖ command ‖ selection ‖ H(values))).
 */
export function pcrPolicy(pcrs: PcrValues): Buffer {
  let digest = Buffer.alloc(pcrLength)
  for (const group of groupsOf([...pcrs.keys()])) {
    const bitmap = Buffer.alloc(bitmapLength)
    const values = createHash('sha256')
    for (const number of group) {
      bitmap[number >> 3] = (bitmap[number >> 3] ?? 0) | (1 << (number & 7))
      values.update(pcrs.get(number) ?? new Uint8Array())
    }
    const command = Buffer.from([...policyPcrCommand, ...selectionHead, ...bitmap])
    digest = createHash('sha256').update(digest).update(command).update(values.digest()).digest()
  }
  return digest
}

/** What differs, in words; undefined: nothing does. Both have the same PCRs. */
export function pcrDifferences(sealed: PcrValues, found: PcrValues): string | undefined {
  const differences = [...sealed]
    .map(([number, value]) => [number, hex(value), hex(found.get(number))] as const)
    .filter(([, was, is]) => was !== is)
    .map(([number, was, is]) => `PCR ${number} was ${was}, and is ${is}`)
  return differences.length === 0 ? undefined : differences.join('; ')
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex')
