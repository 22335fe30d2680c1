import http2, {
  type Http2SecureServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { TLSSocket } from 'node:tls'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  type ActivationReq,
  ActivationReqSchema,
  ActivationRespSchema,
  type RefusalCode,
} from '@taw/protocol'
import { limits } from '../../limits.ts'
import type { ActivationRequest } from '../../operations/activate-marble.ts'
import type { Parameters } from '../../operations/render-parameters.ts'
import type { Logger } from '../../logger.ts'
import { Refusal } from '../../refusal.ts'
import { limitConnections } from '../connection-limit.ts'
import { MemoryBudget } from '../memory-budget.ts'
import { peerCertificate, type Resumption, type ServerIdentity, tlsOptions } from '../tls.ts'
import { GrpcError, grpcStatus, type HeldMessage, readMessage, sendMessage, sendStatus } from './grpc.ts'
import type { CallEnded, MeshObserver } from './observer.ts'
import { meshStatuses } from './statuses.ts'

export interface MeshPorts {
  readonly activate: (request: ActivationRequest) => Promise<Parameters>
  readonly log: Logger
  readonly observer?: MeshObserver | undefined
}

/**
 * A marble activates once, with a key of its own, so tickets would be made for nobody: a twentieth of what a
 * connection costs.
 */
export const meshResumption: Resumption = 'none'

/** The mesh API: gRPC over mutual TLS. The caller listens, and replaces the identity when the CA is renewed. */
export function createMeshServer(
  identity: ServerIdentity,
  ports: MeshPorts,
  idleTimeoutMs: number = limits.idleTimeoutMs,
): Http2SecureServer {
  const memory = {
    arriving: new MemoryBudget(limits.arrivingBytes.mesh),
    leaving: new MemoryBudget(limits.leavingBytes),
  }
  const server = http2.createSecureServer({
    ...tlsOptions(identity, meshResumption),
    maxSessionMemory: 32,
    maxHeaderListPairs: 64,
    settings: { maxConcurrentStreams: limits.concurrentStreams, maxHeaderListSize: limits.headerBytes },
  })
  limitConnections(server, limits.connections)
  const certificates = new WeakMap<Http2Session, Uint8Array>()
  server.on('session', (session) => {
    // The handshake asks for a certificate; whoever sends none has no business here.
    const certificate = session.socket instanceof TLSSocket ? peerCertificate(session.socket) : undefined
    if (certificate === undefined) session.destroy()
    else certificates.set(session, certificate)
    session.setTimeout(idleTimeoutMs, () => {
      // Not close(), which would wait for calls that the client has left open.
      session.destroy()
    })
    session.on('error', (error: Error) => {
      ports.log.debug({ error: error.message }, 'a connection to the mesh API broke')
    })
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', (error) => {
      ports.log.debug({ error: error.message }, 'a call to the mesh API broke')
    })
    const certificate = stream.session === undefined ? undefined : certificates.get(stream.session)
    void answer(stream, headers, certificate, ports, memory)
  })
  return server
}

/** Any codec is taken for protobuf, as grpc-go does; `application/grpc-web` is another protocol. */
const grpcType = /^application\/grpc(?:[+;]|$)/i

const activatePath = '/rpc.Marble/Activate'

async function answer(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  tlsCertificate: Uint8Array | undefined,
  ports: MeshPorts,
  { arriving, leaving }: { readonly arriving: MemoryBudget; readonly leaving: MemoryBudget },
): Promise<void> {
  let ended: CallEnded | undefined
  let held: HeldMessage | undefined
  try {
    if (tlsCertificate === undefined) throw new GrpcError(grpcStatus.UNAVAILABLE, 'the connection is closed')
    checkCall(headers)
    held = await readMessage(stream, limits.meshMessageBytes, arriving, costOf(headers))
    const request = decode(held.message)
    const said = { evidence: request.Quote, marbleType: request.MarbleType, uuid: request.UUID }
    ended = ports.observer?.started(said)
    const parameters = await ports.activate({
      ...said,
      tlsCertificate,
      csr: request.CSR,
      isAbandoned: () => stream.destroyed,
    })
    const message = encode(parameters)
    ended?.(grpcStatus.OK, undefined)
    sendMessage(stream, message, leaving)
  } catch (error) {
    const { status, message, refusal, httpStatus } = statusOf(error, ports.log)
    if (ended === undefined) ports.observer?.unread(status)
    else ended(status, refusal)
    sendStatus(stream, status, message, httpStatus)
  } finally {
    held?.release()
  }
}

/** Bytes that an open call takes besides its message; its header fields are there in two forms. */
function costOf(headers: IncomingHttpHeaders): number {
  const fields = Object.entries(headers).reduce(
    (sum, [name, value]) => sum + name.length + String(value).length,
    0,
  )
  return limits.openRequestBytes + 2 * fields
}

/** Codes as grpc-go gives them. @throws {@link GrpcError} */
function checkCall(headers: IncomingHttpHeaders): void {
  const isGrpc = 'the mesh API speaks gRPC; send a POST of type application/grpc'
  if (!grpcType.test(headers['content-type'] ?? '')) {
    throw new GrpcError(grpcStatus.INVALID_ARGUMENT, isGrpc, 415)
  }
  if (headers[':method'] !== 'POST') throw new GrpcError(grpcStatus.INTERNAL, isGrpc, 405)
  const path = String(headers[':path'])
  if (path !== activatePath) {
    throw new GrpcError(
      grpcStatus.UNIMPLEMENTED,
      `the mesh API has no method "${path.slice(0, 200)}", only "${activatePath}"`,
    )
  }
}

function decode(body: Uint8Array): ActivationReq {
  try {
    return fromBinary(ActivationReqSchema, body)
  } catch {
    throw new GrpcError(grpcStatus.INTERNAL, 'the request is no protobuf message of type rpc.ActivationReq')
  }
}

function encode(parameters: Parameters): Uint8Array {
  return toBinary(
    ActivationRespSchema,
    create(ActivationRespSchema, {
      Parameters: {
        Files: Object.fromEntries(parameters.files),
        Env: Object.fromEntries(parameters.env),
        Argv: [...parameters.argv],
      },
    }),
  )
}

interface Failure {
  readonly status: GrpcError['status']
  readonly message: string
  readonly refusal: RefusalCode | undefined
  readonly httpStatus?: number
}

function statusOf(error: unknown, log: Logger): Failure {
  const { message } = error instanceof Error ? error : { message: '' }
  if (error instanceof GrpcError) {
    return { status: error.status, message, refusal: undefined, httpStatus: error.httpStatus }
  }
  if (error instanceof Refusal) return { status: meshStatuses[error.code], message, refusal: error.code }
  log.error({ error }, 'a call to the mesh API met a defect')
  return {
    status: grpcStatus.INTERNAL,
    message: 'a defect in the Coordinator; its log has the details',
    refusal: 'internal',
  }
}
