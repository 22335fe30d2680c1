import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { inspect } from 'node:util'

import { meshError, startFakeMesh, type FakeMesh } from '../../../../tests/support/fake-mesh.ts'
import { makeFakeAuthority, privateKeyPem } from '../../../../tests/support/fake-authority.ts'
import { MarbleError, type MarbleErrorCode } from '../errors.ts'
import { noEvidence, type EvidenceProvider } from '@taw/evidence'
import { parseMarbleNames } from '../identity/names.ts'
import { activate, type ActivateOptions, type RetryNotice } from './activate.ts'
import { parseAddress } from './address.ts'
import type { RetryClock } from './retry.ts'

const uuid = '6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d'

/** A clock that goes on only by sleeping. */
class FakeClock implements RetryClock {
  readonly slept: number[] = []
  #now = 0
  readonly #afterSleep: (count: number) => void

  constructor(afterSleep: (count: number) => void = () => undefined) {
    this.#afterSleep = afterSleep
  }

  now = (): number => this.#now
  random = (): number => 0.5
  sleep = (milliseconds: number): Promise<void> => {
    this.slept.push(milliseconds)
    this.#now += milliseconds
    this.#afterSleep(this.slept.length)
    return Promise.resolve()
  }
}

async function mesh(t: TestContext): Promise<FakeMesh> {
  const server = await startFakeMesh()
  t.after(server.close)
  return server
}

function optionsFor(address: string, more: Partial<ActivateOptions> = {}): ActivateOptions {
  return {
    coordinator: parseAddress(address),
    marbleType: 'm',
    uuid,
    names: parseMarbleNames('a.example'),
    evidence: noEvidence,
    clock: new FakeClock(),
    ...more,
  }
}

const failsWith = (code: MarbleErrorCode, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MarbleError, inspect(error))
  assert.equal(error.code, code)
  assert.match(error.message, pattern)
  return true
}

void test('an activation sends type, UUID, request and empty evidence, over HTTP/2 with its own certificate', async (t) => {
  const server = await mesh(t)
  server.answerWith({ files: { '/f': 'data' }, env: { A: 'b' }, argv: ['x', ''] })
  const activation = await activate(optionsFor(server.address))
  assert.equal(activation.files.get('/f')?.revealText(), 'data')
  assert.equal(activation.env.get('A')?.revealText(), 'b')
  assert.deepEqual(activation.argv, ['x', ''])
  assert.equal(activation.env.size, 5)
  const [seen] = server.seen
  assert.ok(seen)
  assert.deepEqual([seen.marbleType, seen.uuid, seen.quote.length, seen.alpn], ['m', uuid, 0, 'h2'])
  assert.equal(new X509Certificate(seen.clientCertificate).subject, 'CN=MarbleRun Marble')
  const marble = new X509Certificate(server.issued[0]?.der ?? '')
  assert.match(marble.subjectAltName ?? '', /DNS:a\.example/)
})

void test('evidence is over SHA-256 of the certificate of the very connection', async (t) => {
  const server = await mesh(t)
  const asked: Uint8Array[] = []
  const evidence: EvidenceProvider = {
    name: 'gramine',
    kind: 'sgx-quote',
    quote: (reportData) => {
      asked.push(reportData)
      return Promise.resolve({ kind: 'sgx-quote', evidence: Buffer.from('a quote') })
    },
  }
  await activate(optionsFor(server.address, { evidence, curve: 'P-384' }))
  const [seen] = server.seen
  assert.ok(seen)
  assert.equal(Buffer.from(seen.quote).toString(), 'a quote')
  const hash = createHash('sha256').update(seen.clientCertificate).digest()
  assert.deepEqual(
    asked.map((data) => Buffer.from(data)),
    [Buffer.concat([hash, Buffer.alloc(32)])],
  )
  assert.equal(
    new X509Certificate(seen.clientCertificate).publicKey.asymmetricKeyDetails?.namedCurve,
    'secp384r1',
  )
})

