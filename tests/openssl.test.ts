import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { Parameters } from '@taw/protocol'
import { freePort, TestCoordinator } from './support/coordinator.ts'
import {
  activate,
  clientIdentity,
  type ClientIdentity,
  manifestWith,
  setManifest,
  textOf,
} from './support/mesh-client.ts'
import { openssl, skipWithoutOpenssl } from './support/openssl.ts'

/** Programs that know nothing of us take the certificates: OpenSSL, nginx and redis, with files from a manifest. */

/** Pass as `skip`: false where the program is, else the reason that is shown. */
const skipWithout = (program: string): false | string =>
  spawnSync(program, ['--version']).error === undefined ? false : `${program} is not installed here`

const skipWithoutNginx =
  spawnSync('nginx', ['-v']).error === undefined ? false : 'nginx is not installed here'
const skipWithoutRedis = skipWithout('redis-server') || skipWithout('redis-cli')

/** Files of one marble, by the names that its manifest gives them below its folder. */
type Folder = (name: string) => string

let directory: string
let stranger: ClientIdentity
before(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'taw-tls-'))
  stranger = await clientIdentity('localhost')
})
after(() => {
  rmSync(directory, { recursive: true, force: true })
})

/** What each marble of the manifest gets in its folder. */
const files = {
  'ca.pem': '{{ pem .MarbleRun.RootCA.Cert }}',
  'chain.pem': '{{ pem .MarbleRun.MarbleCert.Cert }}{{ pem .MarbleRun.CoordinatorIntermediate.Cert }}',
  'key.pem': '{{ pem .MarbleRun.MarbleCert.Private }}',
  'root.pem': '{{ pem .MarbleRun.CoordinatorRoot.Cert }}',
  'web.crt': '{{ pem .Secrets.web.Cert }}',
  'web.key': '{{ pem .Secrets.web.Private }}',
  'private.crt': '{{ pem .Secrets.private.Cert }}',
}

const secrets = {
  web: { Type: 'cert-ecdsa', Size: 256, Shared: true, Cert: { DNSNames: ['web.example', 'localhost'] } },
  private: { Type: 'cert-ed25519' },
}

function marbleWith(folder: Folder, more: Readonly<Record<string, string>> = {}) {
  const all = Object.entries({ ...files, ...more }).map(([name, text]) => [folder(name), text])
  return { Package: 'pkg', Parameters: { Files: Object.fromEntries(all) } }
}

const folderOf =
  (...names: readonly string[]): Folder =>
  (name) =>
    path.join(directory, ...names, name)

/** Does what the runner of a marble does with its files. */
function writeFiles({ Files }: Parameters): void {
  for (const [name, bytes] of Object.entries(Files)) {
    mkdirSync(path.dirname(name), { recursive: true, mode: 0o700 })
    writeFileSync(name, bytes, { mode: 0o600 })
  }
}

for (const curve of ['P-256', 'P-384'] as const) {
  suite(`openssl verify, PKI on ${curve}`, { skip: skipWithoutOpenssl }, () => {
    let coordinator: TestCoordinator
    let env: (name: string) => Buffer
    let file: (name: string) => Buffer
    before(async () => {
      coordinator = await TestCoordinator.start({ env: { TAW_PKI_CURVE: curve } })
      const marbles = { m: marbleWith((name) => name) }
      await setManifest(coordinator.clientPort, manifestWith({ Secrets: secrets, Marbles: marbles }))
      const { Env, Files } = await activate(coordinator.meshPort, await clientIdentity(), { marbleType: 'm' })
      env = (name) => Buffer.from(textOf(Env, `MARBLE_PREDEFINED_${name}`))
      file = (name) => Buffer.from(textOf(Files, name))
    })
    after(() => coordinator[Symbol.asyncDispose]())

    const verify = (given: Readonly<Record<string, Uint8Array>>, ...options: readonly string[]): string =>
      openssl(['verify', ...options, 'certificate'], given)

    test('the marble certificate chains to the marble root, and over the intermediate to the root', () => {
      const certificate = env('MARBLE_CERTIFICATE_CHAIN')
      const [, intermediate = ''] = certificate.toString().split(/(?=-----BEGIN)/)
      for (const purpose of ['sslserver', 'sslclient']) {
        const options = ['-purpose', purpose, '-verify_hostname', 'localhost', '-CAfile', 'ca']
        verify({ certificate, ca: env('ROOT_CA') }, ...options)
        const untrusted = Buffer.from(intermediate)
        verify(
          { certificate, ca: env('COORDINATOR_ROOT_CA'), untrusted },
          ...options,
          '-untrusted',
          'untrusted',
        )
      }
    })

    test('generated certificates chain to the marble root', () => {
      for (const name of ['web.crt', 'private.crt']) {
        verify(
          { certificate: file(name), ca: env('ROOT_CA') },
          '-CAfile',
          'ca',
          '-verify_hostname',
          'localhost',
        )
      }
    })

    test('what is of another deployment, or made by itself, is refused', () => {
      const certificate = Buffer.from(stranger.cert)
      assert.throws(() => verify({ certificate, ca: env('ROOT_CA') }, '-CAfile', 'ca'), /self-signed/)
      const root = env('COORDINATOR_ROOT_CA')
      assert.throws(
        () => verify({ certificate: file('web.crt'), ca: root }, '-CAfile', 'ca'),
        /unable to get/,
      )
    })
  })
}

