/**
 * The demo's service "orders": HTTPS that only the marble type "web" may use. It was started by `taw run`, so its
 * certificate, its key and its secrets are in its environment; it knows no Coordinator.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { TLSSocket } from 'node:tls'
import { admitOnly, peerMarble, tlsOptions } from '@taw/marble'

const { server: serverOptions, credentials } = tlsOptions(process.env)

/** Tells values apart without showing them. */
const fingerprint = (value: string | Uint8Array): string =>
  createHash('sha256').update(value).digest('hex').slice(0, 12)

const server = createServer(serverOptions, (request, response) => {
  // Requests of an HTTPS server come over TLS, which the type of the request doesn't say.
  const peer = request.socket instanceof TLSSocket ? peerMarble(request.socket, credentials) : undefined
  response.end(
    JSON.stringify({
      servedTo: peer?.marbleType,
      databasePassword: fingerprint(process.env['DATABASE_PASSWORD'] ?? ''),
      diskKey: fingerprint(readFileSync('orders-data/disk.key')),
      sessionKey: fingerprint(process.env['SESSION_KEY'] ?? ''),
    }),
  )
})
admitOnly(server, credentials, ['web'])
server.on('tlsClientError', (error) => {
  console.log(`orders: refused a connection: ${error.message}`)
})
server.listen(Number(process.env['ORDERS_PORT']), '127.0.0.1', () => {
  console.log('orders: ready')
})