void test('a provider that fails or gives nothing ends the activation before the Coordinator is asked', async (t) => {
  const server = await mesh(t)
  const empty: EvidenceProvider = {
    name: 'tsm',
    kind: 'tdx-quote',
    quote: () => Promise.resolve({ kind: 'tdx-quote', evidence: new Uint8Array() }),
  }
  await assert.rejects(
    activate(optionsFor(server.address, { evidence: empty })),
    failsWith('evidence_unavailable', /tsm/),
  )
  assert.equal(server.seen.length, 0)
})

void test('nothing that was granted prints', async (t) => {
  const server = await mesh(t)
  server.answerWith({ files: { '/f': 'TOP-SECRET' }, env: { A: 'TOP-SECRET' } })
  const activation = await activate(optionsFor(server.address))
  for (const text of [
    inspect(activation, { depth: 9 }),
    JSON.stringify([...activation.files]),
    String(activation.env.get('A')),
  ]) {
    assert.doesNotMatch(text, /TOP-SECRET|BEGIN|544f50/)
  }
})

void test('a Coordinator that is not ready is asked again, with growing waits, over the same certificate', async (t) => {
  const server = await mesh(t)
  const notReady = meshError('FailedPrecondition', 'no manifest yet')
  server.answerWith(notReady, meshError('Unavailable', 'busy'), notReady, {})
  const clock = new FakeClock()
  const notices: RetryNotice[] = []
  await activate(optionsFor(server.address, { clock, onRetry: (notice) => notices.push(notice) }))
  assert.equal(server.seen.length, 4)
  assert.deepEqual(clock.slept, [375, 750, 1500], 'half of each wait, and half of the other half')
  assert.deepEqual(
    notices.map(({ attempt, reason }) => `${attempt} ${reason}`),
    [
      '1 FAILED_PRECONDITION: no manifest yet',
      '2 UNAVAILABLE: busy',
      '3 FAILED_PRECONDITION: no manifest yet',
    ],
  )
  assert.equal(
    new Set(server.seen.map(({ clientCertificate }) => Buffer.from(clientCertificate).toString('hex'))).size,
    1,
  )
})

