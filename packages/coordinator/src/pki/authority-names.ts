import { parseIpAddress } from './ip-address.ts'
import { isAscii } from './strings.ts'

/** What the Coordinator's own certificates are valid for. */
export interface AuthorityNames {
  readonly dnsNames: readonly string[]
  /** 4 or 16 octets each. */
  readonly ipAddresses: readonly Uint8Array[]
}

const loopback: readonly Uint8Array[] = [
  Uint8Array.of(127, 0, 0, 1),
  Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
]

/**
 * Reads `EDG_COORDINATOR_DNS_NAMES`: names and IP addresses between commas.
 *
 * Nothing is trimmed and nothing left out: " b.example" is a name that begins with a blank, and a comma at the end
 * gives an empty name, as recorded (`ca-spaces`, `ca-trailing-comma`). Both loopback addresses are always there.
 *
 * @param text undefined or empty: `localhost`.
 * @throws Error when a name has characters outside ASCII.
 */
export function parseAuthorityNames(text: string | undefined): AuthorityNames {
  const dnsNames: string[] = []
  const ipAddresses = [...loopback]
  for (const name of (text === undefined || text === '' ? 'localhost' : text).split(',')) {
    const address = parseIpAddress(name)
    if (address !== undefined) ipAddresses.push(address)
    else if (isAscii(name)) dnsNames.push(name)
    else throw new Error(notAscii(name))
  }
  return { dnsNames, ipAddresses }
}

const notAscii = (name: string): string =>
  `EDG_COORDINATOR_DNS_NAMES has the name "${name}" with characters outside ASCII, which no certificate can hold. ` +
  'Write it in its ASCII form (xn--…).'
