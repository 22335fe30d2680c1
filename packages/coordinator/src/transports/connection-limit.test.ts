import assert from 'node:assert/strict'
import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { limitConnections, sourceOf } from './connection-limit.ts'

/** A listener that takes three connections; each client's socket, once the server has it. */
async function listener(t: TestContext): Promise<(from: string) => Promise<Socket>> {
  const server = net.createServer()
  limitConnections(server, 3)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const sockets: Socket[] = []
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return async (localAddress) => {
    const taken = once(server, 'connection')
    const socket = net.connect({ port, host: '127.0.0.1', localAddress })
    socket.on('error', () => undefined).resume()
    sockets.push(socket)
    const [served] = (await taken) as [Socket]
    served.on('error', () => undefined).resume()
    return socket
  }
}

const ended = (socket: Socket): Promise<unknown> =>
  socket.closed ? Promise.resolve() : once(socket, 'close')

test('one connection too many closes the oldest one of whoever has most', async (t) => {
  const connect = await listener(t)
  const honest = await connect('127.0.0.2')
  const many = [await connect('127.0.0.3'), await connect('127.0.0.3')]
  for (let count = 0; count < 20; count++) many.push(await connect('127.0.0.3'))
  await Promise.all(many.slice(0, -2).map(ended))
  assert.ok([honest, ...many.slice(-2)].every((socket) => !socket.closed))

  // Another one gets in, too.
  const late = await connect('127.0.0.4')
  await ended(many.at(-2) ?? late)
  assert.ok([honest, late, many.at(-1)].every((socket) => socket?.closed === false))
})

test('connections that ended don’t count', async (t) => {
  const connect = await listener(t)
  const first = await connect('127.0.0.2')
  for (let count = 0; count < 5; count++) {
    const socket = await connect('127.0.0.3')
    socket.destroy()
    await ended(socket)
  }
  await connect('127.0.0.3')
  assert.ok(!first.closed)
})

test('the subscriber behind an address', () => {
  assert.equal(sourceOf('192.0.2.1'), '192.0.2.1')
  assert.equal(sourceOf('::ffff:192.0.2.1'), '::ffff:192.0.2.1')
  for (const address of ['2001:db8:1:2::1', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::']) {
    assert.equal(sourceOf(address), '2001:db8:1:2')
  }
  assert.equal(sourceOf('2001:db8::1'), '2001:db8:0:0')
  assert.equal(sourceOf('::1'), '0:0:0:0')
  assert.equal(sourceOf('fe80::1%eth0'), 'fe80:0:0:0')
})
