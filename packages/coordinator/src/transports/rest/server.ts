import http2, {
  constants,
  type Http2SecureServer,
  type Http2ServerRequest,
  Http2ServerResponse,
} from 'node:http2'
import { TLSSocket } from 'node:tls'
import { limits } from '../../limits.ts'
import type { Logger } from '../../logger.ts'
import { Refusal } from '../../refusal.ts'
import { limitConnections } from '../connection-limit.ts'
import { type IncomingMessage, ServerResponse } from '../node-http.ts'
import { MemoryBudget, type MemoryShare } from '../memory-budget.ts'
import { peerCertificate, type ServerIdentity, tlsOptions } from '../tls.ts'
import { type Answer, headersOf, methodNotAllowed, refusal } from './answers.ts'
import type { RequestEnded, RestObserver } from './observer.ts'
import type { RestRequest, Route, Routes } from './routes.ts'
import { readTarget } from './target.ts'
import { answerUnknownMethods } from './unknown-methods.ts'

type Incoming = IncomingMessage | Http2ServerRequest
type Outgoing = ServerResponse | Http2ServerResponse

export interface RestPorts {
  readonly log: Logger
  /** Runs a request's work, once the Coordinator is ready for it. */
  readonly run: (work: () => Promise<Answer>) => Promise<Answer>
  /** Waits within that work for the client. */
  readonly awaitClient: <T>(arrival: Promise<T>) => Promise<T>
  readonly observer?: RestObserver | undefined
}

/** The client API: HTTPS over HTTP/1.1 and HTTP/2. The caller listens, and replaces the identity after a recovery. */
export function createRestServer(
  identity: ServerIdentity,
  routes: Routes,
  { log, run, awaitClient, observer }: RestPorts,
  idleTimeoutMs: number = limits.idleTimeoutMs,
): Http2SecureServer {
  const arriving = new MemoryBudget(limits.arrivingBytes.rest)
  const leaving = new MemoryBudget(limits.leavingBytes)
  const server = http2.createSecureServer(
    {
      ...tlsOptions(identity, 'tickets'),
      allowHTTP1: true,
      maxSessionMemory: 64,
      maxHeaderListPairs: 128,
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      // Node's 5 seconds are shorter than clients' pools expect, whose next request then meets a closed connection.
      keepAliveTimeout: idleTimeoutMs,
      connectionsCheckingInterval: limits.lateRequestsMs,
      settings: { maxConcurrentStreams: limits.concurrentStreams, maxHeaderListSize: limits.headerBytes },
    } as http2.SecureServerOptions,
    (request, response) => {
      void answer(request, response, { routes, observer, leaving }, (route, query) =>
        run(() => {
          const held = new HeldBody(request, arriving)
          const body = (): Promise<Uint8Array> => awaitClient(held.read())
          return handle(route, toRestRequest(request, query, body), log).finally(() => {
            held.release()
          })
        }),
      )
    },
  )
  answerUnknownMethods(server)
  limitConnections(server, limits.connections)
  server.setTimeout(idleTimeoutMs)
  server.on('session', (session) => {
    session.setTimeout(idleTimeoutMs, () => {
      // Not close(), which would wait for requests that the client has left open.
      session.destroy()
    })
    session.on('error', (error: Error) => {
      log.debug({ error: error.message }, 'a connection to the client API broke')
    })
  })
  return server
}

interface AnswerPorts {
  readonly routes: Routes
  readonly observer: RestObserver | undefined
  readonly leaving: MemoryBudget
}

async function answer(
  request: Incoming,
  response: Outgoing,
  { routes, observer, leaving }: AnswerPorts,
  run: (route: Route, query: string) => Promise<Answer>,
): Promise<void> {
  request.on('error', () => {
    response.destroy()
  })
  const { path, query } = readTarget(request.url ?? '')
  const { method = '' } = request
  const ended = observer?.started({
    path: routes.has(path) ? path : undefined,
    method,
    bytes: approximateSize(request),
  })
  const route = routes.get(path)?.get(method)
  const result = route === undefined ? methodNotAllowed : await run(route, query)
  if (ended !== undefined) tell(ended, result)
  send(request, response, result, leaving)
}

const tell = (ended: RequestEnded, { status, body, refusal }: Answer): void => {
  ended({ status, bytes: Buffer.byteLength(body), refusal })
}

