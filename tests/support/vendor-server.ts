import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { type ServerIdentity, serverIdentity } from '../../packages/tee-kit/src/service/tls.ts'

// An HTTPS server with the certificate of a test CA, that answers as it is told: as a vendor's service would, or worse.

/** An answer; or none at all; or one of which half is missing. */
export type Reply =
  | {
      readonly status?: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: Uint8Array | string
    }
  | 'never'
  | 'cut'

export interface SeenRequest {
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
}

export class VendorServer {
  readonly requests: SeenRequest[] = []
  /** By path and query, or by path. */
  readonly replies = new Map<string, Reply>()
  /** Answers everything, if it is there. */
  everything: Reply | undefined
  readonly ca: string
  readonly #identity: ServerIdentity
  #server: Server
  #port = 0

  private constructor() {
    this.#identity = serverIdentity([])
    this.ca = this.#identity.ca
    this.#server = this.#newServer()
  }

  static async start(): Promise<VendorServer> {
    const server = new VendorServer()
    await server.#listen(0)
    return server
  }

  get url(): string {
    return `https://localhost:${this.#port}`
  }

  get port(): number {
    return this.#port
  }

  /** No one listens any more; connections are gone. */
  async stop(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  /** After {@link stop}, at the same port. */
  async restart(): Promise<void> {
    this.#server = this.#newServer()
    await this.#listen(this.#port)
  }

  countOf(path: string): number {
    return this.requests.filter((request) => request.path === path).length
  }

  #newServer(): Server {
    const { certificate: cert, key } = this.#identity
    const server = createServer({ cert, key }, (request, response) => {
      this.#answer(request, response)
    })
    return server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy())
  }

  async #listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.url)
    this.requests.push({ path: url.pathname, query: url.searchParams, headers: request.headers })
    const reply = this.everything ??
      this.replies.get(url.pathname + url.search) ??
      this.replies.get(url.pathname) ?? { status: 404 }
    if (reply === 'never') return
    if (reply === 'cut') {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('half of ', () => response.destroy())
      return
    }
    response.writeHead(reply.status ?? 200, reply.headers ?? {})
    response.end(reply.body ?? '')
  }
}
