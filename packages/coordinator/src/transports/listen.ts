import type { Server } from 'node:net'
import type { Address } from '../config.ts'
import { ConfigError, formatAddress } from '../config.ts'

/**
 * Binds a listener.
 *
 * @param variable the environment variable that gave the address, for the message
 * @returns the port, which the system chose if the address has 0
 * @throws {@link ConfigError} when the address can't be used
 */
export function listen(server: Server, address: Address, variable: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      reject(new ConfigError(`${variable}: can't listen on "${formatAddress(address)}": ${explain(error)}`))
    }
    server.once('error', fail)
    server.listen({ port: address.port, ...(address.host !== undefined && { host: address.host }) }, () => {
      server.off('error', fail)
      const bound = server.address()
      resolve(typeof bound === 'object' && bound !== null ? bound.port : address.port)
    })
  })
}

const explanations: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process uses it; stop that one, or choose another port',
  EACCES: 'the port needs privileges that this process lacks',
  EADDRNOTAVAIL: 'no interface of this machine has that address',
  ENOTFOUND: 'the host name does not resolve',
  EAI_AGAIN: 'the host name does not resolve',
}

const explain = (error: NodeJS.ErrnoException): string => explanations[error.code ?? ''] ?? error.message
