import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import grpc, { type ServiceError } from '@grpc/grpc-js'
import { type ActivationResp, ActivationReqSchema, ActivationRespSchema } from '@taw/protocol'
import { limits } from '../packages/coordinator/src/limits.ts'
import { TestCoordinator } from './support/coordinator.ts'
import { clientIdentity, type ClientIdentity, manifestWith, setManifest } from './support/mesh-client.ts'

/**
 * The mesh API as a stock gRPC client meets it: @grpc/grpc-js, which this project neither wrote nor uses itself, with
 * nothing but its public API.
 */

type Request = MessageInitShape<typeof ActivationReqSchema>

const fileBytes = 3 * 1024 * 1024
const manifest = manifestWith({
  Secrets: { unset: { Type: 'plain', UserDefined: true } },
  Marbles: {
    m: {
      Package: 'pkg',
      Parameters: { Argv: ['a', 'b'], Env: { E: '{{ len "abc" }}', L: 'ü' }, Files: { '/f': '' } },
    },
    limited: { Package: 'pkg', MaxActivations: 3 },
    large: { Package: 'pkg', Parameters: { Files: { '/large': 'x'.repeat(fileBytes) } } },
    unset: { Package: 'pkg', Parameters: { Env: { E: '{{ string .Secrets.unset }}' } } },
  },
})

let coordinator: TestCoordinator
let identity: ClientIdentity
before(async () => {
  coordinator = await TestCoordinator.start()
  // Marbles in the field have keys on P-384.
  identity = await clientIdentity('localhost', 'P-384')
})
after(() => coordinator[Symbol.asyncDispose]())

const usual = (): Request => ({ MarbleType: 'm', UUID: randomUUID(), CSR: identity.csr })

/** A client as marbles have it: shows its own certificate, takes any server's. */
function connect(options: grpc.ChannelOptions = {}, port = coordinator.meshPort): grpc.Client {
  const credentials = grpc.credentials.createSsl(
    null,
    Buffer.from(identity.key),
    Buffer.from(identity.cert),
    {
      checkServerIdentity: () => undefined,
      rejectUnauthorized: false,
    },
  )
  return new grpc.Client(`127.0.0.1:${port}`, credentials, options)
}

function activate(
  client: grpc.Client,
  request: Request,
  options: grpc.CallOptions = {},
  path = '/rpc.Marble/Activate',
): Promise<ActivationResp> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      (message: Request) => Buffer.from(toBinary(ActivationReqSchema, create(ActivationReqSchema, message))),
      (bytes: Buffer) => fromBinary(ActivationRespSchema, bytes),
      request,
      new grpc.Metadata(),
      options,
      (error, answer) => {
        if (answer !== undefined) resolve(answer)
        else reject(error ?? new Error('neither answer nor error'))
      },
    )
  })
}

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && 'code' in error && 'details' in error

/** Makes one call on a connection of its own, and checks that it is refused so. */
async function assertRefused(
  code: grpc.status,
  message: RegExp,
  change: Request,
  client = connect(),
): Promise<void> {
  await assert.rejects(activate(client, { ...usual(), ...change }), (error) => {
    assert.ok(isServiceError(error), String(error))
    assert.equal(grpc.status[error.code], grpc.status[code], error.details)
    assert.match(error.details, message)
    return true
  })
  client.close()
}

// Before the manifest that all other tests need.
test('FAILED_PRECONDITION while no manifest is set', async () => {
  await assertRefused(grpc.status.FAILED_PRECONDITION, /set a manifest/, {})
})

