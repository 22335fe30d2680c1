import type * as Http from 'node:http'

/**
 * What is needed of Node's HTTP/1. To `import` values of `node:http` reads all that it exports, among them WebSocket and
 * its events, for which Node loads undici: a twelfth of what a start costs, and 2 MiB.
 */
export const { createServer, IncomingMessage, ServerResponse, STATUS_CODES } =
  process.getBuiltinModule('node:http')

export type IncomingMessage = Http.IncomingMessage
export type ServerResponse = Http.ServerResponse
