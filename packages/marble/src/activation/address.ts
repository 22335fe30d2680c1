import { MarbleError } from '../errors.ts'

export interface Address {
  /** Name or IP address, without brackets. */
  readonly host: string
  readonly port: number
}

/**
 * Reads `EDG_MARBLE_COORDINATOR_ADDR`: `host:port`, IPv6 in brackets.
 *
 * @throws {@link MarbleError} `configuration_invalid`
 */
export function parseAddress(text: string): Address {
  const match = /^(?:\[(?<bracketed>[0-9A-Fa-f:.]+)\]|(?<plain>[^\s:/@[\]]+)):(?<port>\d{1,5})$/.exec(text)
  const host = match?.groups?.['bracketed'] ?? match?.groups?.['plain']
  const port = Number(match?.groups?.['port'])
  if (host !== undefined && port >= 1 && port <= 65535) return { host, port }
  throw new MarbleError(
    'configuration_invalid',
    `reading the Coordinator's address "${text}" (EDG_MARBLE_COORDINATOR_ADDR): ` +
      'it should be host:port, with an IPv6 address in brackets, for example "localhost:2001" or "[::1]:2001"',
  )
}

/** `host:port` again, for messages and URLs. */
export const formatAddress = ({ host, port }: Address): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
