import {
  boolValue,
  bytesValue,
  dataOf,
  pointerValue,
  sliceOf,
  stringValue,
  structValue,
  uint8Type,
  type BytesValue,
  type GoMethod,
  type GoValue,
  type PointerType,
  type PointerValue,
  type SliceType,
  type StructType,
} from '../values.ts'
import { getter, uncallable, unary } from './methods.ts'

// Go's package net: IP addresses of 4 or 16 bytes, and networks.

const ipMethods = new Map<string, GoMethod>()
const ipType: SliceType = sliceOf(uint8Type, 'net.IP', ipMethods)
export const ipsType = sliceOf(ipType)

const maskMethods = new Map<string, GoMethod>()
const maskType: SliceType = sliceOf(uint8Type, 'net.IPMask', maskMethods)

const networkMethods = new Map<string, GoMethod>()
const networkStruct: StructType = {
  kind: 'struct',
  name: 'net.IPNet',
  methods: new Map(),
  fields: [
    { name: 'IP', type: ipType },
    { name: 'Mask', type: maskType },
  ],
}
const networkType: PointerType = {
  kind: 'pointer',
  name: '*net.IPNet',
  element: networkStruct,
  methods: networkMethods,
}
export const networksType = sliceOf(networkType)

export const ipValue = (bytes: Uint8Array): BytesValue => bytesValue(bytes, ipType)

/** A network from address and mask, one after the other, as name constraints have it (RFC 5280, 4.2.1.10). */
export function networkValue(bytes: Uint8Array): PointerValue {
  const half = bytes.length / 2
  return pointerValue(
    networkType,
    structValue(networkStruct, [
      ipValue(bytes.subarray(0, half)),
      bytesValue(bytes.subarray(half), maskType),
    ]),
  )
}

const bytesBehind = (value: GoValue): Uint8Array =>
  value.kind === 'bytes' ? dataOf(value) : new Uint8Array()

const mappedPrefix = Buffer.from('00000000000000000000ffff', 'hex')

/** The four bytes of an IPv4 address, also of one in IPv6 form (::ffff:0:0/96). */
function to4(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length === 4) return bytes
  const isMapped = bytes.length === 16 && mappedPrefix.equals(bytes.subarray(0, 12))
  return isMapped ? bytes.subarray(12) : undefined
}

function to16(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length === 16) return bytes
  return bytes.length === 4 ? Buffer.concat([mappedPrefix, bytes]) : undefined
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function writtenIp(bytes: Uint8Array): string {
  if (bytes.length === 0) return '<nil>'
  const four = to4(bytes)
  if (four !== undefined) return four.join('.')
  return bytes.length === 16 ? writtenIpv6(bytes) : `?${hex(bytes)}`
}

