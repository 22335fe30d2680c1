import { isIPv4, isIPv6 } from 'node:net'

import { MarbleError } from '../errors.ts'

/** The names that a marble asks to have in its certificate. */
export interface MarbleNames {
  /** As they were given, in their order. */
  readonly dnsNames: readonly string[]
  /** 4 or 16 octets each: always 127.0.0.1 and ::1, then the given ones. */
  readonly ipAddresses: readonly Uint8Array[]
}

const loopback: readonly Uint8Array[] = [
  Uint8Array.of(127, 0, 0, 1),
  Uint8Array.from([...Buffer.alloc(15), 1]),
]

/**
 * Reads `EDG_MARBLE_DNS_NAMES`: names and IP addresses, separated by commas. Absent or empty means `localhost`.
 * Blanks are not trimmed, repeated names stay: the original takes them so, and asking for a name grants nothing.
 *
 * @throws {@link MarbleError} `configuration_invalid` for a name with characters outside ASCII
 */
export function parseMarbleNames(text: string | undefined): MarbleNames {
  const entries = text === undefined || text === '' ? ['localhost'] : text.split(',')
  const dnsNames: string[] = []
  const ipAddresses = [...loopback]
  for (const entry of entries) {
    const address = parseIpAddress(entry)
    if (address === undefined) dnsNames.push(checkedDnsName(entry))
    else ipAddresses.push(address)
  }
  return { dnsNames, ipAddresses }
}

function checkedDnsName(name: string): string {
  // A dNSName is an IA5String: seven bits (RFC 5280 section 4.2.1.6).
  if (/^\p{ASCII}*$/u.test(name)) return name
  throw new MarbleError(
    'configuration_invalid',
    `reading EDG_MARBLE_DNS_NAMES: the name "${name}" has characters outside ASCII; write it in its IDNA form (xn--…)`,
  )
}

/** The octets of an IP address in text; IPv4-mapped IPv6 gives 4 octets; undefined for anything else. */
export function parseIpAddress(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.').map(Number))
  // A zone names an interface of this host: it has no place in a certificate.
  if (!isIPv6(text) || text.includes('%')) return undefined
  const octets = ipv6Octets(text)
  const mapped =
    octets.slice(0, 10).every((octet) => octet === 0) && octets[10] === 0xff && octets[11] === 0xff
  return Uint8Array.from(mapped ? octets.slice(12) : octets)
}

function ipv6Octets(text: string): number[] {
  const [head = '', tail] = text.split('::')
  const before = groupOctets(head)
  if (tail === undefined) return before
  const after = groupOctets(tail)
  return [...before, ...Array.from({ length: 16 - before.length - after.length }, () => 0), ...after]
}

function groupOctets(groups: string): number[] {
  if (groups === '') return []
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
