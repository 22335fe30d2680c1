import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import type { IncomingMessage } from 'node:http'
import net from 'node:net'
import { after, afterEach, before, suite, test } from 'node:test'
import tls from 'node:tls'
import { limits } from '../packages/coordinator/src/limits.ts'
import { manifestLimits } from '../packages/coordinator/src/manifest/limits.ts'
import { get, TestCoordinator } from './support/coordinator.ts'
import {
  endHeaders,
  frameType,
  http2Frame,
  isClosedAfter,
  literalField,
  postHeaders,
  preface,
  tlsConnection,
} from './support/http2-frames.ts'
import {
  activate,
  activateHeaders,
  call,
  clientIdentity,
  type ClientIdentity,
  connectMesh,
  encodeActivation,
  frame,
  grpcCode,
  manifestWith,
  postManifest,
  setManifest,
} from './support/mesh-client.ts'
import { cpuOf } from './support/process-cost.ts'

/** Whatever strangers send: the refusal is bounded and clear, and the next honest client is served. */

/** Has a manifest, so that marbles can activate. */
let serving: TestCoordinator
/** Has none, so that anyone may try to set one. */
let open: TestCoordinator
let identity: ClientIdentity

before(async () => {
  const starting = [TestCoordinator.start(), TestCoordinator.start()] as const
  identity = await clientIdentity()
  serving = await starting[0]
  open = await starting[1]
  await setManifest(serving.clientPort, manifestWith({ Marbles: { m: { Package: 'pkg' } } }))
  stalled = startStalling()
})
after(async () => {
  for (const { socket } of stalled) socket.destroy()
  await serving[Symbol.asyncDispose]()
  await open[Symbol.asyncDispose]()
})

/** Milliseconds in which an honest client must be served, on a busy machine. */
const patience = 60_000
/** Milliseconds in which a connection must be closed for what came over it, before any limit of time would do it. */
const promptly = 45_000

afterEach(async () => {
  const start = Date.now()
  await activate(serving.meshPort, identity, { marbleType: 'm' })
  for (const { clientPort } of [serving, open]) {
    assert.equal((await get(clientPort, '/api/v2/status')).status, 200)
  }
  assert.ok(Date.now() - start < patience, `honest clients waited ${Date.now() - start} ms`)
})

const ports = (): readonly (readonly [string, number])[] => [
  ['mesh API', serving.meshPort],
  ['client API', serving.clientPort],
]

interface Stalled {
  readonly what: string
  readonly socket: net.Socket
  readonly openedAt: number
  /** Milliseconds after which the Coordinator must have closed it. */
  readonly limit: number
  closedAt: number | undefined
}

let stalled: readonly Stalled[] = []

/** Many connections that stop half-way; the last test looks at what became of them. */
function startStalling(): readonly Stalled[] {
  const result: Stalled[] = []
  const add = (what: string, limit: number, socket: net.Socket): void => {
    const entry: Stalled = { what, socket, openedAt: Date.now(), limit, closedAt: undefined }
    socket.on('error', () => undefined)
    socket.on('close', () => {
      entry.closedAt = Date.now()
    })
    result.push(entry)
  }
  // A record of type handshake whose ClientHello is announced with 508 bytes (RFC 8446, sections 4 and 5.1).
  const halfHello = Buffer.concat([Buffer.from('1603010200010001fc0303', 'hex'), randomBytes(40)])
  for (const [name, port] of ports()) {
    for (let count = 0; count < 50; count++) {
      add(`${name}: TCP without a byte`, limits.tlsHandshakeMs, net.connect(port, '127.0.0.1'))
      const halfTls = net.connect(port, '127.0.0.1')
      halfTls.write(halfHello)
      add(`${name}: half a ClientHello`, limits.tlsHandshakeMs, halfTls)
    }
  }
  for (let count = 0; count < 20; count++) {
    const loris = tls.connect({ host: '127.0.0.1', port: serving.clientPort, rejectUnauthorized: false })
    loris.write('GET /api/v2/status HTTP/1.1\r\nhost: localhost\r\n')
    const drip = setInterval(() => loris.write('x: y\r\n'), 500)
    loris.on('close', () => {
      clearInterval(drip)
    })
    add('client API: a header that never ends', limits.headersTimeoutMs + limits.lateRequestsMs, loris)
  }
  return result
}

