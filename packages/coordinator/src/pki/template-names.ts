import type { CertificateTemplate, IpRange } from '../manifest/model.ts'
import {
  constraintProblem,
  isPrefixMask,
  type AlternativeNames,
  type NameConstraints,
} from './extension-values.ts'
import { longestIpAddress, shortestIpAddress } from './ip-address.ts'
import { isAscii } from './strings.ts'
import type { ReportProblem } from './template-problem.ts'
import { uriProblem } from './uri.ts'

/** The subject alternative names of a template, checked. */
export function templateNames(
  { emailAddresses, ipAddresses, uris }: CertificateTemplate,
  dnsNames: readonly string[],
  report: ReportProblem,
): AlternativeNames {
  checkAll('DNSNames', dnsNames, asciiProblem, report)
  checkAll('EmailAddresses', emailAddresses, asciiProblem, report)
  checkAll('URIs', uris, (uri) => asciiProblem(uri) ?? uriProblem(uri), report)
  const addresses = ipAddresses ?? defaultIpAddresses
  checkAll('IPAddresses', addresses, ({ length }) => addressProblem(length), report)
  return { dnsNames, emailAddresses, ipAddresses: addresses, uris }
}

/** `IPAddresses` of a certificate for which the manifest gives none: both loopback addresses. */
const defaultIpAddresses: readonly Uint8Array[] = [
  Uint8Array.of(127, 0, 0, 1),
  Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
]

function checkAll<T>(
  member: string,
  values: readonly T[],
  problemOf: (value: T) => string | undefined,
  report: ReportProblem,
): void {
  for (const [index, value] of values.entries()) {
    const problem = problemOf(value)
    if (problem !== undefined) report([member, index], problem)
  }
}

const asciiProblem = (text: string): string | undefined =>
  isAscii(text) ? undefined : `"${text}" has characters outside ASCII: write it in its ASCII form (xn--…)`

const addressProblem = (length: number): string | undefined =>
  length === 4 || length === 16 ? undefined : `is no IP address: it has ${length} octets instead of 4 or 16`

/** The name constraints of a template, checked; IP ranges with address and mask of the same length. */
export function templateConstraints(template: CertificateTemplate, report: ReportProblem): NameConstraints {
  const names = (
    kind: 'dns' | 'email' | 'uri',
    member: string,
    values: readonly string[],
  ): readonly string[] => {
    checkAll(member, values, (value) => asciiProblem(value) ?? constraintProblem(kind, value), report)
    return values
  }
  const ranges = (member: string, values: readonly IpRange[]): readonly IpRange[] => {
    const aligned = values.map(alignedRange)
    checkAll(member, aligned, rangeProblem, report)
    return aligned
  }
  return {
    permittedDnsDomains: names('dns', 'PermittedDNSDomains', template.permittedDnsDomains),
    excludedDnsDomains: names('dns', 'ExcludedDNSDomains', template.excludedDnsDomains),
    permittedIpRanges: ranges('PermittedIPRanges', template.permittedIpRanges),
    excludedIpRanges: ranges('ExcludedIPRanges', template.excludedIpRanges),
    permittedEmailAddresses: names('email', 'PermittedEmailAddresses', template.permittedEmailAddresses),
    excludedEmailAddresses: names('email', 'ExcludedEmailAddresses', template.excludedEmailAddresses),
    permittedUriDomains: names('uri', 'PermittedURIDomains', template.permittedUriDomains),
    excludedUriDomains: names('uri', 'ExcludedURIDomains', template.excludedUriDomains),
  }
}

/** An IPv4 address in either form takes the length of its mask. */
function alignedRange({ ip, mask }: IpRange): IpRange {
  return { ip: mask.length === 4 ? shortestIpAddress(ip) : longestIpAddress(ip), mask }
}

function rangeProblem({ ip, mask }: IpRange): string | undefined {
  if (ip.length !== 4 && ip.length !== 16) return `has an address of ${ip.length} octets instead of 4 or 16`
  if (ip.length !== mask.length) return `has a mask of ${mask.length} octets for an address of ${ip.length}`
  return isPrefixMask(mask) ? undefined : 'has a mask with a 1 after a 0'
}
