import { BlockList } from 'node:net'
import { longestIpAddress, parseIpAddress, shortestIpAddress } from './ip-address.ts'

/**
 * The names that a marble type's certificates may have (`Marbles.<type>.AllowedNames`): DNS names, compared without
 * case; `*.` and a name stand for each name with exactly one label more; IP addresses; ranges of them (`10.0.0.0/8`).
 */
export interface NameRules {
  readonly allowsDns: (name: string) => boolean
  /** @param address 4 or 16 octets */
  readonly allowsIp: (address: Uint8Array) => boolean
}

/** Names that lead nowhere but to the marble's own machine: every runner asks for them. */
const always = ['localhost', '127.0.0.1', '::1']

/** Letters, digits, `-` and `_` in labels between dots (RFC 1034, 3.5, and what is in use besides). */
const dnsName = /^(?:\*\.)?[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*$/

/** Why an entry can't be used; undefined when it can. */
export function allowedNameProblem(entry: string): string | undefined {
  if (rangeOf(entry) !== undefined) return undefined
  if (!entry.includes('/') && entry.length <= 253 && dnsName.test(entry)) return undefined
  return 'must be a DNS name in ASCII, "*." and such a name, an IP address, or a range of them such as "10.0.0.0/8"'
}

/** @param entries one with an {@link allowedNameProblem} allows nothing */
export function nameRules(entries: readonly string[]): NameRules {
  const names = new Set<string>()
  const ranges = new BlockList()
  for (const entry of [...always, ...entries]) {
    const range = rangeOf(entry)
    if (range === undefined) names.add(entry.toLowerCase())
    else ranges.addSubnet(range.address, range.bits, range.family)
  }
  return {
    allowsDns: (name) => {
      const folded = name.toLowerCase()
      // A trailing dot, an empty label, or a blank would be another name for some who compare.
      if (!dnsName.test(folded)) return false
      return names.has(folded) || names.has(`*${folded.slice(folded.indexOf('.'))}`)
    },
    allowsIp: (address) => {
      const octets = shortestIpAddress(address)
      return ranges.check(textOf(octets), familyOf(octets))
    },
  }
}

interface Range {
  readonly address: string
  readonly bits: number
  readonly family: 'ipv4' | 'ipv6'
}

function rangeOf(entry: string): Range | undefined {
  const [text = '', bits, ...rest] = entry.split('/')
  const parsed = parseIpAddress(text)
  if (parsed === undefined || rest.length > 0) return undefined
  const octets = shortestIpAddress(parsed)
  const most = octets.length * 8
  if (bits !== undefined && (!/^\d{1,3}$/.test(bits) || Number(bits) > most)) return undefined
  return { address: textOf(octets), bits: Number(bits ?? most), family: familyOf(octets) }
}

const familyOf = (octets: Uint8Array): 'ipv4' | 'ipv6' => (octets.length === 4 ? 'ipv4' : 'ipv6')

/** As `BlockList` takes it. */
export function textOf(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.')
  const hex = Buffer.from(longestIpAddress(octets)).toString('hex')
  return (hex.match(/.{4}/g) ?? []).join(':')
}
