import { constants, type ServerHttp2Stream } from 'node:http2'
import type { MemoryBudget, MemoryShare } from '../memory-budget.ts'

/**
 * The server half of one unary gRPC call over HTTP/2 (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md).
 *
 * The mesh API has one method, and each activation is a connection of its own, so the generic server of
 * `@connectrpc/connect-node` would double the cost of the HTTP part (measured: 1.1 against 0.6 ms of CPU per call on
 * a new connection) and can't give the recorded codes for messages that don't parse.
 */

/** Status codes of gRPC that the mesh API answers with (doc/statuscodes.md). */
export const grpcStatus = {
  OK: 0,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const

export type GrpcStatus = (typeof grpcStatus)[keyof typeof grpcStatus]

/** A call that ends with a status other than OK. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError'
  readonly status: GrpcStatus
  /** Of the answer's HTTP; other than 200 for what is no gRPC at all, so that no probe takes it for a success. */
  readonly httpStatus: number

  constructor(status: GrpcStatus, message: string, httpStatus = 200) {
    super(message)
    this.status = status
    this.httpStatus = httpStatus
  }
}

/** Clients bound the header fields of an answer (gRPC's C core: 8 KiB), so a message is cut before they refuse it. */
const statusMessageCharacters = 2000

/** Octets before each message: a flag (1: compressed) and the length, big-endian. */
const framePrefixBytes = 5

/** A request's message, which counts as held until `release`. */
export interface HeldMessage {
  readonly message: Uint8Array
  readonly release: () => void
}

/**
 * Reads the one message of a unary request.
 *
 * @param cost bytes that the call takes besides its message
 * @throws {@link GrpcError} RESOURCE_EXHAUSTED over `maxBytes` or when too much arrives at once, UNIMPLEMENTED for compressed messages, INTERNAL for
 * frames that are cut off, lie about their length, or are more than one
 */
export async function readMessage(
  stream: ServerHttp2Stream,
  maxBytes: number,
  arriving: MemoryBudget,
  cost: number,
): Promise<HeldMessage> {
  const { body, share } = await readBody(stream, maxBytes, arriving, cost)
  const length = body.length - framePrefixBytes
  try {
    const announced = length < 0 ? undefined : announcedLength(body, maxBytes)
    if (length === announced) return { message: body.subarray(framePrefixBytes), release: share.end }
    throw new GrpcError(
      grpcStatus.INTERNAL,
      `reading the request: its frame announces ${announced ?? 'no'} bytes, ${Math.max(length, 0)} came; ` +
        'a unary call has exactly one whole message',
    )
  } catch (error) {
    share.end()
    throw error
  }
}

/** Rejects as soon as it is clear that the message is too long. The stream stays open, to answer on. */
function readBody(
  stream: ServerHttp2Stream,
  maxBytes: number,
  arriving: MemoryBudget,
  cost: number,
): Promise<{ readonly body: Buffer; readonly share: MemoryShare }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let received = 0
    const refuse = (error: unknown): void => {
      share.end()
      chunks.length = 0
      stream.off('data', take)
      reject(error instanceof Error ? error : new Error(String(error)))
    }
    const share = arriving.begin(() => {
      refuse(
        new GrpcError(
          grpcStatus.RESOURCE_EXHAUSTED,
          'too many large requests are arriving, and this one takes longest; try again',
        ),
      )
    })
    const take = (chunk: Buffer): void => {
      const before = received
      received += chunk.length
      chunks.push(chunk)
      try {
        if (before < framePrefixBytes && received >= framePrefixBytes) {
          announcedLength(Buffer.concat(chunks), maxBytes)
        }
        if (received > maxBytes + framePrefixBytes) throw tooLong(received - framePrefixBytes, maxBytes)
        share.add(chunk.length)
      } catch (error) {
        refuse(error)
      }
    }
    stream.on('data', take)
    const cancelled = (): void => {
      share.end()
      reject(new GrpcError(grpcStatus.UNAVAILABLE, 'the call was cancelled before its request was whole'))
    }
    stream.once('end', () => {
      // Every stream closes in the end, and an error costs more than a signature.
      stream.off('close', cancelled)
      share.keep()
      resolve({ body: Buffer.concat(chunks, received), share })
    })
    stream.once('close', cancelled)
    share.add(cost)
  })
}

function announcedLength(prefix: Buffer, maxBytes: number): number {
  if (prefix[0] !== 0) {
    throw new GrpcError(
      grpcStatus.UNIMPLEMENTED,
      'the request is compressed; send it with grpc-encoding identity',
    )
  }
  const length = prefix.readUInt32BE(1)
  if (length > maxBytes) throw tooLong(length, maxBytes)
  return length
}

function tooLong(length: number, maxBytes: number): GrpcError {
  return new GrpcError(
    grpcStatus.RESOURCE_EXHAUSTED,
    `the request has at least ${length} bytes; at most ${maxBytes} are taken`,
  )
}

/** Answers OK with one message, which counts as held until it is fetched. */
export function sendMessage(stream: ServerHttp2Stream, message: Uint8Array, leaving: MemoryBudget): void {
  if (!isOpen(stream)) return
  const share = leaving.begin(() => {
    stream.close(constants.NGHTTP2_CANCEL)
  })
  stream.once('close', share.end)
  const frame = Buffer.allocUnsafe(framePrefixBytes + message.length)
  frame.writeUInt8(0, 0)
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, framePrefixBytes)
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.once('wantTrailers', () => {
    stream.sendTrailers({ 'grpc-status': String(grpcStatus.OK) })
  })
  stream.end(frame)
  share.add(frame.length)
}

/** Answers with a status and no message: a Trailers-Only response. */
export function sendStatus(
  stream: ServerHttp2Stream,
  status: GrpcStatus,
  message: string,
  httpStatus = 200,
): void {
  if (!isOpen(stream)) return
  stream.respond(
    {
      ':status': httpStatus,
      'content-type': 'application/grpc',
      'grpc-status': String(status),
      'grpc-message': percentEncode(message.slice(0, statusMessageCharacters)),
      ...(status === grpcStatus.UNIMPLEMENTED && { 'grpc-accept-encoding': 'identity' }),
    },
    { endStream: true },
  )
  // A client that is still sending is told to stop (RFC 9113, section 8.1).
  stream.close(constants.NGHTTP2_NO_ERROR)
}

function isOpen(stream: ServerHttp2Stream): boolean {
  return !stream.destroyed && !stream.closed && !stream.headersSent
}

/** Percent-Encoded of the protocol: printable ASCII but `%` stands for itself, all else as UTF-8 octets. */
function percentEncode(text: string): string {
  return text.replace(/[^\x20-\x24\x26-\x7e]/gu, (character) =>
    [...Buffer.from(character)]
      .map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  )
}
