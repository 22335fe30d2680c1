import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { DER_TAG, contextTag, derElement } from '../../packages/attestation/src/core/der.ts'
import { toUtf8 } from '../../packages/attestation/src/core/encoding.ts'
import { pem } from './tee-kit-intel.ts'
import { authorityExtensions, buildCertificate, keyUsageExtension } from './x509-builder.ts'

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

const dates = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2099-01-01T00:00:00Z') }

interface TlsIdentity {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** A CA, and a certificate of it for `localhost`. */
function tlsIdentity(): TlsIdentity {
  const newKey = (): { publicKey: KeyObject; privateKey: KeyObject } =>
    generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const caKey = newKey()
  const key = newKey()
  const ca = buildCertificate(
    {
      ...dates,
      issuer: 'Test CA',
      subject: 'Test CA',
      publicKey: caKey.publicKey,
      extensions: authorityExtensions(),
    },
    caKey.privateKey,
    'ecdsa-sha384',
  )
  // subjectAltName, dNSName (RFC 5280, 4.2.1.6).
  const names = derElement(DER_TAG.sequence, derElement(contextTag(2, false), toUtf8('localhost')))
  const certificate = buildCertificate(
    {
      ...dates,
      serial: 2,
      issuer: 'Test CA',
      subject: 'localhost',
      publicKey: key.publicKey,
      extensions: [{ oid: '2.5.29.17', value: names }, keyUsageExtension(0x80)],
    },
    caKey.privateKey,
    'ecdsa-sha384',
  )
  return {
    ca: pem(ca),
    cert: pem(certificate),
    key: key.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

export class VendorServer {
  readonly requests: SeenRequest[] = []
  /** By path and query, or by path. */
  readonly replies = new Map<string, Reply>()
  /** Answers everything, if it is there. */
  everything: Reply | undefined
  readonly ca: string
  readonly #identity: TlsIdentity
  #server: Server
  #port = 0

  private constructor() {
    this.#identity = tlsIdentity()
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
    const { cert, key } = this.#identity
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
