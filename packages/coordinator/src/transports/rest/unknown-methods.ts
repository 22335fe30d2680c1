import { type Http2SecureServer, type Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { Duplex } from 'node:stream'
import { IncomingMessage, ServerResponse, STATUS_CODES } from '../node-http.ts'
import { headersOf, methodNotAllowed } from './answers.ts'

/** A well-formed request line of HTTP/1 with any token as its method (RFC 9112, section 3; RFC 9110, section 9.1). */
const requestLine = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP\/1\.[01]\r?\n/

/** Octets in which the end of a request line is looked for; what Node's parser takes at once is no longer. */
const requestLineOctets = 64 * 1024

/** Statuses of what Node's HTTP/1 parser refuses, by its codes, as Node itself answers them; 400 for all others. */
const statuses: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/**
 * Answers the methods that Node keeps from the request handler like any other that no path has: those that its HTTP/1
 * parser doesn't know, which it takes for malformed requests, and CONNECT, which is an event of its own.
 */
export function answerUnknownMethods(server: Http2SecureServer): void {
  const answers = new WeakMap<Duplex, ServerResponse>()
  server.on(
    'request',
    (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) => {
      if (!(request instanceof IncomingMessage) || !(response instanceof ServerResponse)) return
      const { socket } = request
      answers.set(socket, response)
      response.once('close', () => answers.delete(socket))
    },
  )
  server.on('clientError', (error: Error, socket: Duplex) => {
    // Where TLS failed there is nobody to answer yet: what is written would wait for a handshake that doesn't end.
    if (!isOfHttp(error)) {
      socket.destroy()
      return
    }
    const unfinished = answers.get(socket)
    // In the middle of another answer it would pass for a part of that.
    if (socket.writable && unfinished?.headersSent !== true) {
      const isNextRequest = unfinished === undefined && isUnknownMethod(error)
      socket.write(isNextRequest ? methodNotAllowedText() : plainText(statusOf(error)))
    }
    endSoon(socket)
  })
  server.on('connect', (request: unknown, peer: unknown) => {
    if (request instanceof IncomingMessage && peer instanceof Duplex) {
      peer.write(methodNotAllowedText())
      endSoon(peer)
    } else if (peer instanceof Http2ServerResponse) {
      peer.writeHead(methodNotAllowed.status, headersOf(methodNotAllowed)).end(methodNotAllowed.body)
    }
  })
}

function isUnknownMethod(error: Error): boolean {
  if (!('rawPacket' in error) || !Buffer.isBuffer(error.rawPacket)) return false
  return (
    codeOf(error) === 'HPE_INVALID_METHOD' &&
    requestLine.test(error.rawPacket.toString('latin1', 0, requestLineOctets))
  )
}

/** Of Node's parser (`HPE_…`), or its timeout; errors of TLS come by the same event. */
const isOfHttp = (error: Error): boolean => /^(?:HPE_|ERR_HTTP_)/.test(codeOf(error))

const statusOf = (error: Error): number => statuses[codeOf(error)] ?? 400

const codeOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? error.code : '')

const methodNotAllowedText = (): string => {
  const fields = Object.entries(headersOf(methodNotAllowed)).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${statusLine(methodNotAllowed.status)}${fields.join('')}${closing}${methodNotAllowed.body}`
}

const plainText = (status: number): string => `${statusLine(status)}${closing}`

const statusLine = (status: number): string => `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`

const closing = 'Connection: close\r\n\r\n'

/** Milliseconds that a client has to fetch the last answer of its connection. */
const lastAnswerMs = 1000

/** Ends the connection as soon as what was written is on its way, whatever the client still sends or leaves unread. */
function endSoon(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), lastAnswerMs)
  socket.once('close', () => {
    clearTimeout(timer)
  })
  socket.end(() => socket.destroy())
}
