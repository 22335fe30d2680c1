/**
 * Promise 1 of the threat model: secrets of every kind, through every way in that a stranger, a user or a marble has,
 * with as many mistakes as possible; then everything that came out is searched for each of them.
 */
import assert from 'node:assert/strict'
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { openKeyFile, parseKeyFile } from '../packages/coordinator/src/ledger/key-file.ts'
import { openLedger } from '../packages/coordinator/src/ledger/open.ts'
import { loadManifest } from '../packages/coordinator/src/manifest/index.ts'
import { simulationSealing } from '../packages/coordinator/src/sealing/providers/simulation.ts'
import { freePort, get, type RestOptions, TestCoordinator } from './support/coordinator.ts'
import {
  activate,
  type ClientIdentity,
  clientIdentity,
  manifestWith,
  textOf,
  tryActivation,
} from './support/mesh-client.ts'
import { findPlanted, findPlantedInFolder, type PlantedSecret } from './support/planted.ts'
import { decryptShares, makeParty, signShare } from './support/recovery-parties.ts'
import { type CliFolder, makeCliFolder } from './support/run-cli.ts'

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64')

const parties = [makeParty('first'), makeParty('second')]
const secrets = new Map<string, Uint8Array>()
/** What came out where no secret belongs, by where that was. */
const outputs: (readonly [where: string, text: string])[] = []
let coordinator: TestCoordinator
let metricsPort: number
let alice: ClientIdentity
let bob: ClientIdentity
let cli: CliFolder

const plant = (name: string, bytes: Uint8Array): void => void secrets.set(name, Uint8Array.from(bytes))
const planted = (): readonly PlantedSecret[] => [...secrets].map(([name, bytes]) => ({ name, bytes }))

/** Uploaded by users; each is text, so that it would also be seen where somebody prints a string. */
const uploaded = {
  token: Buffer.from(`planted-secret-token-${randomBytes(9).toString('hex')}`),
  key: Buffer.from(`planted-secret-key${randomBytes(7).toString('hex')}`.slice(0, 32)),
  wrong: Buffer.from(`planted-secret-wrong-${randomBytes(9).toString('hex')}`),
}

/** The largest places first: a certificate's key is the scalar in it, which any form of the key has. */
function plantKey(name: string, pkcs8: Uint8Array): void {
  const { d } = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' }).export({
    format: 'jwk',
  })
  assert.ok(d !== undefined)
  plant(name, Buffer.from(d, 'base64url'))
}

const everywhere = (expression: string): string =>
  ['token', 'key', 'shared', 'own', 'ec', 'rsa', 'ed']
    .map((name) => expression.replaceAll('NAME', name))
    .join(' ')

const manifest = (): string =>
  manifestWith({
    Secrets: {
      token: { Type: 'plain', UserDefined: true },
      key: { Type: 'symmetric-key', Size: 256, UserDefined: true },
      certificate: { Type: 'cert-ecdsa', Size: 256, UserDefined: true },
      shared: { Type: 'symmetric-key', Size: 256, Shared: true },
      own: { Type: 'symmetric-key', Size: 256 },
      ec: { Type: 'cert-ecdsa', Size: 256, ValidFor: 7, Shared: true },
      rsa: { Type: 'cert-rsa', Size: 2048, ValidFor: 7, Shared: true },
      ed: { Type: 'cert-ed25519', ValidFor: 7 },
    },
    Marbles: {
      web: {
        Package: 'pkg',
        Parameters: {
          Files: { '/all': everywhere('{{ hex .Secrets.NAME.Private }}') },
          Env: {
            TOKEN: '{{ string .Secrets.token }}',
            OWN: '{{ hex .Secrets.own }}',
            ED: '{{ base64 .Secrets.ed.Private }}',
          },
        },
      },
    },
    Users: {
      alice: { Certificate: alice.cert, Roles: ['readers', 'writers', 'manifest'] },
      bob: { Certificate: bob.cert, Roles: [] },
    },
    Roles: {
      readers: {
        ResourceType: 'Secrets',
        ResourceNames: ['token', 'key', 'certificate', 'shared', 'ec', 'rsa'],
        Actions: ['ReadSecret'],
      },
      writers: {
        ResourceType: 'Secrets',
        ResourceNames: ['token', 'key', 'certificate'],
        Actions: ['WriteSecret'],
      },
      manifest: { ResourceType: 'Manifest', Actions: ['UpdateManifest'] },
    },
    RecoveryKeys: Object.fromEntries(parties.map(({ name, publicPem }) => [name, publicPem])),
    Config: { FeatureGates: ['MonotonicCounter', 'SignQuoteEndpoint'] },
  })