suite('below HTTP', () => {
  test('bytes that are no TLS', async () => {
    for (const [name, port] of ports()) {
      for (const garbage of [
        Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
        preface,
        randomBytes(20_000),
        // A handshake record of the largest length there is, of which nothing comes but zeros.
        Buffer.concat([Buffer.from('160301ffff', 'hex'), Buffer.alloc(70_000)]),
        // SSL 2.0's ClientHello.
        Buffer.from(`802e010002001500000010010080020080030080040080050080060040070${'0'.repeat(35)}`, 'hex'),
      ]) {
        const socket = net.connect(port, '127.0.0.1')
        socket.on('error', () => undefined).resume()
        socket.write(garbage)
        await new Promise((resolve) => socket.once('close', resolve))
        assert.ok(socket.destroyed, name)
      }
    }
  })

  test('TLS below 1.2 is refused', async () => {
    for (const [name, port] of ports()) {
      for (const version of ['TLSv1', 'TLSv1.1'] as const) {
        const socket = tls.connect({
          ...{ host: '127.0.0.1', port, rejectUnauthorized: false, cert: identity.cert, key: identity.key },
          ...{ minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' },
        })
        await assert.rejects(once(socket, 'secureConnect'), /alert protocol version|ECONNRESET/, name)
      }
    }
  })

  test('a mesh client without a certificate gets no answer', async () => {
    const session = http2.connect(`https://127.0.0.1:${serving.meshPort}`, { rejectUnauthorized: false })
    session.on('error', () => undefined)
    await assert.rejects(call(session, frame(encodeActivation({ marbleType: 'm' }, identity))))
    session.destroy()
  })
})

const chunked = (body: string): string =>
  `POST /manifest HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${body}`

suite('HTTP/1.1', () => {
  const cases: readonly (readonly [name: string, request: string, status: number])[] = [
    ['garbage', '\0\x01\x02 garbage\r\n\r\n', 400],
    ['no such version', 'GET /api/v2/status HTTP/7.3\r\nhost: x\r\n\r\n', 400],
    [
      'a header over the limit',
      `GET / HTTP/1.1\r\nhost: x\r\na: ${'x'.repeat(limits.headerBytes)}\r\n\r\n`,
      431,
    ],
    ['many small header fields', `GET / HTTP/1.1\r\nhost: x\r\n${'a: b\r\n'.repeat(5000)}\r\n`, 431],
    ['a path over the limit', `GET /${'x'.repeat(limits.headerBytes)} HTTP/1.1\r\nhost: x\r\n\r\n`, 431],
    ['a chunk length that is none', chunked('ZZ\r\n'), 400],
    ['a chunk length beyond all integers', chunked(`${'f'.repeat(40)}\r\n`), 400],
    ['a negative length', 'POST /manifest HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n', 400],
    [
      'two lengths',
      'POST /manifest HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx',
      400,
    ],
    [
      'length and chunks',
      'POST /manifest HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    [
      'a length over the limit',
      'POST /manifest HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n',
      413,
    ],
    ['CONNECT', 'CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n', 405],
    ['a method that Node does not know', 'BREW /status HTTP/1.1\r\nhost: x\r\n\r\n', 405],
  ]
  for (const [name, request, status] of cases) {
    test(name, async () => {
      assert.match(await rawRequest(request), new RegExp(`^HTTP/1.1 ${status} `))
    })
  }

  test('a chunked body without an end is refused at the limit', async () => {
    const chunk = Buffer.concat([
      Buffer.from('100000\r\n'),
      Buffer.alloc(0x10_0000, ' '),
      Buffer.from('\r\n'),
    ])
    const socket = await tlsConnection(serving.clientPort, identity, undefined)
    let answer = ''
    socket.setEncoding('latin1').on('data', (text: string) => (answer += text))
    // Once more the limit is read before the end, so that the client sees the answer.
    const pieces = (limits.restBodyBytes / 0x10_0000) * 3
    const body = Array.from({ length: pieces }, () => chunk)
    assert.ok(await isClosedAfter(socket, [Buffer.from(chunked('')), ...body], promptly))
    assert.match(answer, /^HTTP\/1.1 413 [^]*longer than 34603008 bytes/)
  })
})

/** What comes back until the Coordinator closes the connection, or has answered 413 and waits for the body. */
async function rawRequest(text: string): Promise<string> {
  const socket = await tlsConnection(serving.clientPort, identity, undefined)
  let answer = ''
  socket.setEncoding('latin1').on('data', (part: string) => {
    answer += part
    if (answer.includes('longer than')) socket.destroy()
  })
  assert.ok(
    await isClosedAfter(socket, [Buffer.from(text, 'latin1')], promptly),
    `still open after: ${answer}`,
  )
  return answer
}

suite('JSON', () => {
  test('a body at the limit is read, one over it is refused with 413', async () => {
    for (const [bytes, status] of [
      [limits.restBodyBytes, 400],
      [limits.restBodyBytes + 1, 413],
    ] as const) {
      const options = { method: 'POST', body: Buffer.alloc(bytes, ' ') }
      assert.equal((await get(open.clientPort, '/api/v2/manifest', options)).status, status)
    }
  })

  test('after a refused body an HTTP/2 connection serves the next request', async () => {
    const session = http2.connect(`https://127.0.0.1:${open.clientPort}`, { rejectUnauthorized: false })
    const refused = session.request({ ':method': 'POST', ':path': '/api/v2/manifest' })
    refused.end(Buffer.alloc(limits.restBodyBytes + 1, ' '))
    const [head] = (await once(refused, 'response')) as [http2.IncomingHttpHeaders]
    assert.equal(head[':status'], 413)
    refused.resume()
    await once(refused, 'close')
    const next = session.request({ ':path': '/api/v2/status' })
    const [nextHead] = (await once(next, 'response')) as [http2.IncomingHttpHeaders]
    assert.equal(nextHead[':status'], 200)
    session.destroy()
  })

  test('deep nesting, many values, no UTF-8', async () => {
    for (const [body, status] of [
      ['['.repeat(1_000_000), 400],
      ['{"manifest":'.repeat(1_000_000), 400],
      [`{"manifest":"${'A'.repeat(1_000_000)}`, 400],
      [`{"x":[${'0,'.repeat(2_000_000)}0]}`, 400],
      [Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22]), 400],
      [`{"manifest":${'9'.repeat(1_000_000)}}`, 400],
    ] as const) {
      const { status: found, text } = await get(open.clientPort, '/api/v2/manifest', { method: 'POST', body })
      assert.equal(found, status, text)
      assert.ok(text.length < 1000, 'the refusal repeats the request')
    }
  })
})

