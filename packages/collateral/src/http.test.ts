import { nodeCrypto } from '@taw/attestation/node'
import { createCollateralService } from '@taw/collateral'
import type { IntelServiceOptions } from '@taw/collateral'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { connect } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { TestTime, unavailable } from '../../../tests/support/collateral-service.ts'
import { FMSPC, IntelPlatform } from '../../../tests/support/tee-kit-intel.ts'
import { serveIntel } from '../../../tests/support/vendor-replies.ts'
import { VendorServer } from '../../../tests/support/vendor-server.ts'

const platform = new IntelPlatform()
const PLATFORM = { tee: 'SGX', fmspc: FMSPC, ca: 'platform' } as const

describe('connections to a service', () => {
  let server: VendorServer
  const time = new TestTime('2025-06-10T00:00:00Z')
  before(async () => {
    server = await VendorServer.start()
    serveIntel(server, platform)
  })
  after(() => server.stop())
  beforeEach(() => {
    server.requests.length = 0
  })

  const get = async (intel: IntelServiceOptions): Promise<unknown> => {
    const service = createCollateralService({
      crypto: nodeCrypto,
      intel,
      amd: 'off',
      retry: { attempts: 2, backoffMs: 1 },
      now: () => time.now,
      timers: time.timers,
      intelAnchors: platform.anchors,
    })
    try {
      return await service.forIntelPlatform(PLATFORM)
    } finally {
      service.close()
    }
  }

  test('a certificate of an unknown CA, of another host, and what accepts them', async () => {
    const { url, ca, port } = server
    const unknown = await unavailable(get({ url }))
    assert.deepEqual([unknown.reason, unknown.attempts.length], ['tls', 1])
    const otherName = await unavailable(get({ url: `https://127.0.0.1:${port}`, ca }))
    assert.equal(otherName.reason, 'tls')
    assert.equal(server.requests.length, 0)
    await get({ url, ca })
    await get({ url: `https://127.0.0.1:${port}`, acceptAnyTlsCertificate: true })
    assert.equal(server.requests.length, 8)
  })

  test('headers of the configuration, and no compression', async () => {
    await get({ url: server.url, ca: server.ca, subscriptionKey: 'key', headers: { 'x-tenant': 'a' } })
    for (const { headers } of server.requests) {
      assert.equal(headers['ocp-apim-subscription-key'], 'key')
      assert.equal(headers['x-tenant'], 'a')
      assert.equal(headers['accept-encoding'], 'identity')
    }
  })

  test('a proxy, hosts without it, and one that is down', async (context) => {
    const tunnels: string[] = []
    const sockets = new Set<Socket>()
    const proxy = createServer().on('connect', (request, socket: Socket) => {
      tunnels.push(request.url ?? '')
      const upstream = connect(server.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        upstream.pipe(socket)
        socket.pipe(upstream)
      })
      for (const one of [socket, upstream]) sockets.add(one.on('error', () => one.destroy()))
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    context.after(() => {
      for (const socket of sockets) socket.destroy()
      proxy.close()
    })
    const httpsProxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const { url, ca, port } = server
    await get({ url, ca, proxy: { httpsProxy } })
    assert.deepEqual([...new Set(tunnels)], [`localhost:${port}`])
    const count = tunnels.length
    await get({ url, ca, proxy: { httpsProxy, noProxy: 'localhost' } })
    assert.equal(tunnels.length, count)
    const down = await unavailable(get({ url, ca, proxy: { httpsProxy: 'http://127.0.0.1:1' } }))
    assert.equal(down.reason, 'unreachable')
  })
})