/** A request whose answer may hold no secret. */
async function ask(target: string, options: RestOptions = {}): Promise<number> {
  const { status, headers, text } = await get(coordinator.clientPort, target, options)
  outputs.push([`${options.method ?? 'GET'} ${target}`, `${JSON.stringify(headers)}\n${text}`])
  return status
}

const post = (target: string, body: string | Uint8Array, user?: ClientIdentity): Promise<number> =>
  ask(target, { method: 'POST', body, ...(user && { user }) })

before(async () => {
  ;[alice, bob] = [await clientIdentity(), await clientIdentity()]
  metricsPort = await freePort()
  coordinator = await TestCoordinator.start({
    env: { EDG_COORDINATOR_PROMETHEUS_ADDR: `127.0.0.1:${metricsPort}`, EDG_DEBUG_LOGGING: '1' },
  })
  cli = makeCliFolder()
  for (const [name, bytes] of Object.entries(uploaded)) plant(`uploaded ${name}`, bytes)
})

after(async () => {
  cli[Symbol.dispose]()
  await coordinator[Symbol.asyncDispose]()
})

suite('a deployment with secrets of every kind', () => {
  test('sets up, and learns what must not be seen', async () => {
    const { text } = await get(coordinator.clientPort, '/api/v2/manifest', {
      method: 'POST',
      body: JSON.stringify({ manifest: base64(manifest()) }),
    })
    assert.ok(text.includes('RecoverySecrets'), text)
    const { data } = JSON.parse(text) as { data: { RecoverySecrets: Record<string, string> } }
    for (const [name, share] of decryptShares(parties, data.RecoverySecrets)) plant(`share ${name}`, share)
    assert.equal(
      await post('/api/v2/secrets', upload({ token: { Key: base64(uploaded.token) } }), alice),
      200,
    )
    assert.equal(await post('/secrets', JSON.stringify({ key: { Key: base64(uploaded.key) } }), alice), 200)
    const certificate = await makeCertificate()
    plantKey('uploaded private key', certificate.privateKey)
    const pair = { Cert: base64(certificate.der), Private: base64(certificate.privateKey) }
    assert.equal(await post('/api/v2/secrets', upload({ certificate: pair }), alice), 200)

    const answer = await get(coordinator.clientPort, '/secrets?s=shared&s=ec&s=rsa', { user: alice })
    const read = JSON.parse(answer.text) as { data: Record<string, { Private: string }> }
    const privateOf = (name: string): Buffer => Buffer.from(read.data[name]?.Private ?? '', 'base64')
    plant('shared key', privateOf('shared'))
    plantKey('shared EC key', privateOf('ec'))
    plantKey('shared RSA key', privateOf('rsa'))
    const { Env } = await activate(coordinator.meshPort, await clientIdentity(), { marbleType: 'web' })
    assert.equal(textOf(Env, 'TOKEN'), uploaded.token.toString())
    plant('derived key', Buffer.from(textOf(Env, 'OWN'), 'hex'))
    plantKey('private Ed25519 key', Buffer.from(textOf(Env, 'ED'), 'base64'))
    const pem = createPrivateKey(textOf(Env, 'MARBLE_PREDEFINED_PRIVATE_KEY'))
    plantKey('key of a marble', pem.export({ format: 'der', type: 'pkcs8' }))
  })

  const wrong = base64(uploaded.wrong)
  const bodies: readonly (readonly [about: string, body: () => string])[] = [
    ['cut off', () => upload({ token: { Key: wrong } }).slice(0, -3)],
    ['cut off within the secret', () => upload({ token: { Key: wrong } }).slice(0, -20)],
    ['no quotes', () => `{"secrets":{"token":{"Key":${uploaded.wrong.toString()}}}}`],
    ['a wrong escape', () => `{"secrets":{"token":{"Key":"\\x${uploaded.wrong.toString()}"}}}`],
    ['a control character', () => `{"secrets":{"token":{"Key":"\n${uploaded.wrong.toString()}"}}}`],
    ['text that is no base64', () => upload({ token: { Key: `${uploaded.wrong.toString()}!` } })],
    ['twice', () => `{"secrets":{"token":{"Key":"${wrong}","Key":"${wrong}!"}}}`],
    ['an array', () => upload({ token: { Key: [...uploaded.wrong, 256] } })],
    ['an array of texts', () => upload({ token: { Key: [uploaded.wrong.toString()] } })],
    ['as a member', () => upload({ token: { [uploaded.wrong.toString()]: 1 } })],
    ['text in place of an object', () => upload({ token: uploaded.wrong.toString() })],
    ['text in place of all', () => JSON.stringify(uploaded.wrong.toString())],
    ['raw', () => uploaded.wrong.toString()],
    ['something behind', () => `${upload({ token: { Key: wrong } })} ${uploaded.wrong.toString()}`],
    ['of a wrong size', () => upload({ key: { Key: wrong } })],
    ['made by the Coordinator', () => upload({ shared: { Key: wrong } })],
    ['of no such secret', () => upload({ nothing: { Key: wrong } })],
    ['a key for a certificate', () => upload({ certificate: { Key: wrong } })],
    ['no certificate', () => upload({ certificate: { Cert: wrong, Private: wrong } })],
    ['a certificate for a key', () => upload({ token: { Cert: wrong, Private: wrong } })],
    [
      'a NUL, which no environment holds',
      () => upload({ token: { Key: base64(`${uploaded.wrong.toString()}\0`) } }),
    ],
    ['deeper than allowed', () => `{"secrets":{"token":{"Key":${'['.repeat(200)}"${wrong}"`],
  ]
  for (const [about, body] of bodies) {
    test(`a secret is refused: ${about}`, async () => {
      for (const target of ['/api/v2/secrets', '/secrets']) {
        for (const user of [alice, bob, undefined]) {
          const text =
            target === '/secrets'
              ? body()
                  .replace(/^\{"secrets":/, '')
                  .replace(/\}$/, '')
              : body()
          assert.notEqual(await post(target, text, user), 200)
        }
      }
    })
  }

  test('a certificate is refused whose key is another one', async () => {
    const [one, other] = [await makeCertificate(), await makeCertificate()]
    plantKey('key of no certificate', one.privateKey)
    const pair = { Cert: base64(other.der), Private: base64(one.privateKey) }
    assert.notEqual(await post('/api/v2/secrets', upload({ certificate: pair }), alice), 200)
    const cut = { Cert: base64(one.der), Private: base64(one.privateKey.subarray(0, -2)) }
    assert.notEqual(await post('/api/v2/secrets', upload({ certificate: cut }), alice), 200)
  })

  test('everything that can be read by anyone, and refusals of what can not', async () => {
    for (const version of ['', '/api/v2']) {
      for (const target of [
        '/status',
        '/quote',
        '/manifest',
        '/update',
        '/update-manifest',
        '/audit',
        '/recover',
      ]) {
        await ask(`${version}${target}`)
      }
      for (const user of [bob, undefined]) {
        const options = user === undefined ? {} : { user }
        const status = await ask(`${version}/secrets?s=nothing&s=token&s=own`, options)
        assert.notEqual(status, 200)
        assert.notEqual(await ask(`${version}/secrets?s=token`, options), 200)
      }
      // Private secrets are a marble's own: no role opens them, and no certificate of another key.
      assert.notEqual(await ask(`${version}/secrets?s=own&s=ed`, { user: alice }), 200)
    }
  })

  test('recovery is refused while there is nothing to recover', async () => {
    const share = secrets.get('share first') ?? new Uint8Array()
    await refuseShares(share)
  })

  test('marbles are refused', async () => {
    const identity = await clientIdentity()
    for (const fields of [
      { marbleType: 'nobody' },
      { marbleType: 'web', uuid: 'none' },
      { marbleType: 'web', csr: Buffer.from('none') },
    ]) {
      const { code, message } = await tryActivation(coordinator.meshPort, identity, fields)
      assert.notEqual(code, 0)
      outputs.push(['mesh API', message])
    }
  })

  test('updates are planned, fail and succeed', async () => {
    const body = (change: (raw: Record<string, unknown>) => void): string => {
      const raw = JSON.parse(manifest()) as Record<string, unknown>
      change(raw)
      return JSON.stringify({ manifest: base64(JSON.stringify(raw)) })
    }
    const failing = body((raw) => {
      raw['Marbles'] = {
        web: { Package: 'pkg', Parameters: { Env: { X: '{{ index .Secrets.token.Private 9999 }}' } } },
      }
    })
    for (const target of ['/api/v2/update?dry-run=1', '/api/v2/update']) {
      assert.notEqual(await post(target, failing, alice), 200)
    }
    const rotating = body((raw) => {
      raw['Config'] = { FeatureGates: ['MonotonicCounter'], RotateRootSecret: true }
    })
    assert.equal(await post('/api/v2/update?dry-run=1', rotating, alice), 200)
    assert.equal(await post('/api/v2/update', rotating, alice), 200)
  })

  test('commands fail', async () => {
    const { file, taw } = cli
    const host = `127.0.0.1:${coordinator.clientPort}`
    writeFileSync(file('user.crt'), alice.cert)
    writeFileSync(file('user.key'), alice.key)
    plantKey('key of a user', createPrivateKey(alice.key).export({ format: 'der', type: 'pkcs8' }))
    writeFileSync(file('not.json'), `{"token": {"Key": ${uploaded.wrong.toString()}}}`)
    writeFileSync(file('refused.json'), JSON.stringify({ token: { Key: `${uploaded.wrong.toString()}!` } }))
    writeFileSync(file('text.json'), JSON.stringify(uploaded.wrong.toString()))
    writeFileSync(file('half.pem'), alice.key.replace('-----END', '-----END OF'))
    writeFileSync(file('bad.key'), alice.key.replace(/\n.{8}/, '\n'))
    writeFileSync(file('share'), secrets.get('share first') ?? '')
    writeFileSync(
      file('shares.json'),
      `{"RecoverySecrets":{"first": ${base64(secrets.get('share first') ?? '')}`,
    )
    const user = ['-c', file('user.crt'), '-k', file('user.key')]
    const commands: readonly (readonly string[])[] = [
      ['secret', 'set', file('not.json'), host, ...user, '-i'],
      ['secret', 'set', file('refused.json'), host, ...user, '-i'],
      ['secret', 'set', file('text.json'), host, ...user, '-i'],
      ['secret', 'set', file('half.pem'), host, '--from-pem', 'certificate', ...user, '-i'],
      ['secret', 'set', file('user.key'), host, '--from-pem', 'token', ...user, '-i'],
      ['secret', 'set', file('refused.json'), host, '-c', file('user.crt'), '-k', file('bad.key'), '-i'],
      ['secret', 'get', 'own', host, ...user, '-i'],
      ['recover', file('share'), host, '-k', file('user.key'), '-i'],
      ['recover', file('share'), host, '-k', file('bad.key'), '-i'],
      ['recover', file('shares.json'), host, '-k', file('user.key'), '-i'],
      ['recover-with-signature', file('share'), host, '-s', file('share'), '-i'],
      ['ledger', 'inspect', coordinator.sealDirectory, '-o', file('records.jsonl')],
    ]
    for (const args of commands) {
      const { code, stdout, stderr } = await taw(args)
      assert.notEqual(code, 0, args.join(' '))
      outputs.push([`taw ${args.slice(0, 2).join(' ')}`, `${stdout}${stderr}`])
    }
  })

  test('state 1: shares of parties, wrong and right', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'taw-stay-'))
    await coordinator.stop()
    try {
      cpSync(coordinator.sealDirectory, folder, { recursive: true })
      await plantState(folder)
    } finally {
      rmSync(folder, { recursive: true })
    }
    rmSync(path.join(coordinator.sealDirectory, 'sealed_key'))
    await coordinator.restart()
    await refuseShares(secrets.get('share first') ?? new Uint8Array())
    assert.equal(await ask('/api/v2/recover/public-key'), 200)
    for (const party of parties) {
      const share = secrets.get(`share ${party.name}`) ?? new Uint8Array()
      const signature = base64(signShare(share, party))
      const body = JSON.stringify({ recoverySecret: base64(share), recoverySecretSignature: signature })
      assert.equal(await post('/api/v2/recover', body), 200)
    }
    assert.equal(await ask('/api/v2/audit?limit=1000'), 200)
    assert.equal(await ask('/api/v2/update'), 200)
  })

  test('nothing that came out holds one of them', async () => {
    for (const target of ['/metrics', '/events']) outputs.push([target, await scrape(target)])
    outputs.push(['the log', coordinator.output])
    assert.ok(secrets.size >= 18, [...secrets.keys()].join())
    assert.ok(outputs.length > 150)
    const found = outputs.flatMap(([where, text]) =>
      findPlanted(text, planted()).map((what) => `${where}: ${what}`),
    )
    assert.deepEqual(found, [])
    assert.deepEqual(findPlantedInFolder(coordinator.sealDirectory, planted()), [])
    await coordinator.stop('SIGKILL')
    assert.deepEqual(findPlantedInFolder(coordinator.sealDirectory, planted()), [])
  })

  test('and nobody else may read the files', () => {
    const { sealDirectory } = coordinator
    for (const entry of readdirSync(sealDirectory, { recursive: true })) {
      const { mode } = statSync(path.join(sealDirectory, String(entry)))
      assert.equal(mode & 0o077, 0, `${String(entry)} has mode ${mode.toString(8)}`)
    }
  })
})