suite('HTTP/2', () => {
  /** Each must end the connection: what follows is not read. */
  const attacks: readonly (readonly [name: string, frames: () => Iterable<Uint8Array>])[] = [
    ['rapid reset', () => repeated(200, (index) => manyResets(index * 100))],
    ['settings flood', () => repeated(200, () => repeatedFrame(frameType.settings, settingsEntry, 100))],
    ['ping flood', () => repeated(500, () => repeatedFrame(frameType.ping, Buffer.alloc(8), 100))],
    [
      'a header without an end',
      () => [http2Frame(frameType.headers, 0, 1, headers), ...repeated(200, moreHeaders)],
    ],
    [
      'broken header compression',
      () => [http2Frame(frameType.headers, endHeaders, 1, Buffer.alloc(20, 0xff))],
    ],
    ['data on stream 0', () => [http2Frame(frameType.data, 0, 0, Buffer.alloc(10))]],
    ['a frame over the agreed size', () => [http2Frame(frameType.data, 0, 1, Buffer.alloc(70_000))]],
    [
      'a window beyond 2^31',
      () => repeated(2, () => http2Frame(frameType.windowUpdate, 0, 0, largestIncrement)),
    ],
    ['streams beyond the limit', () => repeated(20, (index) => manyStreams(index * 500, 500))],
  ]
  for (const [name, frames] of attacks) {
    test(name, async () => {
      for (const [listener, port] of ports()) {
        const socket = await tlsConnection(port, identity, 'h2')
        assert.ok(
          await isClosedAfter(socket, [preface, ...frames()], promptly),
          `${listener} goes on reading`,
        )
      }
    })
  }

  test('a header over the limit', async () => {
    for (const [listener, port] of ports()) {
      const session = await connectMesh(port, identity)
      // The limit holds once the client has read the server's settings, with the first answer at the latest.
      await call(session, new Uint8Array())
      const large = call(session, new Uint8Array(), { large: 'x'.repeat(limits.headerBytes) })
      await assert.rejects(large, /NGHTTP2_ENHANCE_YOUR_CALM/, listener)
      assert.equal((await call(session, new Uint8Array())).httpStatus, listener === 'mesh API' ? 200 : 405)
      session.destroy()
    }
  })
})

