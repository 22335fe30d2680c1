import type { PackagePolicy } from '../model.ts'
import { quoteName } from '../path.ts'
import type { PackageSource } from '../schema.ts'
import type { Report } from '../report.ts'
import { entriesOf, listNames, mapEntries, type TopicContext } from './topic.ts'

/** TCB statuses of Intel's TCB info and QE identity, as manifests name them (spec/manifest.md). */
const tcbStatuses = [
  'UpToDate',
  'OutOfDate',
  'Revoked',
  'ConfigurationNeeded',
  'OutOfDateConfigurationNeeded',
  'SWHardeningNeeded',
  'ConfigurationAndSWHardeningNeeded',
]

/** ISVPRODID and ISVSVN of an SGX report are 16-bit (Intel DCAP quote format, enclave report body). */
const largest16Bit = 65535n

/** Decodes `Packages`. Those that no marble uses admit nobody, so their mistakes are only warned about. */
export function packagesOf({ source, report }: TopicContext): ReadonlyMap<string, PackagePolicy> {
  const used = new Set([...(source.Marbles?.values() ?? [])].map((marble) => marble.Package))
  const entries = entriesOf('Packages', source.Packages, 'packages', report)
  if (entries.size === 0) report.error(['Packages'], 'the manifest needs at least one package, but has none')
  return mapEntries(entries, (entry, name) => {
    if (used.has(name)) checkIdentity(entry, name, report)
    checkForm(entry, name, used.has(name), report)
    return {
      uniqueId: measurement(entry.UniqueID),
      signerId: measurement(entry.SignerID),
      productId: entry.ProductID,
      securityVersion: entry.SecurityVersion === undefined ? undefined : Number(entry.SecurityVersion),
      debug: entry.Debug ?? false,
      acceptedTcbStatuses: entry.AcceptedTCBStatuses,
      acceptedAdvisories: entry.AcceptedAdvisories ?? [],
    }
  })
}

/** An empty text is as good as none. */
function measurement(hex: string | undefined): string | undefined {
  return hex === undefined || hex === '' ? undefined : hex.toLowerCase()
}

/** A package says who a marble is: either the exact build, or signer, product and least version. */
function checkIdentity(entry: PackageSource, name: string, report: Report): void {
  const signed = {
    SignerID: measurement(entry.SignerID) !== undefined,
    ProductID: entry.ProductID !== undefined,
    SecurityVersion: entry.SecurityVersion !== undefined,
  }
  const given = Object.entries(signed).flatMap(([field, isGiven]) => (isGiven ? [field] : []))
  const missing = Object.entries(signed).flatMap(([field, isGiven]) => (isGiven ? [] : [field]))
  const rule = 'either "UniqueID", or "SignerID", "ProductID" and "SecurityVersion"'
  let problem: string | undefined
  if (measurement(entry.UniqueID) !== undefined) {
    if (given.length > 0)
      problem = `has "UniqueID" and also ${listNames(given)}, but must have ${rule}, not both`
  } else if (missing.length > 0)
    problem = `must have ${rule}; missing: ${listNames(missing)}, or "UniqueID" alone`
  if (problem === undefined) return
  if (entry.Debug === true) report.warn(['Packages', name], `${problem}; accepted because "Debug" is true`)
  else report.error(['Packages', name], problem)
}

function checkForm(entry: PackageSource, name: string, isUsed: boolean, report: Report): void {
  const tell = (member: (string | number)[], message: string) => {
    const path = ['Packages', name, ...member]
    if (isUsed) report.error(path, message)
    else report.warn(path, `${message} (no marble uses this package yet)`)
  }
  for (const field of ['UniqueID', 'SignerID'] as const) {
    const value = measurement(entry[field])
    if (value === undefined || /^[0-9a-f]{64}$/.test(value)) continue
    tell([field], `must be 32 bytes in 64 hex digits, but ${describeText(value)}`)
  }
  for (const [index, status] of (entry.AcceptedTCBStatuses ?? []).entries()) {
    if (tcbStatuses.includes(status)) continue
    tell(
      ['AcceptedTCBStatuses', index],
      `no such TCB status ${quoteName(status)}; known are ${listNames(tcbStatuses)}`,
    )
  }
  for (const field of ['ProductID', 'SecurityVersion'] as const) {
    if ((entry[field] ?? 0n) <= largest16Bit) continue
    report.warn(
      ['Packages', name, field],
      `no SGX enclave has a ${field} above ${largest16Bit}, so no marble can satisfy this`,
    )
  }
  if (entry.Debug === true && isUsed) {
    report.warn(
      ['Packages', name, 'Debug'],
      'marbles of this package run as debug enclaves: the host can read their memory',
    )
  }
}

function describeText(value: string): string {
  return /^[0-9a-f]*$/.test(value) ? `has ${value.length}` : 'is not hex'
}
