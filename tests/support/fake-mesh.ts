import { once } from 'node:events'
import { createSecureServer } from 'node:http2'
import { TLSSocket } from 'node:tls'

import { Code, ConnectError, createContextKey, createContextValues } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { Marble } from '@taw/protocol'

import {
  issueMarble,
  makeFakeAuthority,
  predefinedVariables,
  privateKeyPem,
  type FakeAuthority,
  type Issuer,
} from './fake-authority.ts'

/** One activation as the server saw it. */
export interface SeenActivation {
  readonly quote: Uint8Array
  readonly csr: Uint8Array
  readonly marbleType: string
  readonly uuid: string
  /** DER of the client's certificate on this very connection. */
  readonly clientCertificate: Uint8Array
  readonly alpn: string | false | null
  readonly protocol: string | null
}

/** What the manifest grants, without what the Coordinator adds by itself. */
export interface FakeGrant {
  readonly files?: Readonly<Record<string, string | Uint8Array>>
  readonly env?: Readonly<Record<string, string | Uint8Array>>
  readonly argv?: readonly string[]
}

/** Answers one activation: with a grant, with an error, or (`hang`) never. */
export type FakeAnswer =
  FakeGrant | ConnectError | 'hang' | ((seen: SeenActivation, marble: Issuer) => FakeGrant)

export interface FakeMesh {
  /** `127.0.0.1:port` */
  readonly address: string
  readonly authority: FakeAuthority
  readonly seen: readonly SeenActivation[]
  /** Certificates that were issued, in the order of `seen`; refused activations have none. */
  readonly issued: readonly Issuer[]
  /** The next activations get these answers in turn; the last one stays. */
  readonly answerWith: (...answers: FakeAnswer[]) => void
  readonly close: () => Promise<void>
}

const clientCertificateKey = createContextKey<TLSSocket | undefined>(undefined)

/**
 * The mesh API as spec/marble-api.md describes it, over real TLS and HTTP/2: any client certificate is required and
 * none verified, evidence is not looked at. Every activation gets a marble certificate and its four variables.
 *
 * @param port default: a free one
 */
export async function startFakeMesh(
  options: { port?: number; curve?: 'P-256' | 'P-384' } = {},
): Promise<FakeMesh> {
  const authority = makeFakeAuthority(options.curve)
  const seen: SeenActivation[] = []
  const issued: Issuer[] = []
  let answers: FakeAnswer[] = [{}]
  const sockets = new Set<TLSSocket>()

  const server = createSecureServer(
    {
      cert: authority.marbleRoot.pem,
      key: privateKeyPem(authority.marbleRoot.key),
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
    },
    connectNodeAdapter({
      contextValues: (request) => createContextValues().set(clientCertificateKey, tlsSocketOf(request)),
      routes: (router) => {
        router.service(Marble, {
          activate: async (request, context) => {
            const socket = context.values.get(clientCertificateKey)
            const call = {
              quote: request.Quote,
              csr: request.CSR,
              marbleType: request.MarbleType,
              uuid: request.UUID,
              clientCertificate: rawCertificateOf(socket),
              alpn: socket?.alpnProtocol ?? null,
              protocol: socket?.getProtocol() ?? null,
            }
            seen.push(call)
            const answer = answers.length > 1 ? answers.shift() : answers[0]
            if (answer === 'hang') return once(context.signal, 'abort').then(() => ({}))
            if (answer instanceof ConnectError) throw answer
            const marble = issueMarble(authority, request.CSR, request.MarbleType, request.UUID)
            issued.push(marble)
            const grant = typeof answer === 'function' ? answer(call, marble) : (answer ?? {})
            return { Parameters: parametersOf(grant, authority, marble) }
          },
        })
      },
    }),
  )
  server.on('secureConnection', (socket: TLSSocket) => {
    // A Go server that requires a certificate ends the handshake; here the connection ends right after it.
    if (rawCertificateOf(socket).length > 0) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    } else {
      socket.destroy()
    }
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const { port } = address

  return {
    address: `127.0.0.1:${port}`,
    authority,
    seen,
    issued,
    answerWith: (...next) => {
      answers = next
    },
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** The error that the Coordinator answers with. */
export const meshError = (code: keyof typeof Code, message: string): ConnectError =>
  new ConnectError(message, Code[code])

function tlsSocketOf(request: object): TLSSocket | undefined {
  const stream = 'stream' in request ? request.stream : undefined
  const session =
    typeof stream === 'object' && stream !== null && 'session' in stream ? stream.session : undefined
  const socket =
    typeof session === 'object' && session !== null && 'socket' in session ? session.socket : undefined
  return socket instanceof TLSSocket ? socket : undefined
}

/** DER of the peer's certificate; empty when it showed none. */
function rawCertificateOf(socket: TLSSocket | undefined): Uint8Array {
  const raw: unknown = socket?.getPeerCertificate(false).raw
  return raw instanceof Uint8Array ? raw : new Uint8Array()
}

function parametersOf(grant: FakeGrant, authority: FakeAuthority, marble: Issuer) {
  const bytes = (values: Readonly<Record<string, string | Uint8Array>> = {}): Record<string, Uint8Array> =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        typeof value === 'string' ? Buffer.from(value) : value,
      ]),
    )
  return {
    Files: bytes(grant.files),
    // The Coordinator's own variables win over the manifest's.
    Env: { ...bytes(grant.env), ...bytes(predefinedVariables(authority, marble)) },
    Argv: [...(grant.argv ?? [])],
  }
}
