import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { Server } from 'node:https'
import type { AmdVendor } from '../amd/vendor.ts'
import type { IntelVendor } from '../intel/vendor.ts'
import { answerAmd } from './amd.ts'
import { RESOURCES, Refused } from './answer.ts'
import type { Answer, ContentFault, Resource, ServiceFault } from './answer.ts'
import { answerIntel } from './intel.ts'
import type { IntelFlavour } from './intel.ts'
import { serverIdentity } from './tls.ts'

export interface CollateralServiceOptions {
  readonly intel?: IntelVendor
  /** One for each product line. */
  readonly amd?: readonly AmdVendor[]
  /** Default `pccs`. */
  readonly flavour?: IntelFlavour
  /** Default: one that is free. */
  readonly port?: number
  /** How late an answer is under the fault `slow`; default 200 ms. */
  readonly delayMs?: number
}

/**
 * The vendors' services in one: Intel's PCS or a PCCS (`/sgx/certification/v4/…`, `/tdx/…`, v3 too), and AMD's key
 * distribution service (`/vcek/v1/…`, `/vlek/v1/…`), over HTTPS on 127.0.0.1.
 */
export class CollateralService {
  /** Scheme, host and port. */
  readonly url: string
  /** PEM: who issued the service's TLS certificate. */
  readonly ca: string
  readonly #server: Server
  readonly #options: CollateralServiceOptions
  readonly #faults = new Map<Resource, ServiceFault>()
  readonly #counts = new Map<Resource, number>()

  private constructor(server: Server, port: number, ca: string, options: CollateralServiceOptions) {
    this.url = `https://127.0.0.1:${port}`
    this.ca = ca
    this.#server = server
    this.#options = options
    server.on('request', (request, response) => {
      this.#respond(request, response)
    })
  }

  static async start(options: CollateralServiceOptions): Promise<CollateralService> {
    const { ca, certificate, key } = serverIdentity()
    const server = createServer({ cert: certificate, key })
    server.listen(options.port ?? 0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port')
    return new CollateralService(server, address.port, ca, options)
  }

  /** From now on, for one resource or for all; undefined: all is well again. */
  setFault(fault: ServiceFault | undefined, resource?: Resource): void {
    for (const one of resource === undefined ? RESOURCES : [resource]) {
      if (fault === undefined) this.#faults.delete(one)
      else this.#faults.set(one, fault)
    }
  }

  /** How often this was asked for, or anything at all, faults included. */
  requests(resource?: Resource): number {
    if (resource !== undefined) return this.#counts.get(resource) ?? 0
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'GET') {
      response.writeHead(405).end()
      return
    }
    try {
      const answer = this.#answer(new URL(request.url ?? '/', this.url))
      if (answer === undefined) {
        response.writeHead(404).end('no such path')
        return
      }
      this.#counts.set(answer.resource, this.requests(answer.resource) + 1)
      this.#send(answer, response)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      response.writeHead(error.status).end(error.message)
    }
  }

  #answer(url: URL): Answer | undefined {
    const { intel, amd = [], flavour = 'pccs' } = this.#options
    const faultOf = (resource: Resource): ContentFault | undefined => {
      const fault = this.#faults.get(resource)
      return fault === 'stale' || fault === 'lying' || fault === 'flattering' ? fault : undefined
    }
    return (intel && answerIntel(url, intel, flavour, faultOf)) ?? answerAmd(url, amd, faultOf)
  }

  #send({ resource, body, contentType, headers }: Answer, response: ServerResponse): void {
    const send = (bytes: Uint8Array): void => {
      response.writeHead(200, {
        'Content-Type': contentType,
        'Content-Length': bytes.length,
        'Request-ID': randomBytes(16).toString('hex'),
        ...headers,
      })
      response.end(bytes)
    }
    const fault = this.#faults.get(resource)
    switch (fault) {
      case 'down':
        response.destroy()
        return
      case 'silent':
        return
      case 'slow':
        setTimeout(send, this.#options.delayMs ?? 200, body)
        return
      case 'unavailable':
        response.writeHead(503).end()
        return
      case 'throttled':
        response.writeHead(429, { 'Retry-After': '1' }).end()
        return
      case 'garbage':
        send(randomBytes(body.length))
        return
      case 'empty':
        send(Buffer.alloc(0))
        return
      case 'cut':
        response.writeHead(200, { 'Content-Type': contentType, 'Content-Length': body.length, ...headers })
        response.write(body.subarray(0, body.length >> 1), () => {
          response.destroy()
        })
        return
      case 'stale':
      case 'lying':
      case 'flattering':
      case undefined:
        send(body)
    }
  }
}

export const startCollateralService = (options: CollateralServiceOptions): Promise<CollateralService> =>
  CollateralService.start(options)