const headers = postHeaders('/rpc.Marble/Activate')
/** SETTINGS_INITIAL_WINDOW_SIZE: 65535 (RFC 9113, section 6.5.2). */
const settingsEntry = Buffer.from('00040000ffff', 'hex')
const largestIncrement = Buffer.from('7fffffff', 'hex')
/** CANCEL (RFC 9113, section 7). */
const cancel = Buffer.from('00000008', 'hex')

function* repeated(count: number, make: (index: number) => Uint8Array): Iterable<Uint8Array> {
  for (let index = 0; index < count; index++) yield make(index)
}

const repeatedFrame = (type: number, payload: Buffer, count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => http2Frame(type, 0, 0, payload)))

const moreHeaders = (): Buffer =>
  http2Frame(
    frameType.continuation,
    0,
    1,
    Buffer.concat(Array.from({ length: 50 }, () => literalField('x', 'y'.repeat(100)))),
  )

/** Client streams have odd numbers. */
const streamId = (index: number): number => 2 * index + 1

const manyResets = (first: number): Buffer =>
  Buffer.concat(
    Array.from({ length: 100 }, (_, index) =>
      Buffer.concat([
        http2Frame(frameType.headers, endHeaders, streamId(first + index), headers),
        http2Frame(frameType.resetStream, 0, streamId(first + index), cancel),
      ]),
    ),
  )

const manyStreams = (first: number, count: number): Buffer =>
  Buffer.concat(
    Array.from({ length: count }, (_, index) =>
      http2Frame(frameType.headers, endHeaders, streamId(first + index), headers),
    ),
  )

