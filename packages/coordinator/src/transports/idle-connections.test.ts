import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Http2SecureServer } from 'node:http2'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { test, type TestContext } from 'node:test'
import { createLogger } from '../logger.ts'
import { parseAuthorityNames } from '../pki/authority-names.ts'
import { createAuthority } from '../pki/authority.ts'
import { pemEncode } from '../pki/pem.ts'
import { createMeshServer } from './mesh/server.ts'
import { createRestServer } from './rest/server.ts'
import type { ServerIdentity } from './tls.ts'

const idleMs = 200
const log = createLogger({ development: false, debug: false })

async function serverIdentity(): Promise<ServerIdentity> {
  const authority = await createAuthority('P-256', parseAuthorityNames('localhost'), new Date())
  return { certificate: authority.rootCertificate, privateKey: authority.rootKey.reveal() }
}

async function listening(test: TestContext, server: Http2SecureServer): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  test.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** Opens a call, sends nothing of its body, and tells when the server ends the connection. */
async function stalledCall(port: number, identity: ServerIdentity): Promise<void> {
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    cert: pemEncode('CERTIFICATE', identity.certificate),
    key: pemEncode('PRIVATE KEY', identity.privateKey),
    rejectUnauthorized: false,
  })
  session.on('error', () => undefined)
  const stream = session.request({
    ':method': 'POST',
    ':path': '/rpc.Marble/Activate',
    'content-type': 'application/grpc',
  })
  stream.on('error', () => undefined)
  await new Promise((resolve) => session.once('close', resolve))
}

test('a silent connection to the mesh API is closed though a call is open', async (context) => {
  const identity = await serverIdentity()
  const activate = () => Promise.reject(new Error('no request is whole'))
  await stalledCall(await listening(context, createMeshServer(identity, { activate, log }, idleMs)), identity)
})

test('a silent connection to the client API is closed though a request is open', async (context) => {
  const identity = await serverIdentity()
  const routes = new Map([
    [
      '/rpc.Marble/Activate',
      new Map([
        [
          'POST',
          {
            version: 2 as const,
            refusedStatus: 500 as const,
            handle: async ({ body }: { body: () => Promise<Uint8Array> }) => {
              await body()
              return assert.fail('no request is whole')
            },
          },
        ],
      ]),
    ],
  ])
  const ports = {
    log,
    run: <T>(work: () => Promise<T>) => work(),
    awaitClient: <T>(arrival: Promise<T>) => arrival,
  }
  const port = await listening(context, createRestServer(identity, routes, ports, idleMs))
  await stalledCall(port, identity)

  const http1 = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  http1.on('error', () => undefined).resume()
  http1.write('POST /rpc.Marble/Activate HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n1')
  await once(http1, 'close')
})
