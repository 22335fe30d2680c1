import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Http2SecureServer } from 'node:http2'
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

const log = createLogger({ development: false, debug: false })
const authority = await createAuthority('P-256', parseAuthorityNames('localhost'), new Date())
const identity: ServerIdentity = {
  certificate: authority.rootCertificate,
  privateKey: authority.rootKey.reveal(),
}

async function listening(context: TestContext, server: Http2SecureServer): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  context.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** Connects twice, the second time with what the first connection left. */
async function isResumed(port: number, version: tls.SecureVersion): Promise<boolean> {
  const options: tls.ConnectionOptions = {
    host: '127.0.0.1',
    port,
    cert: pemEncode('CERTIFICATE', identity.certificate),
    key: pemEncode('PRIVATE KEY', identity.privateKey),
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    minVersion: version,
    maxVersion: version,
  }
  const first = tls.connect(options)
  const [session] = (await once(first, 'session')) as [Buffer]
  first.destroy()
  const second = tls.connect({ ...options, session })
  await once(second, 'secureConnect')
  const resumed = second.isSessionReused()
  second.destroy()
  return resumed
}

for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
  test(`every connection to the mesh API proves its key anew, ${version}`, async (context) => {
    const activate = () => Promise.reject(new Error('nobody activates'))
    const port = await listening(context, createMeshServer(identity, { activate, log }))
    assert.equal(await isResumed(port, version), false)
  })

  test(`a client of the client API can resume, ${version}`, async (context) => {
    const server = createRestServer(identity, new Map(), {
      log,
      run: (work) => work(),
      awaitClient: (arrival) => arrival,
    })
    assert.equal(await isResumed(await listening(context, server), version), true)
  })
}