suite('gRPC', () => {
  const message = (): Uint8Array => encodeActivation({ marbleType: 'm' }, identity)
  const csr = (bytes: number): Buffer =>
    frame(encodeActivation({ marbleType: 'm', csr: Buffer.alloc(bytes, 0x30) }, identity))
  const most = limits.meshMessageBytes
  const cases: readonly (readonly [name: string, body: () => Uint8Array, code: number])[] = [
    ['no frame', () => new Uint8Array(), grpcCode.INTERNAL],
    ['half a prefix', () => new Uint8Array(3), grpcCode.INTERNAL],
    ['a length too large by one', () => frame(message(), message().length + 1), grpcCode.INTERNAL],
    ['a length too small by one', () => frame(message(), message().length - 1), grpcCode.INTERNAL],
    ['a length of 4 GiB', () => frame(message(), 0xffff_ffff), grpcCode.RESOURCE_EXHAUSTED],
    ['a message over the limit', () => frame(new Uint8Array(most + 1)), grpcCode.RESOURCE_EXHAUSTED],
    ['a message at the limit that is no protobuf', () => frame(new Uint8Array(most)), grpcCode.INTERNAL],
    ['the flag of a compressed message', () => frame(message(), message().length, 1), grpcCode.UNIMPLEMENTED],
    ['a flag that is none', () => frame(message(), message().length, 255), grpcCode.UNIMPLEMENTED],
    ['two messages', () => Buffer.concat([frame(message()), frame(message())]), grpcCode.INTERNAL],
    [
      'protobuf: a length beyond the end',
      () => frame(Buffer.from('0affffffff0f00', 'hex')),
      grpcCode.INTERNAL,
    ],
    ['protobuf: an integer without an end', () => frame(Buffer.alloc(100, 0xff)), grpcCode.INTERNAL],
    // Start-group tags of field 5, a million deep.
    ['protobuf: groups in groups', () => frame(Buffer.alloc(1_000_000, 0x2b)), grpcCode.INTERNAL],
    ['protobuf: a string that is no UTF-8', () => frame(Buffer.from('1a02c328', 'hex')), grpcCode.INTERNAL],
    ['a CSR of 64 KiB', () => csr(64 * 1024), grpcCode.INTERNAL],
    ['a CSR of 1 MiB', () => csr(1024 * 1024), grpcCode.INTERNAL],
    [
      'a CSR of lengths without an end',
      () =>
        frame(
          encodeActivation({ marbleType: 'm', csr: Buffer.from('3080'.repeat(20_000), 'hex') }, identity),
        ),
      grpcCode.INTERNAL,
    ],
    [
      'names of a megabyte',
      () => frame(encodeActivation({ marbleType: 'x'.repeat(1e6), uuid: 'y'.repeat(1e6) }, identity)),
      grpcCode.PERMISSION_DENIED,
    ],
  ]

  test('each mistake has its code, a short message, and costs only its own call', async () => {
    const session = await connectMesh(serving.meshPort, identity)
    for (const [name, body, code] of cases) {
      const answer = await call(session, body())
      assert.equal(answer.code, code, `${name}: ${answer.message}`)
      assert.ok(answer.message.length > 10 && answer.message.length < 1000, name)
      assert.equal(answer.body.length, 0, name)
    }
    assert.equal((await call(session, frame(message()))).code, grpcCode.OK)
    session.destroy()
  })

  test('what is no such gRPC call has the code, and what is no gRPC the HTTP status, of grpc-go', async () => {
    const session = await connectMesh(serving.meshPort, identity)
    for (const [fields, expected, http] of [
      [{ ':path': '/rpc.Marble/Nope' }, grpcCode.UNIMPLEMENTED, 200],
      [{ ':path': '/' }, grpcCode.UNIMPLEMENTED, 200],
      [{ ':path': `/${'x'.repeat(5000)}` }, grpcCode.UNIMPLEMENTED, 200],
      [{ 'content-type': 'application/json' }, grpcCode.INVALID_ARGUMENT, 415],
      [{ 'content-type': 'application/grpc-web' }, grpcCode.INVALID_ARGUMENT, 415],
      [{ ':method': 'PUT' }, grpcCode.INTERNAL, 405],
      [{ ':method': 'PUT', 'content-type': '' }, grpcCode.INVALID_ARGUMENT, 415],
    ] as const) {
      const { code, message, httpStatus } = await call(session, new Uint8Array(), fields)
      assert.equal(code, expected, JSON.stringify(fields))
      assert.equal(httpStatus, http, JSON.stringify(fields))
      assert.ok(message.length < 1000)
    }
    session.destroy()
  })
})

