import http2, { type Http2SecureServer, type ServerHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { type ActivationReq, ActivationReqSchema, ActivationRespSchema } from '@taw/protocol'
import { limits } from '../../limits.ts'
import type { ActivationRequest } from '../../operations/activate-marble.ts'
import type { Parameters } from '../../operations/render-parameters.ts'
import type { Logger } from '../../logger.ts'
import { Refusal } from '../../refusal.ts'
import { peerCertificate, type ServerIdentity, tlsOptions } from '../tls.ts'
import { GrpcError, grpcStatus, readMessage, sendMessage, sendStatus } from './grpc.ts'
import { meshStatuses } from './statuses.ts'

export interface MeshPorts {
  readonly activate: (request: ActivationRequest) => Promise<Parameters>
  readonly log: Logger
}

/** The mesh API: gRPC over mutual TLS. The caller listens, and replaces the identity when the CA is renewed. */
export function createMeshServer(identity: ServerIdentity, ports: MeshPorts): Http2SecureServer {
  const server = http2.createSecureServer({
    ...tlsOptions(identity),
    maxSessionMemory: 32,
    maxHeaderListPairs: 64,
    settings: { maxConcurrentStreams: limits.concurrentStreams, maxHeaderListSize: limits.headerBytes },
  })
  server.maxConnections = limits.connections
  server.on('secureConnection', (socket: TLSSocket) => {
    // The handshake asks for a certificate; whoever sends none has no business here.
    if (peerCertificate(socket) === undefined) socket.destroy()
  })
  server.on('session', (session) => {
    session.setTimeout(limits.idleTimeoutMs, () => {
      session.close()
    })
    session.on('error', (error: Error) => {
      ports.log.debug({ error: error.message }, 'a connection to the mesh API broke')
    })
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', (error) => {
      ports.log.debug({ error: error.message }, 'a call to the mesh API broke')
    })
    void answer(stream, headers, ports)
  })
  return server
}

const activatePath = '/rpc.Marble/Activate'

async function answer(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  ports: MeshPorts,
): Promise<void> {
  try {
    checkCall(headers)
    const body = await readMessage(stream, limits.meshMessageBytes)
    const request = decode(body)
    const parameters = await ports.activate({
      tlsCertificate: callerCertificate(stream),
      evidence: request.Quote,
      csr: request.CSR,
      marbleType: request.MarbleType,
      uuid: request.UUID,
      isAbandoned: () => stream.destroyed,
    })
    sendMessage(stream, encode(parameters))
  } catch (error) {
    const { status, message } = statusOf(error, ports.log)
    sendStatus(stream, status, message)
  }
}

function checkCall(headers: IncomingHttpHeaders): void {
  const type = headers['content-type'] ?? ''
  if (headers[':method'] !== 'POST' || !type.startsWith('application/grpc')) {
    throw new GrpcError(
      grpcStatus.UNIMPLEMENTED,
      'the mesh API speaks gRPC; send a POST of type application/grpc',
    )
  }
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

function callerCertificate(stream: ServerHttp2Stream): Uint8Array {
  const certificate = peerCertificate(stream.session?.socket as TLSSocket)
  if (certificate === undefined) {
    throw new GrpcError(grpcStatus.UNAVAILABLE, 'the connection closed before its certificate was read')
  }
  return certificate
}

function statusOf(error: unknown, log: Logger): { status: GrpcError['status']; message: string } {
  if (error instanceof GrpcError) return error
  if (error instanceof Refusal) return { status: meshStatuses[error.code], message: error.message }
  log.error({ error }, 'a call to the mesh API met a defect')
  return { status: grpcStatus.INTERNAL, message: 'a defect in the Coordinator; its log has the details' }
}
