import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2, createSecureServer } from 'node:http2'
import {
  Agent,
  createServer as createHttpsServer,
  globalAgent,
  request,
  type RequestOptions,
} from 'node:https'
import type { Server as NetServer, Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { connect, createServer, TLSSocket, type ConnectionOptions, type Server } from 'node:tls'
import { inspect } from 'node:util'

import {
  issue,
  issueMarble,
  makeFakeAuthority,
  predefinedVariables,
  privateKeyPem,
  requestedNames,
  type FakeAuthority,
} from '../../../../tests/support/fake-authority.ts'
import { makeIdentity } from '../identity/identity.ts'
import { parseMarbleNames } from '../identity/names.ts'
import { admitOnly, peerMarble, requireMarble } from './peer.ts'
import { tlsOptions, type MarbleTls, type TlsRules } from './tls-options.ts'

const authority = makeFakeAuthority()
const uuids = { web: 'aaaaaaaa-0000-4000-8000-000000000001', db: 'bbbbbbbb-0000-4000-8000-000000000002' }
const local = await request509('localhost')

async function request509(names: string): Promise<Uint8Array> {
  return (await makeIdentity(parseMarbleNames(names), 'P-256', new Date())).certificateRequest
}

function marble(type: keyof typeof uuids, rules: TlsRules = {}, of: FakeAuthority = authority): MarbleTls {
  return tlsOptions(predefinedVariables(of, issueMarble(of, local, type, uuids[type])), rules)
}

/** A TLS server of type `db` that says who connected. */
async function dbServer(t: TestContext, prepare?: (server: Server, db: MarbleTls) => void): Promise<number> {
  const db = marble('db')
  const server = createServer(db.server, (socket) => {
    const peer = peerMarble(socket, db.credentials)
    socket.end(
      `${peer?.marbleType ?? 'no marble'} ${peer?.uuid ?? ''} ${socket.isSessionReused() ? 'resumed' : 'new'}`,
    )
    socket.on('error', () => undefined)
  })
  prepare?.(server, db)
  return await portOf(t, server)
}

async function portOf(t: TestContext, server: NetServer): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

/** What the server says, or the error of the connection. */
function talk(options: ConnectionOptions, onSecure?: (socket: TLSSocket) => void): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect({ host: '127.0.0.1', ...options }, () => onSecure?.(socket))
    socket.setEncoding('utf8').on('data', (part: string) => (text += part))
    socket.on('error', (error: Error) => {
      resolve(`error: ${error.message}`)
    })
    socket.on('close', () => {
      resolve(text === '' ? 'closed' : text)
    })
  })
}

void test('two marbles of a deployment talk, and each knows who the other is', async (t) => {
  const port = await dbServer(t)
  const web = marble('web')
  let server
  const said = await talk({ port, ...web.client }, (socket) => {
    server = peerMarble(socket, web.credentials)
  })
  assert.equal(said, `web ${uuids.web} new`)
  assert.deepEqual(server, { marbleType: 'db', uuid: uuids.db })
})

void test('a server refuses who has no certificate of the deployment', async (t) => {
  const port = await dbServer(t)
  const { secureContext, ...withoutKey } = marble('web').client
  assert.ok(secureContext)
  const ca = authority.marbleRoot.pem
  assert.match(await talk({ port, ...withoutKey, ca }), /error|closed/)
  const foreign = marble('web', {}, makeFakeAuthority())
  const { cert, key } = foreign.server
  assert.match(await talk({ port, ca, cert, key }), /error|closed/)
  const self = issue({ commonName: uuids.web, marbleTypes: ['web'] })
  assert.match(await talk({ port, ca, cert: self.pem, key: privateKeyPem(self.key) }), /error|closed/)
})

void test('a client refuses a server of another deployment, or of another name', async (t) => {
  const foreign = marble('db', {}, makeFakeAuthority())
  const foreignPort = await portOf(t, createServer({ ...foreign.server, requestCert: false }))
  assert.match(await talk({ port: foreignPort, ...marble('web').client }), /error: (unable|self|certificate)/)
  const port = await dbServer(t)
  const other = { port, servername: 'other.example' }
  assert.match(
    await talk({ ...other, ...marble('web').client }),
    /error: Hostname\/IP does not match.*other\.example/,
  )
  assert.match(await talk({ ...other, ...marble('web', { verifyHostname: false }).client }), /^web/)
  assert.match(await talk({ port, servername: 'localhost', ...marble('web').client }), /^web/)
})

void test('a client can insist on the type of the server', async (t) => {
  const port = await dbServer(t)
  assert.match(await talk({ port, ...marble('web', { serverTypes: ['db'] }).client }), /^web/)
  const wrong = await talk({ port, ...marble('web', { serverTypes: ['cache', 'web'] }).client })
  assert.match(wrong, /error: .*a marble of type "db"; allowed are marbles of type "cache", "web"/)
  assert.match(
    await talk({ port, ...marble('web', { serverTypes: ['web'], verifyHostname: false }).client }),
    /error: .*"db"/,
  )
  const secret = issue({ commonName: 'db', ...namesOf(local) }, authority.marbleRoot)
  const secretServer = createServer(
    { ...marble('db').server, cert: secret.pem, key: privateKeyPem(secret.key) },
    (s) => s.end('hi'),
  )
  const secretPort = await portOf(t, secretServer)
  assert.equal(await talk({ port: secretPort, ...marble('web').client }), 'hi')
  assert.match(
    await talk({ port: secretPort, ...marble('web', { serverTypes: ['db'] }).client }),
    /error: .*no marble/,
  )
})

