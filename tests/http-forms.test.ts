import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { after, before, suite, test } from 'node:test'
import tls from 'node:tls'
import { TestCoordinator } from './support/coordinator.ts'

/** The client API as clients other than Node's meet it: forms of HTTP that Go's server takes, octet for octet. */

let coordinator: TestCoordinator
before(async () => {
  coordinator = await TestCoordinator.start()
})
after(() => coordinator[Symbol.asyncDispose]())

/** Sends octets as they are, and gives all that comes until the server ends the connection. */
async function send(octets: string): Promise<string> {
  const socket = tls.connect({ host: '127.0.0.1', port: coordinator.clientPort, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  let text = ''
  socket.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  socket.write(octets)
  await once(socket, 'close')
  return text
}

const request = (line: string, more = ''): string => `${line}\r\nHost: x\r\nConnection: close\r\n\r\n${more}`

const notAllowed = (answer: string, name: string): void => {
  assert.match(answer, /^HTTP\/1\.1 405 Method Not Allowed\r\n/, name)
  assert.match(answer, /\r\nContent-Type: text\/plain; charset=utf-8\r\n/, name)
  assert.match(answer, /\r\n\r\n\{"status":"error","data":null\}\n$/, name)
}

suite('HTTP/1', () => {
  test('a path is known in each of its forms', async () => {
    for (const target of ['/api/v2/status', '/api/v2/%73tatus?x', 'https://a.example:4433/api/v2/status']) {
      const answer = await send(request(`GET ${target} HTTP/1.1`))
      assert.match(answer, /^HTTP\/1\.1 200 .*"code":2/s, target)
    }
    for (const target of ['/api%2Fv2/status', '//status', '/x/../status', '/%zz', 'https://a.example', '*']) {
      notAllowed(await send(request(`GET ${target} HTTP/1.1`)), target)
    }
  })

  test('methods that HTTP/1 parsers single out are wrong methods like any other', async () => {
    for (const line of [
      'BREW /status HTTP/1.1',
      'get /status HTTP/1.1',
      'CONNECT localhost:1 HTTP/1.1',
      'PROPFIND /status HTTP/1.1',
      'TRACE /nothing HTTP/1.0',
    ]) {
      notAllowed(await send(request(line)), line)
    }
    notAllowed(await send('BREW /manifest HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}'), 'with a body')
  })

  test('what is no HTTP is refused without an answer to anything in it', async () => {
    const long = `X: ${'x'.repeat(20_000)}`
    for (const [octets, status] of [
      ['hello world\r\n\r\n', 400],
      ['BREW /status HTTP/3\r\n\r\n', 400],
      ['GET /status HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n', 400],
      [`GET /status HTTP/1.1\r\n${long}\r\n\r\n`, 431],
      // The second would be taken for the answer to the first.
      [`GET /status HTTP/1.1\r\nHost: x\r\n\r\n${request('BREW /status HTTP/1.1')}`, 400],
    ] as const) {
      const answer = await send(octets)
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} [^{]*$`), octets.slice(0, 80))
    }
  })

  test('header fields have the usual spelling, which scripts look for', async () => {
    const answer = await send(request('GET /nothing HTTP/1.1'))
    assert.match(answer, /\r\nContent-Type: text\/plain; charset=utf-8\r\n/)
    assert.match(answer, /\r\nContent-Length: 31\r\n/)
    assert.match(answer, /\r\nX-Content-Type-Options: nosniff\r\n/)
  })

  test('a connection waits for the next request as long as any idle one', async () => {
    const agent = new https.Agent({ keepAlive: true })
    const [response] = (await once(
      https.get({
        host: '127.0.0.1',
        port: coordinator.clientPort,
        path: '/status',
        rejectUnauthorized: false,
        agent,
      }),
      'response',
    )) as [IncomingMessage]
    response.resume()
    assert.equal(response.headers['keep-alive'], 'timeout=120')
    agent.destroy()
  })
})

test('HTTP/2 gives the same answers', async () => {
  const session = http2.connect(`https://127.0.0.1:${coordinator.clientPort}`, { rejectUnauthorized: false })
  const status = async (fields: http2.OutgoingHttpHeaders): Promise<unknown> => {
    const stream = session.request(fields).resume()
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    return headers[':status']
  }
  assert.equal(await status({ ':path': '/api/v2/%73tatus' }), 200)
  assert.equal(await status({ ':path': '/api%2Fv2/status' }), 405)
  assert.equal(await status({ ':method': 'BREW', ':path': '/status' }), 405)
  assert.equal(await status({ ':method': 'CONNECT', ':authority': 'localhost:1' }), 405)
  session.close()
})

test('a nonce may have line breaks, as base64 has', async () => {
  for (const [nonce, status] of [
    ['AA_-', 200],
    ['AA_-%0D%0A', 200],
    ['AA%0A==', 200],
    ['AA%2F%2B', 400],
    ['AA', 400],
  ] as const) {
    const answer = await send(request(`GET /api/v2/quote?nonce=${nonce} HTTP/1.1`))
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), nonce)
  }
})
