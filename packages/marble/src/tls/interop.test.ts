import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { connect, createServer } from 'node:tls'

import * as grpc from '@grpc/grpc-js'
import { createClient, type ConnectRouter } from '@connectrpc/connect'
import { connectNodeAdapter, createGrpcTransport } from '@connectrpc/connect-node'
import { Marble } from '@taw/protocol'
import { createSecureServer } from 'node:http2'

import {
  issueMarble,
  makeFakeAuthority,
  predefinedVariables,
} from '../../../../tests/support/fake-authority.ts'
import { temporaryFolder } from '../../../../tests/support/marble-process.ts'
import { makeIdentity } from '../identity/identity.ts'
import { parseMarbleNames } from '../identity/names.ts'
import { peerMarble } from './peer.ts'
import { tlsOptions, type MarbleTls, type TlsRules } from './tls-options.ts'

const authority = makeFakeAuthority('P-384')
const { certificateRequest } = await makeIdentity(parseMarbleNames('localhost'), 'P-384', new Date())
const marble = (type: string, rules?: TlsRules): MarbleTls =>
  tlsOptions(
    predefinedVariables(
      authority,
      issueMarble(authority, certificateRequest, type, 'aaaaaaaa-0000-4000-8000-000000000001'),
    ),
    rules,
  )

const withoutOpenssl = spawnSync('openssl', ['version']).status === 0 ? false : 'there is no openssl command'

/** The files that the openssl command wants, of a marble of this type. */
function opensslFiles(
  t: TestContext,
  type: string,
): { cert: string; chain: string; key: string; ca: string } {
  const folder = temporaryFolder(t)
  const { server } = marble(type)
  const write = (name: string, text: string): string => {
    const file = path.join(folder, name)
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }
  const [leaf = '', intermediate = ''] = server.cert.split(/(?<=END CERTIFICATE-----\n)/)
  return {
    cert: write('cert.pem', leaf),
    chain: write('chain.pem', intermediate),
    key: write('key.pem', server.key),
    ca: write('ca.pem', server.ca),
  }
}

void test(
  'openssl s_client talks to our server, with the chain verified on both sides',
  { skip: withoutOpenssl },
  async (t) => {
    const db = marble('db')
    const server = createServer(db.server, (socket) => {
      socket.end(`hello ${peerMarble(socket, db.credentials)?.marbleType ?? ''}\n`)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const files = opensslFiles(t, 'web')
    const client = spawn('openssl', [
      ...[
        's_client',
        '-connect',
        `127.0.0.1:${portOf(server.address())}`,
        '-verify_return_error',
        '-CAfile',
        files.ca,
      ],
      ...[
        '-cert',
        files.cert,
        '-cert_chain',
        files.chain,
        '-key',
        files.key,
        '-verify_ip',
        '127.0.0.1',
        '-ign_eof',
      ],
    ])
    let output = ''
    client.stdout.setEncoding('utf8').on('data', (part: string) => (output += part))
    await once(client, 'close')
    assert.match(output, /Verify return code: 0 \(ok\)/)
    assert.match(output, /^hello web$/m)
  },
)

void test(
  'our client talks to openssl s_server, with the chain verified on both sides',
  { skip: withoutOpenssl },
  async (t) => {
    const files = opensslFiles(t, 'db')
    const port = await freePort()
    const server = spawn('openssl', [
      ...[
        's_server',
        '-accept',
        `127.0.0.1:${port}`,
        '-Verify',
        '2',
        '-verify_return_error',
        '-CAfile',
        files.ca,
      ],
      ...['-cert', files.cert, '-cert_chain', files.chain, '-key', files.key, '-rev'],
    ])
    t.after(() => server.kill())
    let output = ''
    const listening = Promise.withResolvers<unknown>()
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding('utf8').on('data', (part: string) => {
        output += part
        if (output.includes('ACCEPT')) listening.resolve(undefined)
      })
    }
    await listening.promise
    const web = marble('web', { serverTypes: ['db'] })
    const socket = connect({ host: '127.0.0.1', port, ...web.client })
    await once(socket, 'secureConnect')
    assert.equal(peerMarble(socket, web.credentials)?.marbleType, 'db')
    socket.write('olleh\n')
    const [reply] = (await once(socket.setEncoding('utf8'), 'data')) as [string]
    assert.equal(reply, 'hello\n')
    socket.destroy()
  },
)

void test('connect-node: gRPC in both directions', async (t) => {
  const db = marble('db')
  const routes = (router: ConnectRouter): void => {
    router.service(Marble, { activate: ({ UUID }) => ({ Parameters: { Argv: [`seen ${UUID}`] } }) })
  }
  const server = createSecureServer(db.server, connectNodeAdapter({ routes })).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const transport = createGrpcTransport({
    baseUrl: `https://127.0.0.1:${portOf(server.address())}`,
    nodeOptions: marble('web', { serverTypes: ['db'] }).client,
    idleConnectionTimeoutMs: 50,
  })
  t.after(() => server.close())
  const answer = await createClient(Marble, transport).activate({ UUID: 'x' })
  assert.deepEqual(answer.Parameters?.Argv, ['seen x'])
})

void test('grpc-js: in both directions, and the wrong type is refused', async (t) => {
  const db = marble('db')
  const method = { path: '/test.Echo/Echo', requestStream: false, responseStream: false } as const
  const bytes = { serialize: (value: Buffer) => value, deserialize: (value: Buffer) => value }
  const server = new grpc.Server()
  server.addService(
    {
      echo: {
        ...method,
        requestSerialize: bytes.serialize,
        requestDeserialize: bytes.deserialize,
        responseSerialize: bytes.serialize,
        responseDeserialize: bytes.deserialize,
      },
    },
    {
      echo: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        done(null, call.request)
      },
    },
  )
  const { rootCerts, keyCertPairs, checkClientCertificate } = db.grpc
  const credentials = grpc.ServerCredentials.createSsl(rootCerts, keyCertPairs, checkClientCertificate)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  t.after(() => {
    server.forceShutdown()
  })
  const call = (tls: MarbleTls['grpc']): Promise<Buffer | undefined> => {
    const client = new grpc.Client(
      `127.0.0.1:${port}`,
      grpc.credentials.createFromSecureContext(tls.secureContext, tls.verifyOptions),
    )
    return new Promise<Buffer | undefined>((resolve, reject) => {
      const sent = Buffer.from('hello')
      client.makeUnaryRequest(method.path, bytes.serialize, bytes.deserialize, sent, (error, answer) => {
        client.close()
        if (error === null) resolve(answer)
        else reject(error)
      })
    })
  }
  assert.equal((await call(marble('web', { serverTypes: ['db'] }).grpc))?.toString(), 'hello')
  await assert.rejects(call(marble('web', { serverTypes: ['web'] }).grpc), /a marble of type "db"/)
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server.address())
  server.close()
  await once(server, 'close')
  return port
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number {
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}