const namesOf = (csr: Uint8Array): { subjectAltName: ArrayBuffer } => ({
  subjectAltName: requestedNames(csr) ?? assert.fail('no names'),
})

void test('a server can insist on the type of its clients: others see no byte of it', async (t) => {
  const refusals: string[] = []
  const port = await dbServer(t, (server, { credentials }) => {
    server.on('tlsClientError', (error: Error) => refusals.push(error.message))
    admitOnly(server, credentials, ['web'])
  })
  assert.match(await talk({ port, ...marble('web').client }), /^web/)
  assert.match(await talk({ port, ...marble('db').client }), /^closed|^error: .*(ECONNRESET|hang up)/)
  assert.match(refusals.join(), /a marble of type "db"; allowed are marbles of type "web"/)
})

void test('a server knows its client in a resumed session too; a client is told that it can not know', async (t) => {
  const port = await dbServer(t, (server, { credentials }) => {
    admitOnly(server, credentials, ['web'])
  })
  const web = marble('web')
  let session: Buffer | undefined
  await talk({ port, ...web.client }, (socket) => {
    socket.once('session', (ticket: Buffer) => (session = ticket))
  })
  assert.ok(session)
  const said = await talk({ port, ...web.client, session }, (socket) => {
    assert.throws(() => peerMarble(socket, web.credentials), /do not resume sessions/)
  })
  assert.equal(said, `web ${uuids.web} resumed`)
})

async function httpsServer(t: TestContext): Promise<number> {
  const db = marble('db')
  const server = createHttpsServer(db.server, ({ socket }, response) => {
    response.end(requireMarble(socket, db.credentials, ['web']).marbleType)
  })
  return await portOf(t, server)
}

function get(options: RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', ...options }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => {
        resolve(text)
      })
    })
      .on('error', reject)
      .end()
  })
}

void test('https', async (t) => {
  const port = await httpsServer(t)
  assert.equal(await get({ port, ...marble('web').client }), 'web')
  const agent = new Agent({ keepAlive: true, ...marble('web', { serverTypes: ['db'] }).client })
  t.after(() => {
    agent.destroy()
  })
  assert.equal(await get({ port, agent }), 'web')
  await assert.rejects(
    get({ port, agent: new Agent(marble('web', { serverTypes: ['web'] }).client) }),
    /"db"/,
  )
})

void test('https connections are never resumed, so each can be asked who the peer is', async (t) => {
  const port = await httpsServer(t)
  const web = marble('web')
  const own = { port, agent: new Agent(web.client), headers: { connection: 'close' } }
  const shared = { port, headers: { connection: 'close' }, ...web.client }
  for (const options of [own, shared, own, shared, own, shared]) {
    const peer = await new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', ...options }, (response) => {
        const { socket } = response
        assert.ok(socket instanceof TLSSocket && !socket.isSessionReused())
        resolve(peerMarble(socket, web.credentials)?.marbleType)
        response.resume()
      })
        .on('error', reject)
        .end()
    })
    assert.equal(peer, 'db')
  }
})

void test('requests under different rules never share a connection or a session', async (t) => {
  const port = await httpsServer(t)
  const agent = new Agent({ keepAlive: true })
  t.after(() => {
    agent.destroy()
  })
  const web = predefinedVariables(authority, issueMarble(authority, local, 'web', uuids.web))
  assert.equal(await get({ port, agent, ...tlsOptions(web).client }), 'web')
  assert.equal(await get({ port, agent, ...tlsOptions(web).client }), 'web')
  await assert.rejects(get({ port, agent, ...tlsOptions(web, { serverTypes: ['cache'] }).client }), /"db"/)
  await assert.rejects(get({ port, agent, rejectUnauthorized: true }), /certificate/)
  const { serverTypes, none, other } = {
    serverTypes: globalAgent.getName(tlsOptions(web, { serverTypes: ['cache'] }).client),
    none: globalAgent.getName(tlsOptions(web).client),
    other: globalAgent.getName(marble('db').client),
  }
  assert.equal(new Set([serverTypes, none, other, globalAgent.getName()]).size, 4)
  assert.equal(none, globalAgent.getName(tlsOptions(web).client))
})

void test('http2', async (t) => {
  const db = marble('db')
  const server = createSecureServer(db.server)
  admitOnly(server, db.credentials, ['web'])
  server.on('stream', (stream) => {
    const socket = stream.session?.socket ?? assert.fail('the stream has no session')
    stream.respond({ ':status': 200 })
    stream.end(peerMarble(socket, db.credentials)?.marbleType)
  })
  const port = await portOf(t, server)
  const session = connectHttp2(`https://127.0.0.1:${port}`, marble('web', { serverTypes: ['db'] }).client)
  t.after(() => {
    session.destroy()
  })
  let text = ''
  const stream = session.request({ ':path': '/' }).setEncoding('utf8')
  stream.on('data', (part: string) => (text += part))
  await once(stream, 'end')
  assert.equal(text, 'web')
})

void test('the options do not print the key, nor do copies of them', () => {
  const web = marble('web')
  const key = web.server.key.split('\n')[1] ?? assert.fail()
  const agent = new Agent({ ...web.client })
  for (const printed of [
    web,
    web.server,
    { ...web.server },
    { a: [web.grpc] },
    { ...web.grpc },
    web.client,
    agent,
  ]) {
    for (const text of [inspect(printed, { depth: 9, showHidden: true }), JSON.stringify(printed)]) {
      assert.ok(!text.includes(key) && !text.includes('PRIVATE'), text)
      const ofBuffer = Buffer.from(key.slice(0, 20)).toString('hex').replaceAll(/../g, '$& ').trim()
      assert.ok(!text.includes(ofBuffer), text)
    }
  }
})
