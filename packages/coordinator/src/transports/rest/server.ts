import http2, { type Http2SecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import { limits } from '../../limits.ts'
import type { Logger } from '../../logger.ts'
import { Refusal } from '../../refusal.ts'
import { peerCertificate, type ServerIdentity, tlsOptions } from '../tls.ts'
import { type Answer, headersOf, methodNotAllowed, refusal } from './answers.ts'
import type { RestRequest, Route, Routes } from './routes.ts'

type Incoming = IncomingMessage | Http2ServerRequest
type Outgoing = ServerResponse | Http2ServerResponse

/** The client API: HTTPS over HTTP/1.1 and HTTP/2. The caller listens, and replaces the identity after a recovery. */
export function createRestServer(
  identity: ServerIdentity,
  routes: Routes,
  log: Logger,
  /** Runs a request's work, once the Coordinator is ready for it. */
  run: (work: () => Promise<Answer>) => Promise<Answer>,
): Http2SecureServer {
  const server = http2.createSecureServer(
    {
      ...tlsOptions(identity),
      allowHTTP1: true,
      maxSessionMemory: 64,
      maxHeaderListPairs: 128,
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      settings: { maxConcurrentStreams: limits.concurrentStreams, maxHeaderListSize: limits.headerBytes },
    } as http2.SecureServerOptions,
    (request, response) => {
      void answer(request, response, routes, (route, asked) => run(() => handle(route, asked, log)))
    },
  )
  server.maxConnections = limits.connections
  server.setTimeout(limits.idleTimeoutMs)
  server.on('session', (session) => {
    session.setTimeout(limits.idleTimeoutMs, () => {
      session.close()
    })
    session.on('error', (error: Error) => {
      log.debug({ error: error.message }, 'a connection to the client API broke')
    })
  })
  return server
}

async function answer(
  request: Incoming,
  response: Outgoing,
  routes: Routes,
  run: (route: Route, request: RestRequest) => Promise<Answer>,
): Promise<void> {
  request.on('error', () => {
    response.destroy()
  })
  const url = request.url ?? ''
  const [path, query] = splitOnce(url, '?')
  const route = routes.get(path)?.get(request.method ?? '')
  if (route === undefined) {
    send(request, response, methodNotAllowed)
    return
  }
  send(request, response, await run(route, toRestRequest(request, query)))
}

async function handle(route: Route, request: RestRequest, log: Logger): Promise<Answer> {
  try {
    return await route.handle(request)
  } catch (error) {
    if (error instanceof Refusal) {
      return refusal(error.code, error.message, route.version, route.refusedStatus)
    }
    log.error({ error }, 'a request to the client API met a defect')
    const message = 'a defect in the Coordinator; its log has the details'
    return refusal('internal', message, route.version, route.refusedStatus)
  }
}

function toRestRequest(request: Incoming, query: string): RestRequest {
  return {
    query: new URLSearchParams(query),
    certificate: request.socket instanceof TLSSocket ? peerCertificate(request.socket) : undefined,
    body: () => readBody(request),
  }
}

/** @throws {@link Refusal} `limit_exceeded`, `request_malformed` when the connection breaks */
function readBody(request: Incoming): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let received = 0
    request.on('data', (chunk: Buffer) => {
      received += chunk.length
      if (received <= limits.restBodyBytes) {
        chunks.push(chunk)
        return
      }
      chunks.length = 0
      reject(new Refusal('limit_exceeded', `the request body is longer than ${limits.restBodyBytes} bytes`))
    })
    request.once('end', () => {
      resolve(Buffer.concat(chunks))
    })
    request.once('close', () => {
      reject(new Refusal('request_malformed', 'the connection broke before the whole request was read'))
    })
  })
}

function send(request: Incoming, response: Outgoing, answer: Answer): void {
  if (response.destroyed || response.headersSent) return
  const { headers } = request
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  const unread = hasBody && !request.complete
  for (const [name, value] of Object.entries(headersOf(answer))) response.setHeader(name, value)
  // A body that nobody reads must not be taken for the next request, nor keep its sender busy.
  if (unread && request.httpVersionMajor === 1) response.setHeader('connection', 'close')
  response.statusCode = answer.status
  if (request.method === 'HEAD') response.end()
  else response.end(answer.body)
  if (unread) request.resume()
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