/** A self-signed certificate on P-256. */
async function makeCertificate(): Promise<{ readonly der: Uint8Array; readonly privateKey: Uint8Array }> {
  const { cert, key } = await clientIdentity()
  return {
    der: new X509Certificate(cert).raw,
    privateKey: createPrivateKey(key).export({ format: 'der', type: 'pkcs8' }),
  }
}

const upload = (given: Readonly<Record<string, unknown>>): string => JSON.stringify({ secrets: given })

async function refuseShares(share: Uint8Array): Promise<void> {
  const signature = base64(randomBytes(256))
  for (const body of [
    JSON.stringify({ recoverySecret: base64(share), recoverySecretSignature: signature }),
    JSON.stringify({ recoverySecret: base64(share), recoverySecretSignature: base64(share) }),
    JSON.stringify({
      recoverySecret: base64(Buffer.concat([share, share])),
      recoverySecretSignature: signature,
    }),
    JSON.stringify({ recoverySecret: [...share], recoverySecretSignature: signature }),
    `{"recoverySecret": ${base64(share)}`,
    `{"recoverySecret": "${base64(share)}`,
    base64(share),
    share,
  ]) {
    assert.notEqual(await post('/api/v2/recover', body), 200)
    await post('/recover', body)
  }
}

/** All that only the sealed state has. */
async function plantState(folder: string): Promise<void> {
  const layout = parseKeyFile(readFileSync(path.join(folder, 'sealed_key')))
  for (const [epoch, { dek, macKey }] of (await openKeyFile(simulationSealing, layout)).keys) {
    plant(`data encryption key ${epoch}`, dek.reveal())
    plant(`MAC key ${epoch}`, macKey.reveal())
  }
  const silent = (): void => undefined
  const { ledger } = await openLedger({
    directory: folder,
    sealing: simulationSealing,
    freshState: () => assert.fail('the state did not open'),
    prepareManifest: loadManifest,
    now: () => new Date(),
    notices: { warn: silent, error: silent },
  })
  const { authority, rootSecret, previousRootSecret, secrets: values } = ledger.state
  plant('root secret', rootSecret.reveal())
  assert.ok(previousRootSecret)
  plant('former root secret', previousRootSecret.reveal())
  plantKey('root key', authority.rootKey.reveal())
  plantKey('intermediate key', authority.intermediateKey.reveal())
  for (const [name, value] of values) {
    if (value.certificate === undefined) plant(`now ${name}`, value.private.reveal())
    else plantKey(`now ${name}`, value.private.reveal())
  }
  await ledger.close()
}

function scrape(target: string): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port: metricsPort, path: target, agent: false }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('end', () => {
          resolve(text)
        })
      })
      .on('error', reject)
  })
}