suite('manifests', () => {
  const withFiles = (templates: readonly string[]): string =>
    manifestWith({
      Marbles: { m: { Package: 'pkg', Parameters: { Files: Object.fromEntries(templates.entries()) } } },
    })
  const withSecrets = (count: number, secret: unknown): string =>
    manifestWith({
      Secrets: Object.fromEntries(Array.from({ length: count }, (_, index) => [`s${index}`, secret])),
      Marbles: { m: { Package: 'pkg' } },
    })
  const sharedKey = { Type: 'symmetric-key', Size: 128, Shared: true }
  const most = manifestLimits

  const refused: readonly (readonly [name: string, manifest: () => string | Uint8Array, reason: RegExp])[] = [
    ['a loop without an end', () => withFiles(['{{ range 1000000000000 }}x{{ end }}']), /steps/],
    [
      'a template that calls itself',
      () => withFiles(['{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}']),
      /deeper/,
    ],
    [
      'a text that doubles a hundred times',
      () => withFiles(['{{ $x := "aaaaaaaa" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}']),
      /bytes/,
    ],
    [
      'a hundred thousand blocks in each other',
      () => withFiles(['{{ if true }}'.repeat(100_000)]),
      /no \{\{ end \}\}/,
    ],
    ['a hundred thousand parentheses', () => withFiles([`{{ ${'('.repeat(100_000)}`]), /nest/],
    [
      'a thousand loops without an end',
      () => withFiles(Array.from({ length: 1000 }, () => '{{ range 1000000000000 }}{{ end }}')),
      /steps/,
    ],
    ['a secret too many', () => withSecrets(most.secrets + 1, sharedKey), /at most 100000/],
    [
      'a hundred megabytes of keys',
      () => withSecrets(100, { ...sharedKey, Size: 8_388_608 }),
      /at most 67108864/,
    ],
    [
      'a hundred thousand RSA keys',
      () => withSecrets(1001, { Type: 'cert-rsa', Size: 2048, Shared: true }),
      /at most 1000/,
    ],
    ['a byte too many', () => Buffer.alloc(most.manifestBytes + 1, ' '), /at most 25165824/],
    ['nesting', () => '['.repeat(1_000_000), /nested deeper than 10000/],
    ['values without an end', () => `{"x":[${'0,'.repeat(2_000_000)}0]}`, /more than 1000000 values/],
    [
      'ten thousand mistakes',
      () =>
        `{"Packages":{${Array.from({ length: 10_000 }, (_, index) => `"p${index}":{"UniqueID":1}`).join()}}}`,
      /reasons/,
    ],
  ]

  for (const [name, manifest, reason] of refused) {
    test(`${name}: refused`, async () => {
      const start = Date.now()
      const { status, text } = await postManifest(open.clientPort, manifest())
      assert.ok(status === 500 || status === 413, `${status}: ${text.slice(0, 500)}`)
      assert.match(text, reason)
      assert.ok(text.length < 20_000, 'the refusal is as long as the manifest')
      assert.ok(Date.now() - start < most.dryRunMs + patience, `it took ${Date.now() - start} ms`)
    })
  }

  test('a hundred thousand secrets are taken, and cost no activation anything', async () => {
    await setManifest(open.clientPort, withSecrets(most.secrets, sharedKey))
    const before = cpuOf(open.pid)
    await activate(open.meshPort, identity, { marbleType: 'm' })
    const milliseconds = (cpuOf(open.pid) - before) / 1000
    assert.ok(milliseconds < 1000, `the activation took ${milliseconds} ms of CPU`)
  })
})

test('unfinished bodies take bounded memory, and keep nobody out', async () => {
  const before = residentBytes(serving.pid)
  const sessions = await Promise.all([1, 2].map(() => connectMesh(serving.meshPort, identity)))
  const calls = sessions.flatMap((session) =>
    Array.from({ length: 15 }, () => {
      const stream = session.request(activateHeaders)
      stream.on('error', () => undefined)
      stream.write(Buffer.concat([frame(new Uint8Array(), limits.meshMessageBytes), Buffer.alloc(3 << 20)]))
      return stream
    }),
  )
  // 90 MiB come where 64 may wait: the oldest are refused. Which connection's those are, the network decides.
  const [head] = (await Promise.race(calls.map((one) => once(one, 'response')))) as [
    http2.IncomingHttpHeaders,
  ]
  assert.equal(Number(head['grpc-status']), grpcCode.RESOURCE_EXHAUSTED)

  const uploads = Array.from({ length: 6 }, () => startUpload(serving.clientPort))
  assert.equal(await Promise.race(uploads.map(({ status }) => status)), 413)

  // An honest upload of a large manifest is the youngest, and comes through (to be refused for what it is).
  const { text } = await postManifest(serving.clientPort, Buffer.alloc(20 << 20, ' '))
  assert.match(text, /one is in force already/)

  const { mesh, rest } = limits.arrivingBytes
  // What is let go counts until it is collected, so as much again.
  const most = 2 * (mesh + rest + 3 * limits.restBodyBytes)
  const grown = residentBytes(serving.pid) - before
  assert.ok(grown < most, `it grew by ${grown >> 20} MiB, of at most ${most >> 20}`)
  for (const { request } of uploads) request.destroy()
  for (const session of sessions) session.destroy()
})

