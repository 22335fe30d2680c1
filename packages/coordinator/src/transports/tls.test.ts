import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls'
import { parseAuthorityNames } from '../pki/authority-names.ts'
import { createAuthority } from '../pki/authority.ts'
import { contextOptions, type ServerIdentity, tlsOptions } from './tls.ts'

async function identity(): Promise<ServerIdentity> {
  const authority = await createAuthority('P-256', parseAuthorityNames('localhost'), new Date())
  return { certificate: authority.rootCertificate, privateKey: authority.rootKey.reveal() }
}

type Connect = (options: ConnectionOptions) => TLSSocket

/** A listener whose identity was replaced, as every update does, or not. */
async function listener(t: TestContext, isReplaced: boolean): Promise<Connect> {
  const server = tls.createServer(tlsOptions(await identity(), 'tickets'), (socket) => {
    socket.on('error', () => undefined).resume()
    t.after(() => socket.destroy())
  })
  if (isReplaced) server.setSecureContext(contextOptions(await identity(), 'tickets'))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  return (options) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options })
    t.after(() => socket.destroy())
    return socket
  }
}

for (const isReplaced of [false, true]) {
  const when = isReplaced ? ', after the identity was replaced' : ''

  test(`a connection can't be negotiated anew${when}`, async (t) => {
    const connect = await listener(t, isReplaced)
    const socket = connect({ maxVersion: 'TLSv1.2' })
    await once(socket, 'secureConnect')
    await assert.rejects(
      new Promise<void>((resolve, reject) => {
        socket.on('error', reject)
        socket.on('close', () => {
          reject(new Error('closed'))
        })
        socket.renegotiate({ rejectUnauthorized: false }, (error) => {
          if (error === null) resolve()
          else reject(error)
        })
      }),
      /no.renegotiation/i,
    )
  })

  test(`TLS 1.1 is refused, the hybrid key exchange is there${when}`, async (t) => {
    const connect = await listener(t, isReplaced)
    const old = connect({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })
    await assert.rejects(once(old, 'secureConnect'), /alert protocol version|ECONNRESET/)
    const hybrid = connect({ ecdhCurve: 'X25519MLKEM768' })
    await once(hybrid, 'secureConnect')
    assert.equal(hybrid.getProtocol(), 'TLSv1.3')
  })
}