suite('with a manifest', () => {
  before(() => setManifest(coordinator.clientPort, manifest))

  test('activates, and gets files, environment and arguments', async () => {
    const client = connect()
    const { Parameters } = await activate(client, usual())
    client.close()
    assert.ok(Parameters)
    assert.deepEqual(Parameters.Argv, ['a', 'b'])
    assert.deepEqual(Object.keys(Parameters.Files), ['/f'])
    assert.deepEqual(Object.keys(Parameters.Env).sort(), [
      'E',
      'L',
      'MARBLE_PREDEFINED_COORDINATOR_ROOT_CA',
      'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN',
      'MARBLE_PREDEFINED_PRIVATE_KEY',
      'MARBLE_PREDEFINED_ROOT_CA',
    ])
    assert.equal(Buffer.from(Parameters.Env['E'] ?? []).toString(), '3')
    assert.equal(Buffer.from(Parameters.Env['L'] ?? []).toString(), 'ü')
  })

  test('PERMISSION_DENIED for an unknown marble type', async () => {
    await assertRefused(grpc.status.PERMISSION_DENIED, /no marble type "ünknown%\n"/, {
      MarbleType: 'ünknown%\n',
    })
  })

  test('PERMISSION_DENIED when all activations are spent, exactly, whoever comes at the same time', async () => {
    const clients = Array.from({ length: 4 }, () => connect())
    const calls = clients.flatMap((client) =>
      Array.from({ length: 3 }, () => activate(client, { ...usual(), MarbleType: 'limited' })),
    )
    const results = await Promise.allSettled(calls)
    for (const client of clients) client.close()
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 3)
    for (const result of results) {
      if (result.status === 'fulfilled') continue
      assert.ok(isServiceError(result.reason))
      assert.equal(result.reason.code, grpc.status.PERMISSION_DENIED)
      assert.match(result.reason.details, /MaxActivations/)
    }
  })

  test('INVALID_ARGUMENT for what is no UUID, and for the nil UUID', async () => {
    for (const UUID of ['', 'x', randomUUID().slice(1), '00000000-0000-0000-0000-000000000000']) {
      await assertRefused(grpc.status.INVALID_ARGUMENT, /UUID/i, { UUID })
    }
  })

  test('INTERNAL for a CSR that is none or was changed, and for a secret without a value', async () => {
    const changed = Uint8Array.from(identity.csr)
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    for (const CSR of [new Uint8Array(), Buffer.from('garbage'), changed]) {
      await assertRefused(grpc.status.INTERNAL, /certificate request/, { CSR })
    }
    await assertRefused(grpc.status.INTERNAL, /variable "E".*secret/, { MarbleType: 'unset' })
  })

  test('UNIMPLEMENTED for other methods and services', async () => {
    for (const path of ['/rpc.Marble/Deactivate', '/grpc.health.v1.Health/Check']) {
      const client = connect()
      await assert.rejects(activate(client, usual(), {}, path), { code: grpc.status.UNIMPLEMENTED })
      client.close()
    }
  })

  test('UNIMPLEMENTED for compressed requests: the answer says that only identity is taken', async () => {
    const client = connect({ 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip })
    await assertRefused(grpc.status.UNIMPLEMENTED, /identity/, {}, client)
  })

  test('RESOURCE_EXHAUSTED for a request over the limit', async () => {
    const Quote = new Uint8Array(limits.meshMessageBytes)
    await assertRefused(grpc.status.RESOURCE_EXHAUSTED, /at most 4194304/, { Quote })
  })

  test('a refused call leaves its connection usable', async () => {
    await throughProxy(async (port, connections) => {
      const client = connect({}, port)
      const large = new Uint8Array(limits.meshMessageBytes)
      await assert.rejects(activate(client, { ...usual(), Quote: large }))
      await assert.rejects(activate(client, { ...usual(), MarbleType: 'nobody' }))
      assert.ok((await activate(client, usual())).Parameters)
      client.close()
      assert.equal(connections(), 1)
    })
  })

  test('an answer of 3 MiB comes whole', async () => {
    const client = connect()
    const { Parameters } = await activate(client, { ...usual(), MarbleType: 'large' })
    client.close()
    assert.equal(Parameters?.Files['/large']?.length, fileBytes)
  })

  test('many calls share a connection, with keepalive pings all the time', async () => {
    await throughProxy(async (port, connections) => {
      const client = connect({ 'grpc.keepalive_time_ms': 5, 'grpc.keepalive_permit_without_calls': 1 }, port)
      for (let round = 0; round < 10; round++) {
        const answers = await Promise.all([1, 2, 3, 4].map(() => activate(client, usual())))
        for (const { Parameters } of answers) assert.ok(Parameters)
      }
      client.close()
      assert.equal(connections(), 1)
    })
  })

  test('a deadline that has passed is told as such, one that is far does no harm', async () => {
    const client = connect()
    await assert.rejects(activate(client, usual(), { deadline: Date.now() - 1 }), {
      code: grpc.status.DEADLINE_EXCEEDED,
    })
    assert.ok((await activate(client, usual(), { deadline: Date.now() + 60_000 })).Parameters)
    client.close()
  })

  test('without a client certificate no call gets through', async () => {
    const credentials = grpc.credentials.createSsl(null, null, null, { rejectUnauthorized: false })
    const client = new grpc.Client(`127.0.0.1:${coordinator.meshPort}`, credentials)
    await assert.rejects(activate(client, usual()), { code: grpc.status.UNAVAILABLE })
    client.close()
  })
})

/** Gives a port that leads to the mesh API, and counts the connections through it. */
async function throughProxy(use: (port: number, connections: () => number) => Promise<void>): Promise<void> {
  let count = 0
  const proxy = net.createServer((socket) => {
    count += 1
    const upstream = net.connect(coordinator.meshPort, '127.0.0.1')
    for (const each of [socket, upstream]) each.on('error', () => undefined)
    socket.pipe(upstream).pipe(socket)
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  try {
    await use((proxy.address() as AddressInfo).port, () => count)
  } finally {
    proxy.close()
  }
}