void test('waits are bounded, and end in an error with the last reason', async (t) => {
  const server = await mesh(t)
  server.answerWith(meshError('FailedPrecondition', 'no manifest\u001b[31m yet'))
  const clock = new FakeClock()
  await assert.rejects(
    activate(optionsFor(server.address, { clock, retry: { totalMs: 60_000 } })),
    failsWith(
      'coordinator_unavailable',
      /"127\.0\.0\.1:\d+".*12 attempts.*60 s.*FAILED_PRECONDITION: no manifest \[31m yet/,
    ),
  )
  assert.deepEqual(clock.slept, [375, 750, 1500, 3000, 6000, 7500, 7500, 7500, 7500, 7500, 7500])
})

void test('with no time for retries there is one attempt', async (t) => {
  const server = await mesh(t)
  server.answerWith(meshError('Unavailable', 'busy'))
  await assert.rejects(
    activate(optionsFor(server.address, { retry: { totalMs: 0 } })),
    failsWith('coordinator_unavailable', /1 attempt,/),
  )
  assert.equal(server.seen.length, 1)
})

for (const code of [
  'PermissionDenied',
  'InvalidArgument',
  'Internal',
  'ResourceExhausted',
  'Unimplemented',
] as const) {
  void test(`${code} is an answer: no second attempt`, async (t) => {
    const server = await mesh(t)
    server.answerWith(meshError(code, 'because'), {})
    const name = code.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()
    await assert.rejects(
      activate(optionsFor(server.address)),
      failsWith('activation_refused', new RegExp(`marble type "m".*${name}: because`)),
    )
    assert.equal(server.seen.length, 1)
  })
}

void test('a Coordinator that starts later is found', async (t) => {
  const port = await freePort()
  let server: FakeMesh | undefined
  const starting = Promise.withResolvers<unknown>()
  const clock = new FakeClock()
  clock.sleep = async (milliseconds) => {
    clock.slept.push(milliseconds)
    if (server === undefined) {
      server = await startFakeMesh({ port })
      t.after(server.close)
      starting.resolve(undefined)
    }
  }
  const notices: RetryNotice[] = []
  await activate(optionsFor(`127.0.0.1:${port}`, { clock, onRetry: (notice) => notices.push(notice) }))
  await starting.promise
  assert.match(notices[0]?.reason ?? '', /ECONNREFUSED/)
  assert.equal(server?.seen.length, 1)
})

void test('an attempt that gets no answer ends at its deadline and counts as not ready', async (t) => {
  const server = await mesh(t)
  server.answerWith('hang', {})
  const clock = new FakeClock()
  await activate(optionsFor(server.address, { clock, retry: { attemptMs: 200 } }))
  // On a busy machine also an attempt that would be answered can come too late.
  assert.ok(server.seen.length >= 2)
})

void test('connections that the server drops, before or after TLS, count as not ready', async (t) => {
  const dropping = await listening(
    t,
    createServer((socket) => socket.destroy()),
  )
  await assert.rejects(
    activate(optionsFor(dropping, { retry: { totalMs: 1000 } })),
    failsWith('coordinator_unavailable', /2 attempts.*connecting failed/),
  )
  const server = await mesh(t)
  server.answerWith(() => {
    void server.close()
    return {}
  })
  await assert.rejects(
    activate(optionsFor(server.address, { retry: { totalMs: 0 } })),
    failsWith('coordinator_unavailable', /127/),
  )
})

void test('what is no mesh API is told at once', async (t) => {
  const plain = await listening(
    t,
    createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  )
  await assert.rejects(
    activate(optionsFor(plain)),
    failsWith('activation_refused', /connecting failed: .*SSL/),
  )

  const { marbleRoot } = makeFakeAuthority()
  const credentials = { cert: marbleRoot.pem, key: privateKeyPem(marbleRoot.key) }
  const noHttp2 = await listening(t, createTlsServer({ ...credentials, ALPNProtocols: ['http/1.1'] }))
  await assert.rejects(activate(optionsFor(noHttp2)), failsWith('activation_refused', /connecting failed/))
  const noAlpn = await listening(t, createTlsServer(credentials))
  await assert.rejects(
    activate(optionsFor(noAlpn)),
    failsWith('activation_refused', /not HTTP\/2.*port 2001/),
  )
})

void test('the caller can end it, while connecting, waiting for an answer, or between attempts', async (t) => {
  const silent = await listening(t, createServer())
  const server = await mesh(t)
  const why = new Error('enough')
  const ended = (error: unknown): boolean => error === why

  const connecting = new AbortController()
  const first = activate(optionsFor(silent, { signal: connecting.signal }))
  setImmediate(() => {
    connecting.abort(why)
  })
  await assert.rejects(first, ended)

  const answering = new AbortController()
  server.answerWith(() => {
    answering.abort(why)
    return {}
  })
  await assert.rejects(activate(optionsFor(server.address, { signal: answering.signal })), ended)

  const between = new AbortController()
  server.answerWith(meshError('Unavailable', 'busy'))
  const clock = new FakeClock(() => {
    between.abort(why)
  })
  await assert.rejects(activate(optionsFor(server.address, { signal: between.signal, clock })), ended)
})

void test('an answer that is too large is refused', async (t) => {
  const server = await mesh(t)
  server.answerWith({ files: { '/big': Buffer.alloc(17 * 1024 * 1024) } })
  await assert.rejects(
    activate(optionsFor(server.address)),
    failsWith('activation_refused', /RESOURCE_EXHAUSTED/),
  )
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  return port
}

function portOf(server: Server): number {
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

async function listening(t: TestContext, server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `127.0.0.1:${portOf(server)}`
}
