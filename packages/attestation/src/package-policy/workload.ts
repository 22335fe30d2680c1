import type { AzureVtpmSource, NitroSource, PackageSource, SnpSource, TdxSource } from './fields.ts'
import type { Place } from './place.ts'

// Which fields say what runs in a TEE. Others say where it runs, or can be brought about by whoever starts something else.

type Pcrs = Readonly<Record<string, readonly string[]>> | undefined

/** The members that are about other kinds than SGX. */
const KINDS = ['TDX', 'SNP', 'Nitro', 'AzureVTPM'] as const

/** Whether a package accepts SGX enclaves: when it says which, or names no other kind. */
export function acceptsSgx(source: PackageSource): boolean {
  return namesEnclave(source) || KINDS.every((kind) => source[kind] === undefined)
}

const namesEnclave = (source: PackageSource): boolean =>
  source.UniqueID !== undefined ||
  source.SignerID !== undefined ||
  source.ProductID !== undefined ||
  source.SecurityVersion !== undefined

/**
 * Tells what is missing for the workload to be known, for each kind that the package names, and what is pinned loosely.
 *
 * @param faulty members that could not be read: of a kind that has some, nothing is said that may only follow from that
 */
export function checkWorkload(source: PackageSource, at: Place, faulty: ReadonlySet<string>): void {
  const isSgxSound = [...faulty].every((member) => KINDS.some((kind) => kind === member))
  const others = KINDS.filter((kind) => source[kind] !== undefined || faulty.has(kind))
  if (isSgxSound && (namesEnclave(source) || others.length === 0)) checkSgx(source, at)
  else if (isSgxSound) requireNoneOfSgx(source, at, others)
  const { TDX, SNP, Nitro, AzureVTPM } = source
  if (TDX && !faulty.has('TDX')) checkTdx(TDX, at.in('TDX'))
  if (SNP && !faulty.has('SNP')) checkSnp(SNP, at.in('SNP'))
  if (Nitro && !faulty.has('Nitro')) checkNitro(Nitro, at.in('Nitro'))
  if (AzureVTPM && !faulty.has('AzureVTPM')) checkAzureVtpm(AzureVTPM, at.in('AzureVTPM'))
}

/** Under debug the host can read the workload anyway, so that its identity is worth nothing; manifests for tests leave it out. */
function demand(at: Place, debug: boolean | undefined, message: string): void {
  if (debug === true) at.warn(`${message}; accepted because "Debug" is true`)
  else at.problem(message)
}

function warnOfDebug(at: Place, debug: boolean | undefined): void {
  if (debug === true)
    at.in('Debug').warn('accepts only workloads under debug: the host can read their memory')
}

/** ISVPRODID and ISVSVN of an SGX report are 16-bit (Intel DCAP quote format, enclave report body). */
const LARGEST_16_BIT = 65535n

function checkSgx(source: PackageSource, at: Place): void {
  const bySigner = ['SignerID', 'ProductID', 'SecurityVersion'] as const
  const given = bySigner.filter((field) => source[field] !== undefined)
  const missing = bySigner.filter((field) => source[field] === undefined)
  const rule = 'either "UniqueID", or "SignerID", "ProductID" and "SecurityVersion"'
  if (source.UniqueID !== undefined) {
    if (given.length > 0) {
      demand(at, source.Debug, `has "UniqueID" and also ${quoted(given)}, but must have ${rule}, not both`)
    }
  } else if (missing.length > 0) {
    demand(at, source.Debug, `must have ${rule}; missing: ${quoted(missing)}, or "UniqueID" alone`)
  }
  for (const field of ['ProductID', 'SecurityVersion'] as const) {
    if ((source[field] ?? 0n) <= LARGEST_16_BIT) continue
    at.in(field).warn(
      `no SGX enclave has a ${field} above ${LARGEST_16_BIT}, so no workload can satisfy this`,
    )
  }
  warnOfDebug(at, source.Debug)
}

/** They could be meant for the other kinds, and would mean nothing there. */
function requireNoneOfSgx(source: PackageSource, at: Place, kinds: readonly string[]): void {
  for (const member of ['Debug', 'AcceptedTCBStatuses', 'AcceptedAdvisories'] as const) {
    if (source[member] === undefined) continue
    at.in(member).problem(
      `is about SGX enclaves, but the package names none; move it into ${quoted(kinds, ' or ')}, or name an enclave`,
    )
  }
}

/**
 * Software in a TD can extend RTMRs to any value, and the host chooses MRCONFIGID and MROWNER; only a firmware that is known makes
 * them mean something. So MRTD it has to be, and for most VMs more than that.
 */