suite('real TLS servers and clients', { skip: skipWithoutOpenssl }, () => {
  const server = folderOf('server')
  const client = folderOf('client')
  const unknown = folderOf('stranger')
  let nginxPort: number
  let redisPort: number

  before(async () => {
    nginxPort = await freePort()
    redisPort = await freePort()
    mkdirSync(folderOf('stranger')('.'))
    writeFileSync(unknown('chain.pem'), stranger.cert)
    writeFileSync(unknown('key.pem'), stranger.key)
    await using coordinator = await TestCoordinator.start()
    const services = {
      'nginx.conf': nginxConfiguration(nginxPort),
      'redis.conf': redisConfiguration(redisPort),
    }
    const marbles = { server: marbleWith(server, services), client: marbleWith(client) }
    await setManifest(coordinator.clientPort, manifestWith({ Secrets: secrets, Marbles: marbles }))
    for (const marbleType of Object.keys(marbles)) {
      writeFiles(await activate(coordinator.meshPort, await clientIdentity(), { marbleType }))
    }
  })

  test('openssl s_server and s_client take each other', async () => {
    const port = await freePort()
    using _ = await running(port, 'openssl', serverArguments(port, server, server('ca.pem')))
    const { status, output } = opensslClient(port, client, server('ca.pem'))
    assert.equal(status, 0, output)
    // The server sends each line back reversed.
    assert.match(output, /^olleh$/m)
    assert.match(output, /Verify return code: 0 \(ok\)|Verification: OK/)
  })

  test('openssl s_server refuses a stranger', async () => {
    const port = await freePort()
    using _ = await running(port, 'openssl', serverArguments(port, server, server('ca.pem')))
    const { output } = opensslClient(port, unknown, server('ca.pem'))
    assert.match(output, /alert unknown ca|alert bad certificate|alert certificate unknown/)
    assert.doesNotMatch(output, /^olleh$/m)
  })

  test('openssl s_client refuses a stranger', async () => {
    const port = await freePort()
    using _ = await running(port, 'openssl', serverArguments(port, unknown, server('ca.pem')))
    const { status, output } = opensslClient(port, client, client('ca.pem'))
    assert.notEqual(status, 0)
    assert.match(output, /certificate verify failed|self-signed certificate/)
  })

  test(
    'nginx serves marbles, shows a generated certificate, and refuses strangers',
    { skip: skipWithoutNginx },
    async () => {
      const options = ['-e', 'stderr', '-p', server('.'), '-c', server('nginx.conf')]
      using _ = await running(nginxPort, 'nginx', options)
      const honest = await fetchFrom(nginxPort, client)
      assert.deepEqual([honest.status, honest.text], [200, 'hello CN=marble\n'])
      assert.match(honest.serverName ?? '', /web\.example/)
      assert.equal((await fetchFrom(nginxPort, unknown, client('ca.pem'))).status, 400)
      assert.equal((await fetchFrom(nginxPort, undefined, client('ca.pem'))).status, 400)
    },
  )

  test('redis serves marbles and refuses strangers', { skip: skipWithoutRedis }, async () => {
    using _ = await running(redisPort, 'redis-server', [server('redis.conf')])
    const ping = (folder: Folder) =>
      spawnSync(
        'redis-cli',
        [
          ...['-h', 'localhost', '-p', String(redisPort), '--tls', '--cacert', client('ca.pem')],
          ...['--cert', folder('chain.pem'), '--key', folder('key.pem'), 'PING'],
        ],
        { encoding: 'utf8', timeout: 10_000 },
      )
    assert.equal(ping(client).stdout, 'PONG\n')
    const refused = ping(unknown)
    assert.doesNotMatch(refused.stdout, /PONG/)
    assert.notEqual(refused.status, 0)
  })
})

const serverArguments = (port: number, folder: Folder, ca: string): readonly string[] => [
  ...['s_server', '-accept', String(port), '-rev', '-Verify', '2', '-verify_return_error', '-CAfile', ca],
  ...['-cert', folder('chain.pem'), '-cert_chain', folder('chain.pem'), '-key', folder('key.pem')],
]

function opensslClient(port: number, folder: Folder, ca: string): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(
    'openssl',
    [
      ...[
        's_client',
        '-connect',
        `127.0.0.1:${port}`,
        '-verify_return_error',
        '-verify_hostname',
        'localhost',
      ],
      ...['-CAfile', ca, '-cert', folder('chain.pem'), '-key', folder('key.pem'), '-ign_eof'],
    ],
    // The server ends the connection at CLOSE (openssl-s_server(1), -rev).
    { encoding: 'utf8', input: 'hello\nCLOSE\n', timeout: 10_000 },
  )
  return { status, output: stdout + stderr }
}

const nginxConfiguration = (port: number): string => `
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate web.crt;
    ssl_certificate_key web.key;
    ssl_client_certificate ca.pem;
    ssl_verify_client on;
    location / {
      return 200 "hello CN=marble\\n";
    }
  }
}
`

const redisConfiguration = (port: number): string => `
port 0
bind 127.0.0.1
tls-port ${port}
tls-cert-file ${path.join(directory, 'server/chain.pem')}
tls-key-file ${path.join(directory, 'server/key.pem')}
tls-ca-cert-file ${path.join(directory, 'server/ca.pem')}
tls-auth-clients yes
save ""
dir ${path.join(directory, 'server')}
`

/** Starts a server and waits until its port is open. */
async function running(port: number, command: string, options: readonly string[]): Promise<Disposable> {
  const child = spawn(command, options, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  while (!(await isOpen(port))) {
    if (hasEnded(child)) throw new Error(`${command} ended:\n${output}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return {
    [Symbol.dispose]: () => {
      child.kill('SIGKILL')
    },
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

async function isOpen(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

interface Fetched {
  readonly status: number | undefined
  readonly text: string
  readonly serverName: string | undefined
}
