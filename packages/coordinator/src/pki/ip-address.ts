import { isIP } from 'node:net'

/** First 12 octets of an IPv4 address in IPv6 form (RFC 4291, 2.5.5.2). */
const mappedPrefix = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)

/** 4 or 16 octets, or undefined when the text is no IP address. Zones (`fe80::1%eth0`) are refused. */
export function parseIpAddress(text: string): Uint8Array | undefined {
  if (text.includes('%')) return undefined
  switch (isIP(text)) {
    case 4:
      return parseIpv4(text)
    case 6:
      return parseIpv6(text)
    default:
      return undefined
  }
}

/** 4 octets for IPv4 in either form; other lengths come back as they are. */
export function shortestIpAddress(octets: Uint8Array): Uint8Array {
  const isMapped = octets.length === 16 && mappedPrefix.every((octet, index) => octets[index] === octet)
  return isMapped ? octets.subarray(12) : octets
}

/** 16 octets for IPv4 in either form; other lengths come back as they are. */
export function longestIpAddress(octets: Uint8Array): Uint8Array {
  return octets.length === 4 ? Uint8Array.of(...mappedPrefix, ...octets) : octets
}

const parseIpv4 = (text: string): Uint8Array => Uint8Array.from(text.split('.').map(Number))

/** The text was checked: it has at most one `::`, and an IPv4 part only at its end. */
function parseIpv6(text: string): Uint8Array {
  const [head = '', rest] = text.split('::')
  const start = head.split(':').flatMap(groupOctets)
  const end = (rest ?? '').split(':').flatMap(groupOctets)
  const gap = Array.from({ length: 16 - start.length - end.length }, () => 0)
  return Uint8Array.from([...start, ...gap, ...end])
}

function groupOctets(group: string): number[] {
  if (group === '') return []
  if (group.includes('.')) return [...parseIpv4(group)]
  const value = Number.parseInt(group, 16)
  return [value >> 8, value & 0xff]
}
