import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { TLSSocket } from 'node:tls'
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
  'cert.pem': '{{ pem .MarbleRun.MarbleCert.Cert }}',
  'intermediate.pem': '{{ pem .MarbleRun.CoordinatorIntermediate.Cert }}',
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
  return { Package: 'pkg', Parameters: { Files: Object.fromEntries(all) as Record<string, string> } }
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
  const clientUuid = randomUUID()
  let nginxPort: number
  let redisPort: number

  before(async () => {
    nginxPort = await freePort()
    redisPort = await freePort()
    mkdirSync(unknown('.'))
    for (const name of ['chain.pem', 'cert.pem', 'intermediate.pem']) {
      writeFileSync(unknown(name), stranger.cert)
    }
    writeFileSync(unknown('key.pem'), stranger.key)
    await using coordinator = await TestCoordinator.start()
    const services = {
      'nginx.conf': nginxConfiguration(nginxPort),
      'redis.conf': redisConfiguration(redisPort),
    }
    const marbles = { server: marbleWith(server, services), client: marbleWith(client) }
    await setManifest(coordinator.clientPort, manifestWith({ Secrets: secrets, Marbles: marbles }))
    for (const marbleType of Object.keys(marbles)) {
      const fields = { marbleType, ...(marbleType === 'client' && { uuid: clientUuid }) }
      writeFiles(await activate(coordinator.meshPort, await clientIdentity(), fields))
    }
  })

  test('openssl s_server and s_client take each other', async () => {
    assert.match(await opensslPair(server, client), /olleh/)
  })

  test('openssl s_server refuses a stranger', async () => {
    const output = await opensslPair(server, unknown)
    assert.match(output, /alert unknown ca|alert bad certificate|alert certificate unknown/)
    assert.doesNotMatch(output, /olleh/)
  })

  test('openssl s_client refuses a stranger', async () => {
    const output = await opensslPair(unknown, client)
    assert.match(output, /verify error:.*self-signed certificate/)
    assert.doesNotMatch(output, /olleh/)
  })

  test('nginx serves marbles and refuses strangers', { skip: skipWithoutNginx }, async () => {
    const options = ['-e', 'stderr', '-p', server('.'), '-c', server('nginx.conf')]
    await withServer(nginxPort, 'nginx', options, async () => {
      const honest = await fetchFrom(nginxPort, client('ca.pem'), client)
      assert.equal(honest.status, 200)
      assert.match(honest.text, new RegExp(`^SUCCESS .*CN=${clientUuid}`))
      assert.match(honest.names ?? '', /web\.example/)
      for (const folder of [unknown, undefined]) {
        assert.equal((await fetchFrom(nginxPort, client('ca.pem'), folder)).status, 400)
      }
    })
  })

  test('redis serves marbles and refuses strangers', { skip: skipWithoutRedis }, async () => {
    const ping = (folder: Folder) =>
      spawnSync(
        'redis-cli',
        [
          ...['-h', 'localhost', '-p', String(redisPort), '--tls', '--cacert', client('ca.pem')],
          ...['--cert', folder('chain.pem'), '--key', folder('key.pem'), 'PING'],
        ],
        { encoding: 'utf8', timeout: 120_000 },
      )
    await withServer(redisPort, 'redis-server', [server('redis.conf')], () => {
      assert.equal(ping(client).stdout, 'PONG\n')
      const refused = ping(unknown)
      assert.doesNotMatch(refused.stdout, /PONG/)
      assert.notEqual(refused.status, 0)
      return Promise.resolve()
    })
  })

  /** What s_client says, until the server has sent "hello" back reversed, or one of them ends the connection. */
  async function opensslPair(serverFolder: Folder, clientFolder: Folder): Promise<string> {
    const port = await freePort()
    const common = (folder: Folder): readonly string[] => [
      ...['-verify_return_error', '-CAfile', server('ca.pem')],
      ...['-cert', folder('cert.pem'), '-cert_chain', folder('intermediate.pem'), '-key', folder('key.pem')],
    ]
    const serverArguments = [
      's_server',
      '-accept',
      String(port),
      '-rev',
      '-Verify',
      '2',
      ...common(serverFolder),
    ]
    let output = ''
    await withServer(port, 'openssl', serverArguments, async () => {
      const child = spawn('openssl', [
        ...['s_client', '-quiet', '-connect', `127.0.0.1:${port}`, '-verify_hostname', 'localhost'],
        ...common(clientFolder),
      ])
      child.stdin.on('error', () => undefined).write('hello\n')
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text
          if (output.includes('olleh')) child.kill()
        })
      }
      await once(child, 'close')
    })
    return output
  }
})

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
      return 200 "$ssl_client_verify $ssl_client_s_dn\\n";
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

/** Runs a server while `use` does, from when its port is open. */
async function withServer(
  port: number,
  command: string,
  options: readonly string[],
  use: () => Promise<void>,
): Promise<void> {
  const child = spawn(command, options, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  try {
    while (!(await isOpen(port))) {
      if (hasEnded(child)) throw new Error(`${command} ended:\n${output}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await use()
  } finally {
    child.kill('SIGKILL')
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
  /** Names in the certificate that the server showed. */
  readonly names: string | undefined
}

/** A request whose server certificate must be good for localhost. @param folder of a client's credentials, if it has any */
async function fetchFrom(port: number, ca: string, folder?: Folder): Promise<Fetched> {
  const request = https.get({
    ...{ host: '127.0.0.1', port, servername: 'localhost', agent: false, ca: readFileSync(ca) },
    ...(folder && { cert: readFileSync(folder('chain.pem')), key: readFileSync(folder('key.pem')) }),
  })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const chunks = (await response.toArray()) as Buffer[]
  const { socket } = response
  const names = socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.subjectAltName : undefined
  return { status: response.statusCode, text: Buffer.concat(chunks).toString(), names }
}