test('answers that nobody fetches take bounded memory', async () => {
  await using full = await TestCoordinator.start()
  const files = { '/large': { Data: 'x'.repeat(4 << 20), NoTemplates: true } }
  await setManifest(
    full.clientPort,
    manifestWith({ Marbles: { m: { Package: 'pkg', Parameters: { Files: files } } } }),
  )
  const before = residentBytes(full.pid)
  const sessions = Array.from({ length: 6 }, () =>
    http2.connect(`https://127.0.0.1:${full.clientPort}`, {
      rejectUnauthorized: false,
      // Nothing of any body may come.
      settings: { initialWindowSize: 0 },
    }),
  )
  await Promise.all(sessions.map((session) => once(session, 'remoteSettings')))
  // Each answer has 5.6 MB.
  const streams = sessions.flatMap((session) =>
    Array.from({ length: 12 }, () => session.request({ ':path': '/api/v2/manifest' })),
  )
  for (const stream of streams) stream.on('error', () => undefined)
  await Promise.race(streams.map((stream) => once(stream, 'close')))
  assert.equal((await get(full.clientPort, '/api/v2/status')).status, 200)
  const grown = residentBytes(full.pid) - before
  const most = 5 * limits.leavingBytes
  assert.ok(grown < most, `it grew by ${grown >> 20} MiB, of at most ${most >> 20}`)
  for (const session of sessions) session.destroy()
})

test('requests that wait for their bodies, and streams that are answered, don’t stay', async () => {
  const fields = Object.fromEntries(Array.from({ length: 14 }, (_, index) => [`x${index}`, 'y'.repeat(1000)]))
  for (const [port, head] of [
    [serving.clientPort, { ':method': 'POST', ':path': '/api/v2/status' }],
    [serving.clientPort, { ':method': 'POST', ':path': '/api/v2/recover' }],
    [serving.meshPort, activateHeaders],
  ] as const) {
    const sessions: http2.ClientHttp2Session[] = []
    let closed = 0
    let opened = 0
    const enough = Promise.withResolvers<true>()
    // More than the memory has room for: 16,000 header fields each.
    const room = limits.arrivingBytes.rest / (limits.openRequestBytes + 28_000)
    while (opened < room + 1000) {
      const session = await connectMesh(port, identity)
      sessions.push(session)
      for (let count = 0; count < limits.concurrentStreams - 1; count++, opened++) {
        const stream = session.request({ ...fields, ...head }, { endStream: false })
        stream.on('error', () => undefined).resume()
        stream.on('close', () => {
          closed += 1
          if (closed >= 500) enough.resolve(true)
        })
      }
    }
    await enough.promise
    for (const session of sessions) session.destroy()
  }
})

/** A request whose body stops one byte before its end. */
function startUpload(port: number): {
  readonly request: ReturnType<typeof https.request>
  readonly status: Promise<number>
} {
  const request = https.request({
    ...{
      host: '127.0.0.1',
      port,
      path: '/manifest',
      method: 'POST',
      rejectUnauthorized: false,
      agent: false,
    },
    headers: { 'content-length': limits.restBodyBytes },
  })
  request.write(Buffer.alloc(limits.restBodyBytes - 1, ' '))
  const status = once(request, 'response').then(([response]: IncomingMessage[]) => response?.statusCode ?? 0)
  status.catch(() => undefined)
  return { request, status }
}

/** VmRSS of Linux (proc(5)). */
function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kibibytes) * 1024
}

test('connections that stop half-way are closed in time', async () => {
  for (const entry of stalled) {
    if (entry.closedAt === undefined) await once(entry.socket, 'close')
    const took = (entry.closedAt ?? Infinity) - entry.openedAt
    assert.ok(took < entry.limit + patience, `${entry.what}: closed after ${took} ms, not ${entry.limit}`)
  }
  assert.ok(stalled.length > 200)
})

test('nothing of all this was a defect', () => {
  for (const { output } of [serving, open]) {
    assert.doesNotMatch(output, /defect|"level":"(?:error|fatal)"|Warning/)
  }
})
