import { once } from 'node:events'
import tls from 'node:tls'
import type { ClientIdentity } from './mesh-client.ts'

/** HTTP/2 written by hand (RFC 9113), for what no library would send. */

/** Frame types of RFC 9113, section 6. */
export const frameType = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
} as const

/** END_HEADERS of HEADERS and CONTINUATION (RFC 9113, section 6.2). */
export const endHeaders = 0x4

/** @param length what the frame claims; the payload's own length, unless it lies */
export function http2Frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = new Uint8Array(),
  length = payload.length,
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A literal header field without indexing (RFC 7541, section 6.2.2); name and value below 127 octets. */
export function literalField(name: string, value: string): Buffer {
  const text = (octets: string): Buffer => Buffer.concat([Buffer.of(octets.length), Buffer.from(octets)])
  return Buffer.concat([Buffer.of(0), text(name), text(value)])
}

/** The header block of a POST of type application/grpc to `path`; 0x83 and 0x87: method and scheme (RFC 7541, A). */
export const postHeaders = (path: string): Buffer =>
  Buffer.concat([
    Buffer.of(0x83, 0x87),
    literalField(':path', path),
    literalField(':authority', 'localhost'),
    literalField('content-type', 'application/grpc'),
  ])

/** Connection preface and empty settings (RFC 9113, section 3.4). */
export const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  http2Frame(frameType.settings, 0, 0),
])

/** A TLS connection that counts what comes, and breaks without a noise. */
export async function tlsConnection(
  port: number,
  identity: Pick<ClientIdentity, 'cert' | 'key'>,
  alpn: 'h2' | undefined,
): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    cert: identity.cert,
    key: identity.key,
    rejectUnauthorized: false,
    ...(alpn !== undefined && { ALPNProtocols: [alpn] }),
  })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  return socket
}

/**
 * Writes until all is written or the server closes the connection.
 *
 * @returns true when the server closed it within the time
 */
export async function isClosedAfter(
  socket: tls.TLSSocket,
  pieces: Iterable<Uint8Array>,
  withinMs: number,
): Promise<boolean> {
  const closed = new Promise<true>((resolve) => {
    socket.once('close', () => {
      resolve(true)
    })
  })
  socket.resume()
  for (const piece of pieces) {
    if (socket.destroyed) break
    if (!socket.write(piece)) await Promise.race([closed, drained(socket)])
  }
  const late = Promise.withResolvers<false>()
  const timer = setTimeout(() => {
    late.resolve(false)
  }, withinMs)
  const isClosed = socket.closed || (await Promise.race([closed, late.promise]))
  clearTimeout(timer)
  socket.destroy()
  return isClosed
}

const drained = (socket: tls.TLSSocket): Promise<void> =>
  new Promise((resolve) => {
    socket.once('drain', () => {
      resolve()
    })
  })
