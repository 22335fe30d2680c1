import { MarbleError } from '../errors.ts'

/** The variable that tells a runtime where to put TLS between the application and its sockets. */
export const ttlsVariable = 'MARBLE_TTLS_CONFIG'

/**
 * Stops unless the TTLS configuration will be honoured.
 *
 * This process hands over to the application and is gone, so it can't put TLS on the application's sockets; if it
 * only warned, the application would talk in the clear where the manifest says TLS.
 *
 * @param config value of `MARBLE_TTLS_CONFIG`; undefined when the Coordinator sent none
 * @param applicationDoesTtls whether the user has declared that the application reads the variable itself
 * @throws {@link MarbleError} `ttls_unsupported`, `grant_inapplicable`
 */
export function checkTtls(config: string | undefined, applicationDoesTtls: boolean): void {
  if (config === undefined) return
  const connections = connectionsOf(config)
  if (connections.length === 0) {
    throw new MarbleError(
      'grant_inapplicable',
      `reading ${ttlsVariable}: it has no entry, incoming or outgoing; the TLS tags of this marble in the manifest ` +
        'are empty: give them entries, or remove them from the marble',
    )
  }
  if (applicationDoesTtls) return
  throw new MarbleError(
    'ttls_unsupported',
    `the manifest asks for transparent TLS (${connections.join(', ')}), which taw run can't put around another ` +
      'program: it would talk in the clear. Set TAW_MARBLE_TTLS=application if the application reads ' +
      `${ttlsVariable} itself; else remove TLS from the marble in the manifest and use the credentials in ` +
      'MARBLE_PREDEFINED_…',
  )
}

/** Like `incoming *:8443`. The values hold keys and are not looked at. */
function connectionsOf(config: string): string[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(config)
  } catch {
    // The parser's message quotes the text, which holds private keys.
    throw unreadable('it is no JSON')
  }
  const tls = member(parsed, 'tls')
  if (!isObject(tls)) throw unreadable('it has no object "tls"')
  return (['Incoming', 'Outgoing'] as const).flatMap((direction) => {
    const entries = member(tls, direction) ?? {}
    if (!isObject(entries)) throw unreadable(`"tls.${direction}" is no object`)
    return Object.keys(entries).map((address) => `${direction.toLowerCase()} ${address}`)
  })
}

const unreadable = (what: string): MarbleError =>
  new MarbleError(
    'grant_inapplicable',
    `reading ${ttlsVariable} as the Coordinator sent it: ${what}; it should be {"tls":{"Incoming":{…},"Outgoing":{…}}}`,
  )

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function member(value: unknown, name: string): unknown {
  return isObject(value) ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined
}
