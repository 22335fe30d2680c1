import { isIPv4, isIPv6 } from 'node:net'
import { ClientError } from './errors.ts'

/** Where a Coordinator's client API listens. */
export interface Address {
  /** A DNS name in lower case, or an IP address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

/** HTTPS, RFC 9110, section 4.2.2. */
const defaultPort = 443

// Letters, digits, hyphens (RFC 1123), and underscores, which container networks put into host names.
const dnsName = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?$/

/**
 * Reads `HOST:PORT`, `HOST` (port 443), `[IPv6]:PORT` or `[IPv6]`.
 * @throws ClientError `address_invalid`
 */
export function parseAddress(text: string): Address {
  const match = /^(?:\[(?<bracketed>[^\]]*)\]|(?<plain>[^:[\]]*))(?::(?<port>[^:]*))?$/.exec(text)
  const host = (match?.groups?.['bracketed'] ?? match?.groups?.['plain'] ?? '').toLowerCase()
  const bracketed = match?.groups?.['bracketed'] !== undefined
  const isHost = bracketed ? isIPv6(host) : isIPv4(host) || (dnsName.test(host) && !/^[\d.]+$/.test(host))
  const portText = match?.groups?.['port'] ?? String(defaultPort)
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0
  if (!isHost || port < 1 || port > 65535) {
    throw new ClientError('address_invalid', `The address of the Coordinator ${quoted(text)} ${advice(text)}`)
  }
  return { host, port }
}

function advice(text: string): string {
  if (text.includes('://')) return 'is a URL; give HOST:PORT without scheme and path'
  if (isIPv6(text)) return 'is an IPv6 address without brackets; give [ADDRESS]:PORT'
  return 'is not HOST:PORT, with a port from 1 to 65535'
}

const quoted = (text: string): string => JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)

/** The inverse of {@link parseAddress}, always with the port. */
export function formatAddress(address: Address): string {
  return `${isIPv6(address.host) ? `[${address.host}]` : address.host}:${address.port}`
}