/** Bytes of a request: its body as it announces it, and about what stands before it. */
function approximateSize(request: Incoming): number {
  const head = headerSize(request)
  const body = Number(request.headers['content-length'] ?? 0)
  return Number.isSafeInteger(body) ? head + body : head
}

const headerSize = ({ method = '', url = '', rawHeaders }: Incoming): number =>
  rawHeaders.reduce((sum, text) => sum + text.length, method.length + url.length)

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

function toRestRequest(request: Incoming, query: string, body: () => Promise<Uint8Array>): RestRequest {
  return {
    query: new URLSearchParams(query),
    certificate: request.socket instanceof TLSSocket ? peerCertificate(request.socket) : undefined,
    body,
  }
}

/** The body of a request, which counts as held from the first byte until `release`. */
class HeldBody {
  readonly #request: Incoming
  readonly #budget: MemoryBudget
  #share: MemoryShare | undefined

  constructor(request: Incoming, budget: MemoryBudget) {
    this.#request = request
    this.#budget = budget
  }

  /** @throws {@link Refusal} `limit_exceeded`, `request_malformed` when the connection breaks */
  read(): Promise<Uint8Array> {
    const request = this.#request
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      let received = 0
      const refuse = (code: 'limit_exceeded' | 'request_malformed', message: string): void => {
        share.end()
        chunks.length = 0
        request.off('data', take)
        reject(new Refusal(code, message))
      }
      const share = this.#budget.begin(() => {
        refuse(
          'limit_exceeded',
          'too many large requests are arriving, and this one takes longest; try again',
        )
      })
      this.#share = share
      const refuseLong = (): void => {
        refuse('limit_exceeded', `the request body is longer than ${limits.restBodyBytes} bytes`)
      }
      const take = (chunk: Buffer): void => {
        received += chunk.length
        if (received > limits.restBodyBytes) {
          refuseLong()
          return
        }
        chunks.push(chunk)
        share.add(chunk.length)
      }
      if (Number(request.headers['content-length'] ?? 0) > limits.restBodyBytes) {
        refuseLong()
        return
      }
      request.on('data', take)
      const broken = (): void => {
        refuse('request_malformed', 'the connection broke before the whole request was read')
      }
      request.once('end', () => {
        request.off('close', broken)
        share.keep()
        resolve(Buffer.concat(chunks))
      })
      request.once('close', broken)
      share.add(limits.openRequestBytes + 2 * headerSize(request))
    })
  }

  release(): void {
    this.#share?.end()
  }
}

function send(request: Incoming, response: Outgoing, answer: Answer, leaving: MemoryBudget): void {
  if (response.destroyed || response.headersSent) return
  const share = leaving.begin(() => {
    request.destroy()
    response.destroy()
  })
  response.once('finish', share.end)
  response.once('close', share.end)
  for (const [name, value] of Object.entries(headersOf(answer))) response.setHeader(name, value)
  response.statusCode = answer.status
  const body = request.method === 'HEAD' ? '' : answer.body
  if (response instanceof ServerResponse && isStillSent(request)) {
    response.write(body)
    share.add(Buffer.byteLength(body) + limits.openRequestBytes)
    readOn(request)
    request.once('end', () => response.end())
    return
  }
  if (response instanceof Http2ServerResponse) {
    const { stream } = response
    // A client that is still sending is told to stop (RFC 9113, section 8.1); else its stream would stay open.
    stream.once('finish', () => {
      if (!request.complete) stream.close(constants.NGHTTP2_NO_ERROR)
    })
  }
  response.end(body)
  share.add(Buffer.byteLength(body) + limits.openRequestBytes)
  if (!request.complete) readOn(request)
}

/** Whether an HTTP/1.1 request has a body that is not all here. */
function isStillSent({ headers, complete }: Incoming): boolean {
  const length = Number(headers['content-length'] ?? 0)
  return !complete && (length > 0 || headers['transfer-encoding'] !== undefined)
}

/**
 * Reads on after an answer that came before the request was whole: a connection that is closed while its client sends
 * takes the answer away with it. Not for ever, though.
 */
function readOn(request: Incoming): void {
  let left: number = limits.restBodyBytes
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left >= 0) return
    if ('stream' in request) request.stream.close()
    else request.destroy()
  })
}