function checkTdx(source: TdxSource, at: Place): void {
  if (!isPinned(source.MRTD)) {
    demand(
      at,
      source.Debug,
      'must have "MRTD": only the TD\'s firmware makes its other measurements trustworthy, so they say nothing without it',
    )
  } else if (!(source.RTMR1 ?? source.RTMR2 ?? source.RTMR3 ?? source.MRConfigID)) {
    at.warn(
      'pins the firmware alone (MRTD), and for most VMs any system can follow it; add "RTMR1" and "RTMR2", or what else measures the workload',
    )
  }
  warnOfDebug(at, source.Debug)
}

function checkSnp(source: SnpSource, at: Place): void {
  const isByKey = checkSnpGuest(source, at)
  if (isByKey && source.FamilyID === undefined && source.ImageID === undefined) {
    at.warn('accepts every guest that the key signs; add "FamilyID" or "ImageID" if it signs several')
  }
  warnOfDebug(at, source.Debug)
}

/** @returns whether the guest is known by its signer and version */
function checkSnpGuest(source: SnpSource, at: Place): boolean {
  if (isPinned(source.Measurement)) return false
  const isByKey = isPinned(source.IDKeyDigest) || isPinned(source.AuthorKeyDigest)
  if (isByKey && source.MinimumGuestSVN !== undefined) return true
  const rule = 'must have either "Measurement", or "IDKeyDigest" or "AuthorKeyDigest" with "MinimumGuestSVN"'
  const missing = isByKey ? '; missing: "MinimumGuestSVN", without which any old build is accepted' : ''
  demand(at, source.Debug, `${rule}${missing}`)
  return false
}

/** AWS Nitro Enclaves, attestation_process.md: PCR0 is the image, PCR1 its kernel, PCR2 the application, PCR8 the image's signer. */
function checkNitro(source: NitroSource, at: Place): void {
  const has = (index: string): boolean => isPinned(source.PCRs?.[index])
  if (!has('0') && !(has('1') && has('2'))) {
    if (has('8')) {
      at.warn(
        'pins the signer of the image alone (PCR8): images have no version, so any old one is accepted too',
      )
    } else
      demand(at, source.Debug, 'must have in "PCRs" either "0" (the image), "1" and "2", or "8" (its signer)')
  }
  warnOfDebug(at, source.Debug)
}

/** TCG PC Client Platform Firmware Profile, 3.3.4: what each PCR measures. */
const LOADER_PCR = '4'
const SECURE_BOOT_PCR = '7'
/** By systemd and GRUB: loader's files and command lines, the unified kernel image. They are as true as the loader is. */
const MEASURED_BY_LOADER = ['8', '9', '11']

/**
 * Anyone can start a guest that acts as a paravisor with a vTPM of its own, so the real one has to be known by the hardware's
 * measurement. Then the firmware can be trusted to measure the loader (PCR4) and the keys of Secure Boot (PCR7).
 */
function checkAzureVtpm(source: AzureVtpmSource, at: Place): void {
  const { SNP, TDX, PCRs } = source
  // One kind of hardware that is not for debugging is enough: what boots on it has to be known.
  const debug = [SNP, TDX].every((hardware) => hardware === undefined || hardware.Debug === true)
  if (!SNP && !TDX) at.problem('must have "SNP" or "TDX" (or both), which say what the paravisor has to be')
  if (SNP) {
    checkSnpGuest(SNP, at.in('SNP'))
    warnOfDebug(at.in('SNP'), SNP.Debug)
  }
  if (TDX) {
    if (!isPinned(TDX.MRTD)) demand(at.in('TDX'), TDX.Debug, 'must have "MRTD", which is the paravisor')
    warnOfDebug(at.in('TDX'), TDX.Debug)
  }
  checkBoot(PCRs, debug, at)
}

function checkBoot(pcrs: Pcrs, debug: boolean, at: Place): void {
  const has = (index: string): boolean => isPinned(pcrs?.[index])
  if (!has(LOADER_PCR) && !has(SECURE_BOOT_PCR)) {
    demand(
      at,
      debug,
      'must have in "PCRs" "4" (the boot loader) or "7" (the keys of Secure Boot): without them any system can bring the others about',
    )
  } else if (!has(LOADER_PCR) && !MEASURED_BY_LOADER.some(has)) {
    at.warn(
      'pins the keys of Secure Boot alone (PCR7), so it accepts every system that they sign; add "4", "9" or "11" to "PCRs"',
    )
  }
}

/** Zeros are what stands there when nothing was measured, or nobody signed. */
const isPinned = (allowed: readonly string[] | undefined): boolean =>
  allowed !== undefined && allowed.length > 0 && !allowed.some((value) => /^0*$/.test(value))

const quoted = (names: readonly string[], separator = ', '): string =>
  names.map((name) => `"${name}"`).join(separator)