/** RFC 5952: the longest run of two zero groups or more becomes `::`, the first one of equals. */
function writtenIpv6(bytes: Uint8Array): string {
  const groups = Array.from(
    { length: 8 },
    (_, index) => ((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0),
  )
  let start = -1
  let longest = 1
  for (let from = 0; from < 8; from++) {
    let to = from
    while (to < 8 && groups[to] === 0) to++
    if (to - from > longest) {
      start = from
      longest = to - from
    }
  }
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(':')
  return start < 0 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + longest))}`
}

/** Number of leading ones, or undefined where others follow a zero. */
function prefixLength(mask: Uint8Array): number | undefined {
  const bits = Array.from(mask, (byte) => byte.toString(2).padStart(8, '0')).join('')
  const ones = bits.replace(/0*$/, '').length
  return bits.slice(0, ones).includes('0') ? undefined : ones
}

function writtenNetwork(value: GoValue): string {
  const target = value.kind === 'pointer' ? value.target : undefined
  if (target?.kind !== 'struct') return '<nil>'
  const ip = bytesBehind(target.field(0))
  const mask = bytesBehind(target.field(1))
  return `${writtenIp(to4(ip) ?? ip)}/${prefixLength(mask) ?? hex(mask)}`
}

/** Whether the first bits of the address are those of a pattern; IPv4 and IPv6 have patterns of their own. */
const startsWith = (value: GoValue, ipv4: readonly string[], ipv6: readonly string[]): boolean => {
  const bytes = bytesBehind(value)
  const four = to4(bytes)
  const bits = Array.from(four ?? bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  if (four !== undefined) return ipv4.some((pattern) => bits.startsWith(pattern))
  return bytes.length === 16 && ipv6.some((pattern) => bits.startsWith(pattern))
}

const test = (ipv4: readonly string[], ipv6: readonly string[]): GoMethod =>
  getter((value) => boolValue(startsWith(value, ipv4, ipv6)))

// Patterns in bits, from the RFCs that reserve the ranges.
const loopback = [['01111111'], ['0'.repeat(127) + '1']] as const
const multicast = [['1110'], ['11111111']] as const
const unspecified = [['0'.repeat(32)], ['0'.repeat(128)]] as const
const linkLocal = [['1010100111111110'], ['1111111010']] as const
/** 10/8, 172.16/12, 192.168/16 (RFC 1918), fc00::/7 (RFC 4193). */
const privateRanges = [['00001010', '101011000001', '1100000010101000'], ['1111110']] as const
const broadcast = ['1'.repeat(32)]

/** The mask of an IPv4 address by its former class (RFC 791). */
function defaultMask(bytes: Uint8Array): Uint8Array | undefined {
  const first = to4(bytes)?.[0]
  if (first === undefined) return undefined
  return Buffer.from(first < 0x80 ? 'ff000000' : first < 0xc0 ? 'ffff0000' : 'ffffff00', 'hex')
}

function sameIp(left: GoValue, right: GoValue): boolean {
  const [first, second] = [bytesBehind(left), bytesBehind(right)]
  return hex(to16(first) ?? first) === hex(to16(second) ?? second)
}

ipMethods.set(
  'String',
  getter((value) => stringValue(writtenIp(bytesBehind(value)))),
)
ipMethods.set(
  'MarshalText',
  getter((value) => bytesValue(Buffer.from(writtenIp(bytesBehind(value))))),
)
ipMethods.set(
  'To4',
  getter((value) => bytesValue(to4(bytesBehind(value)), ipType)),
)
ipMethods.set(
  'To16',
  getter((value) => bytesValue(to16(bytesBehind(value)), ipType)),
)
ipMethods.set(
  'Equal',
  unary(ipType, (left, right) => boolValue(sameIp(left, right))),
)
ipMethods.set(
  'DefaultMask',
  getter((value) => bytesValue(defaultMask(bytesBehind(value)), maskType)),
)
ipMethods.set('IsLoopback', test(...loopback))
ipMethods.set('IsMulticast', test(...multicast))
ipMethods.set('IsUnspecified', test(...unspecified))
ipMethods.set('IsLinkLocalUnicast', test(...linkLocal))
ipMethods.set('IsPrivate', test(...privateRanges))
// 224.0.0.0/24, and ff?2::/16
ipMethods.set(
  'IsLinkLocalMulticast',
  getter((value) => {
    const bytes = bytesBehind(value)
    const isIpv6 = bytes.length === 16 && bytes[0] === 0xff && ((bytes[1] ?? 0) & 0x0f) === 2
    return boolValue(isIpv6 || startsWith(value, ['111000000000000000000000'], []))
  }),
)
ipMethods.set(
  'IsInterfaceLocalMulticast',
  getter((value) => {
    const bytes = bytesBehind(value)
    return boolValue(bytes.length === 16 && bytes[0] === 0xff && ((bytes[1] ?? 0) & 0x0f) === 1)
  }),
)
ipMethods.set(
  'IsGlobalUnicast',
  getter((value) => {
    const isAddress = to16(bytesBehind(value)) !== undefined
    const others = [loopback, multicast, unspecified, linkLocal, [broadcast, []]] as const
    return boolValue(isAddress && !others.some(([ipv4, ipv6]) => startsWith(value, ipv4, ipv6)))
  }),
)

maskMethods.set(
  'String',
  getter((value) => stringValue(bytesBehind(value).length === 0 ? '<nil>' : hex(bytesBehind(value)))),
)
maskMethods.set('Size', uncallable)

networkMethods.set(
  'String',
  getter((value) => stringValue(writtenNetwork(value))),
)
networkMethods.set(
  'Network',
  getter(() => stringValue('ip+net')),
)
