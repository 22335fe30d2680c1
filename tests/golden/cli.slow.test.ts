// The command line as the original's users know it (golden/cli), driven as they do: real processes against a server
// that speaks the recorded shapes. Where spec/quirks.md wants better, the test says so.
import { X509Certificate, createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { commands, groups } from '../../packages/cli/src/commands.ts'
import { globalFlags } from '../../packages/cli/src/arguments/flags.ts'
import type { Flag } from '../../packages/cli/src/arguments/flag.ts'
import { makeCoordinatorPki } from '../support/coordinator-pki.ts'
import { startFakeClientApi } from '../support/fake-client-api.ts'
import type { FakeClientApi, FakeState } from '../support/fake-client-api.ts'
import { makeCliFolder } from '../support/run-cli.ts'
import type { CliFolder, CliResult } from '../support/run-cli.ts'
import { readShared, skipWithoutShared } from '../support/shared.ts'

const pki = makeCoordinatorPki()
const other = makeCoordinatorPki()
const chain = pki.intermediate + pki.root
const manifestText = '{"Packages": {"app": {"SecurityVersion": 3}}, "Marbles": {}}'
const manifest = Buffer.from(manifestText)
const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const startApi = (state: Partial<FakeState> = {}): Promise<FakeClientApi> =>
  startFakeClientApi({ pki, log: [], secrets: {}, spoiled: new Map(), ...state })

/** Where the chain of this deployment is pinned, below a home folder. */
const pinFile = ({ folder }: CliFolder, { host }: FakeClientApi): string =>
  `${folder}/.config/taw/coordinators/${host.replace(':', '_')}.pem`

/** Done, with exactly this on stdout. */
function assertDone(result: CliResult, stdout: string | RegExp): void {
  assert.equal(result.code, 0, result.stderr)
  if (typeof stdout === 'string') assert.equal(result.stdout, stdout)
  else assert.match(result.stdout, stdout)
}

/** Failed: exit code 1, an error line last on stderr, and nothing on stdout but what is given. */
function assertFailed(result: CliResult, reason: RegExp, stdout = ''): void {
  assert.equal(result.code, 1, result.stderr)
  assert.equal(result.stdout, stdout)
  assert.match(result.stderr.trimEnd().split('\n').at(-1) ?? '', /^Error: /)
  assert.match(result.stderr, reason)
}

/** Pins the chain as `manifest verify -i` does, without a process. */
function pin(home: CliFolder, api: FakeClientApi, pem = chain): void {
  const file = pinFile(home, api)
  mkdirSync(file.slice(0, file.lastIndexOf('/')), { recursive: true })
  writeFileSync(file, pem)
}

function assertMode(file: string, mode: number): void {
  assert.equal(statSync(file).mode & 0o777, mode, file)
}

interface RecordedFlag {
  readonly name: string
  readonly type: string
  readonly short?: string
  readonly default?: string
}

interface RecordedFlags {
  readonly global: readonly RecordedFlag[]
  readonly commands: readonly {
    readonly command: string
    readonly arguments: string
    readonly flags: readonly RecordedFlag[]
    readonly inheritedFlags?: readonly string[]
  }[]
}

/** Recorded commands that are not ours yet. */
const later = ['check', 'install', 'precheck', 'uninstall']

/** Ours alone: commands, what spec/quirks.md wants for files with secrets, and a form for machines. */
const additions = {
  commands: [
    '__complete',
    'audit',
    'collateral',
    'collateral export',
    'collateral import',
    // Recorded by name, with the group.
    'completion fish',
    'completion powershell',
    'completion zsh',
    'evidence',
    'evidence show',
    'evidence verify',
    'ledger',
    'ledger inspect',
    'manifest diff',
    'manifest update plan',
    'run',
  ],
  flags: ['force'],
  flagsOf: new Map([['package-info', ['format', 'output']]]),
}

describe('flags.json', { skip: skipWithoutShared }, () => {
  const recorded = skipWithoutShared ? undefined : (readShared('golden/cli/flags.json') as RecordedFlags)
  const plain = (flags: readonly (Flag | RecordedFlag)[]): unknown =>
    flags
      .filter(({ name }) => !additions.flags.includes(name))
      .map(({ name, type, short, default: value }) => ({ name, type, short, default: value }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))

  test('every recorded command is there, or is known to come later', () => {
    const ours = [...commands.map(({ path }) => path.join(' ')), ...groups.map(({ name }) => name)]
    const names = recorded?.commands.map(({ command }) => command) ?? []
    assert.deepEqual([...ours, ...later].sort(), [...names, ...additions.commands].sort())
  })

  test('flags of all commands', () => {
    const place = 'coordinator-cert'
    const theirs = recorded?.global.filter(({ name }) => name !== place) ?? []
    assert.deepEqual(plain(globalFlags.filter(({ name }) => name !== place)), plain(theirs))
    // spec/cli.md: ours is below taw/, one file per deployment.
    const ours = globalFlags.find(({ name }) => name === place)
    assert.match(ours?.default ?? '', /^<config folder>\/taw\//)
  })

  for (const command of recorded?.commands ?? []) {
    const spec = commands.find(({ path }) => path.join(' ') === command.command)
    if (spec === undefined) continue
    test(`arguments and flags of ${command.command}`, () => {
      assert.equal(spec.arguments, command.arguments)
      const own = additions.flagsOf.get(command.command) ?? []
      assert.deepEqual(plain(spec.flags.filter(({ name }) => !own.includes(name))), plain(command.flags))
      assert.deepEqual(spec.inheritedFlags?.map(({ name }) => name) ?? [], command.inheritedFlags ?? [])
      const group = recorded?.commands.find(({ command: name }) => name === spec.path[0])
      const inherited = group?.flags.filter(({ name }) => command.inheritedFlags?.includes(name))
      assert.deepEqual(plain(spec.inheritedFlags ?? []), plain(inherited ?? []))
    })
  }
})

describe('the command line itself', { concurrency: 2 }, () => {
  test('a wrong number of arguments or an unknown flag: usage on stdout, the error on stderr', async () => {
    using home = makeCliFolder()
    const results = await Promise.all([
      home.taw(['status']),
      home.taw(['status', 'a:1', 'b:1']),
      home.taw(['status', 'a:1', '--unknown']),
      home.taw(['secret', 'get', 'a:1', '-c']),
    ])
    for (const { code, stdout, stderr } of results) {
      assert.equal(code, 1)
      assert.match(stdout, /^Usage: taw (?:status|secret get) /)
      assert.match(stderr, /^Error: [^\n]+\n$/)
    }
  })

  test('an unknown command: the error on stderr alone', async () => {
    using home = makeCliFolder()
    for (const result of await Promise.all([
      home.taw(['sttus', 'a:1']),
      home.taw(['manifest', 'frob', 'a:1']),
    ])) {
      assertFailed(result, /unknown command/)
    }
  })

  test('help, also of a group without a command, on stdout with exit code 0', async () => {
    using home = makeCliFolder()
    const lines = [[], ['manifest'], ['manifest', 'get', '--help'], ['help', 'status'], ['run', '-h']]
    // Needs no home folder, unlike the original.
    for (const result of await Promise.all(lines.map((line) => home.taw(line, {})))) {
      assertDone(result, /^Usage: taw /)
      assert.equal(result.stderr, '')
    }
    for (const words of [
      ['manifest', 'update', 'apply'],
      ['recover-with-signature', 'sign-secret'],
    ]) {
      assertDone(await home.taw(['help', ...words]), new RegExp(`^Usage: taw ${words.join(' ')} <`))
    }
  })

  test('flags anywhere, bundled, with = and with false', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ manifest })
    const lines = [
      ['-i', 'manifest', 'get', api.host],
      ['manifest', '--insecure', 'get', api.host],
      ['manifest', 'get', '--insecure=true', api.host],
      ['manifest', 'get', api.host, '-i=1'],
    ]
    for (const result of await Promise.all(lines.map((line) => home.taw(line))))
      assertDone(result, `${manifestText}\n`)
    assertDone(await home.taw(['manifest', 'get', '-iso', 'out', api.host]), '')
    assert.ok(existsSync(home.file('out')))
    assertFailed(await home.taw(['manifest', 'get', '-i', '--insecure=false', api.host]), /era config/)
  })

  test('an address is HOST:PORT; without a Coordinator every command fails', async () => {
    using home = makeCliFolder()
    await using api = await startApi()
    const closed = api.host
    await api[Symbol.asyncDispose]()
    assertFailed(await home.taw(['status', '-i', `https://${closed}`]), /is a URL/)
    const lines = [
      ['status', closed],
      ['manifest', 'log', closed],
      ['certificate', 'root', closed],
      ['manifest', 'set', 'none', closed],
    ]
    for (const result of await Promise.all(lines.map((line) => home.taw([...line, '-i'])))) {
      assertFailed(result, /can't be reached/)
    }
    assert.deepEqual(readdirSync(home.folder), [])
  })

  test('run hands everything over to the runner: its exit code, its line on stderr, no flag read', async () => {
    using home = makeCliFolder()
    // No marble type in the environment: EX_CONFIG.
    const { code, stdout, stderr } = await home.taw(['run', '--', 'app', '--help', '-i'])
    assert.deepEqual([code, stdout], [78, ''])
    assert.match(stderr, /^taw run: [^\n]*EDG_MARBLE_TYPE[^\n]*\n$/)
  })

  test('version: three lines', async () => {
    using home = makeCliFolder()
    assertDone(await home.taw(['version'], {}), /^[^:\n]+: v\d+\.\d+\.\d+ \n[^:\n]+: [^\n]+\n[^\n]+\n$/)
  })
})

describe('status', { concurrency: 2 }, () => {
  test('CODE: MESSAGE, alone on stdout, with a pinned chain or with -i', async () => {
    using home = makeCliFolder()
    await using api = await startApi()
    pin(home, api)
    const [pinned, insecure] = await Promise.all([
      home.taw(['status', api.host, '--save-sgx-quote', 'quote']),
      home.taw(['status', '-i', api.host]),
    ])
    assertDone(pinned, '2: a message of the Coordinator\n')
    assert.equal(pinned.stderr, '')
    assert.ok(!existsSync(home.file('quote')), 'status has no quote to save')
    assertDone(insecure, '2: a message of the Coordinator\n')
    assert.match(insecure.stderr, /INSECURE/)
  })

  test('without a pinned chain nothing is sent', async () => {
    using home = makeCliFolder()
    await using api = await startApi()
    assertFailed(await home.taw(['status', api.host]), /no pinned certificate chain/)
    assert.deepEqual(api.requests, [])
  })

  test('another certificate than the pinned root is refused; with -i no pinned chain is read', async () => {
    using home = makeCliFolder()
    await using api = await startApi()
    pin(home, api, other.intermediate + other.root)
    assertFailed(await home.taw(['status', api.host]), /does not show the pinned root/)
    pin(home, api, 'garbage')
    assertFailed(await home.taw(['status', api.host]), /no PEM certificate/)
    assert.deepEqual(api.requests, [])
    assertDone(await home.taw(['status', '-i', api.host]), /^2: /)
  })

  test('XDG_CONFIG_HOME comes before HOME; --coordinator-cert before both', async () => {
    using home = makeCliFolder()
    await using api = await startApi()
    const xdg = { XDG_CONFIG_HOME: `${home.folder}/.config` }
    pin(home, api)
    writeFileSync(home.file('chain.pem'), chain)
    const [byXdg, byFlag] = await Promise.all([
      home.taw(['status', api.host], { ...xdg, HOME: '/nowhere' }),
      home.taw(['status', api.host, '--coordinator-cert', 'chain.pem'], {}),
    ])
    assertDone(byXdg, /^2: /)
    assertDone(byFlag, /^2: /)
  })

  test('without HOME, or with a relative XDG_CONFIG_HOME: a clear error, no crash', async () => {
    using home = makeCliFolder()
    assertFailed(await home.taw(['status', 'localhost:1'], {}), /neither XDG_CONFIG_HOME nor HOME is set/)
    assertFailed(
      await home.taw(['status', 'localhost:1'], { XDG_CONFIG_HOME: 'relative' }),
      /not an absolute path/,
    )
  })
})

describe('manifest signature', { concurrency: 2 }, () => {
  test('SHA-256 of the file if it is JSON, else of its YAML as compact, sorted JSON', async () => {
    using home = makeCliFolder()
    writeFileSync(home.file('a.json'), `${manifestText}\n`)
    writeFileSync(home.file('a.yaml'), 'b: [yes]\na: "<x>"\n')
    const [json, yaml] = await Promise.all([
      home.taw(['manifest', 'signature', 'a.json'], {}),
      home.taw(['manifest', 'signature', 'a.yaml'], {}),
    ])
    assertDone(json, `${sha256(`${manifestText}\n`)}\n`)
    assertDone(yaml, `${sha256('{"a":"\\u003cx\\u003e","b":[true]}')}\n`)
  })

  test('a missing file, a member twice, and nesting that would overflow: clear errors', async () => {
    using home = makeCliFolder()
    writeFileSync(home.file('twice.yaml'), 'a: 1\na: 2\n')
    writeFileSync(home.file('deep.yaml'), '['.repeat(20_000))
    assertFailed(await home.taw(['manifest', 'signature', 'none']), /ENOENT/)
    assertFailed(await home.taw(['manifest', 'signature', 'twice.yaml']), /unique/)
    assertFailed(await home.taw(['manifest', 'signature', 'deep.yaml']), /nested more than/)
  })
})

describe('manifest set', { concurrency: 2 }, () => {
  test('uploads the bytes, prints signature and recovery secrets, pins the chain', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ recoverySecrets: { two: 'Ag==', one: 'AQ==' } })
    writeFileSync(home.file('m.json'), manifestText)
    const result = await home.taw([
      'manifest',
      'set',
      'm.json',
      api.host,
      '-i',
      '--save-sgx-quote',
      'quote',
      '--nonce',
      'fresh?',
    ])
    assertDone(
      result,
      `Manifest signature: ${sha256(manifest)}\nThe manifest is set\n{"RecoverySecrets":{"one":"AQ==","two":"Ag=="}}\n`,
    )
    assert.match(result.stderr, /INSECURE, SIMULATION/)
    assert.equal(api.state.manifest?.toString(), manifestText)
    assert.equal(api.requests[0]?.url.searchParams.get('nonce'), 'ZnJlc2g_')
    assert.equal(readFileSync(pinFile(home, api), 'utf8'), chain)
    assertMode(pinFile(home, api), 0o600)
    assert.equal(readFileSync(home.file('quote')).length, 0)
    assertMode(home.file('quote'), 0o600)

    const status = await home.taw(['status', api.host])
    assertDone(status, /^3: /)
    assert.match(status.stderr, /INSECURE: the chain .* was pinned without verification/)
  })

  test('-r: the same JSON without newline in a new file; none when there are no secrets', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ recoverySecrets: { one: 'AQ==' } })
    writeFileSync(home.file('m.yaml'), 'Packages: {}\n')
    const result = await home.taw(['manifest', 'set', 'm.yaml', api.host, '-ir', 'recovery.json'])
    assertDone(result, /\n[^\n{]*recovery\.json\n$/)
    assert.equal(readFileSync(home.file('recovery.json'), 'utf8'), '{"RecoverySecrets":{"one":"AQ=="}}')
    assertMode(home.file('recovery.json'), 0o600)
    assert.equal(api.state.manifest?.toString(), '{"Packages":{}}')

    await using without = await startApi()
    assertDone(await home.taw(['manifest', 'set', 'm.yaml', without.host, '-ir', 'none.json']), /set\n$/)
    assert.ok(!existsSync(home.file('none.json')))
  })

  test('an existing file for secrets is refused before anything is sent, and replaced with --force', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ recoverySecrets: { one: 'AQ==' } })
    writeFileSync(home.file('m.json'), manifestText)
    writeFileSync(home.file('r.json'), 'precious', { mode: 0o644 })
    const line = ['manifest', 'set', 'm.json', api.host, '-ir', 'r.json']
    assertFailed(await home.taw(line), /--force/)
    assertFailed(await home.taw([...line.slice(0, -1), 'no/folder.json']), /there is no folder/)
    assert.deepEqual(api.requests, [])
    assert.equal(readFileSync(home.file('r.json'), 'utf8'), 'precious')
    assertDone(await home.taw([...line, '--force']), /r\.json\n$/)
    assert.equal(readFileSync(home.file('r.json'), 'utf8'), '{"RecoverySecrets":{"one":"AQ=="}}')
    assertMode(home.file('r.json'), 0o600)
  })

  test('recovery secrets that can not be saved are on stdout after all', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ recoverySecrets: { one: 'AQ==' } })
    writeFileSync(home.file('m.json'), manifestText)
    const { code, stdout, stderr } = await home.taw([
      'manifest',
      'set',
      'm.json',
      api.host,
      '-ir',
      '/dev/full',
    ])
    assert.equal(code, 1)
    assert.match(stdout, /^\{"RecoverySecrets":\{"one":"AQ=="\}\}$/m)
    assert.match(stderr, /Error: The manifest is set, but [^]*ENOSPC/)
  })

  test('a refused upload saves nothing', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ manifest })
    writeFileSync(home.file('m.json'), manifestText)
    const result = await home.taw([
      'manifest',
      'set',
      'm.json',
      api.host,
      '-ir',
      'r.json',
      '--coordinator-cert',
      'c/chain.pem',
    ])
    assertFailed(
      result,
      /a manifest is set already \(HTTP 500\)/,
      `Manifest signature: ${sha256(manifest)}\n`,
    )
    assert.deepEqual(readdirSync(home.folder), ['m.json'])
  })

  test('missing folders are made for --coordinator-cert', async () => {
    using home = makeCliFolder()
    await using api = await startApi()
    writeFileSync(home.file('m.json'), manifestText)
    assertDone(
      await home.taw(
        ['manifest', 'set', 'm.json', api.host, '-i', '--coordinator-cert', 'c/d/chain.pem'],
        {},
      ),
      /set\n$/,
    )
    assert.equal(readFileSync(home.file('c/d/chain.pem'), 'utf8'), chain)
    assertMode(home.file('c/d'), 0o755)
  })
})

describe('verification without --insecure', { concurrency: 2 }, () => {
  const eraConfig = JSON.stringify({ UniqueID: 'ab'.repeat(32) })

  test('simulation is refused, and so is evidence that is none', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ manifest })
    writeFileSync(home.file('era.json'), eraConfig)
    const line = ['manifest', 'get', api.host, '--era-config', 'era.json', '--save-sgx-quote', 'quote']
    assertFailed(await home.taw(line), /gives no quote/)
    api.state.quote = Buffer.from('a quote')
    assertFailed(await home.taw(line), /is of no known kind/)
    assert.equal(readFileSync(home.file('quote'), 'utf8'), 'a quote')
    assert.ok(api.requests.every(({ url }) => url.pathname === '/api/v2/quote'))
    const insecure = await home.taw(['manifest', 'get', api.host, '-i'])
    assertDone(insecure, `${manifestText}\n`)
    assert.match(insecure.stderr, /INSECURE: the quote .* is not verified/)
  })

  test('what the Coordinator must be is known before it is asked', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ manifest })
    const line = ['certificate', 'root', api.host]
    assertFailed(await home.taw(line), /give an era config/)
    writeFileSync(home.file('era-config.json'), '{"SignerID":"ab"}')
    assertFailed(await home.taw(line), /64 hex digits/)
    writeFileSync(home.file('era-config.json'), eraConfig)
    assertFailed(
      await home.taw([...line, '--accepted-tcb-statuses', 'UpToDate,UpToday']),
      /"UpToday" is unknown/,
    )
    assert.deepEqual(api.requests, [])
    const result = await home.taw([
      ...line,
      '--accepted-tcb-statuses=OutOfDate',
      '--accepted-advisories=INTEL-SA-1,INTEL-SA-2',
    ])
    assertFailed(result, /Using the era config in \.\/era-config\.json\n.*gives no quote/s)
  })

  test('every request for a quote carries a fresh nonce, but one that is saved without --nonce', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ manifest })
    await Promise.all([1, 2].map(() => home.taw(['certificate', 'root', '-i', api.host])))
    await home.taw(['certificate', 'root', '-i', api.host, '--save-sgx-quote', 'quote'])
    const nonces = api.requests.map(({ url }) => url.searchParams.get('nonce'))
    assert.equal(Buffer.from(nonces[0] ?? '', 'base64url').length, 32)
    assert.notEqual(nonces[0], nonces[1])
    assert.equal(nonces[2], null)
  })
})

describe('manifest get', { concurrency: 2 }, () => {
  test('the manifest and a newline; -o without; -s with its signature; nothing is pinned', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ manifest })
    const get = (...flags: string[]): Promise<CliResult> =>
      home.taw(['manifest', 'get', api.host, '-i', ...flags])
    assertDone(await get(), `${manifestText}\n`)
    const signed = `{\n"ManifestSignature": "${sha256(manifest)}",\n"Manifest": ${manifestText}}`
    assertDone(await get('-s'), `${signed}\n`)
    writeFileSync(home.file('out'), 'what was there before, and was longer than the manifest is'.repeat(5))
    assertDone(await get('-so', 'out'), '')
    assert.equal(readFileSync(home.file('out'), 'utf8'), signed)
    assert.deepEqual(readdirSync(home.folder), ['out'])
    assertDone(await get('--keep-cert'), `${manifestText}\n`)
    assert.equal(readFileSync(pinFile(home, api), 'utf8'), chain)
  })

  test('-u merges the package updates of the log', async () => {
    using home = makeCliFolder()
    const line =
      '{"time":"t","update":"SecurityVersion increased","user":"u","package":"app","new version":7}'
    await using api = await startApi({ manifest, log: [line] })
    const result = await home.taw(['manifest', 'get', '-iu', api.host])
    assertDone(
      result,
      /^\{\n {4}"Config": \{\n {8}"RecoveryThreshold": 0,[^]*"SecurityVersion": 7[^]*\n\}\n$/,
    )
  })

  test('before a manifest is set, or with one that the root key did not sign: an error', async () => {
    using home = makeCliFolder()
    await using api = await startApi()
    assertFailed(await home.taw(['manifest', 'get', api.host, '-i']), /no manifest is set \(HTTP 500\)/)
    const data = {
      manifestSignatureRootECDSA: 'AAAA',
      manifestFingerprint: sha256(manifest),
      manifest: manifest.toString('base64'),
    }
    api.state.spoiled.set('/api/v2/manifest', {
      status: 200,
      body: JSON.stringify({ status: 'success', data }),
    })
    assertFailed(
      await home.taw(['manifest', 'get', api.host, '-i']),
      /not signed by the Coordinator's root key/,
    )
  })
})

describe('manifest verify', { concurrency: 2 }, () => {
  test('OK for the file or its signature in either case; the chain is pinned', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ manifest })
    writeFileSync(home.file('m.json'), manifestText)
    const verify = (what: string): Promise<CliResult> =>
      home.taw(['manifest', 'verify', what, api.host, '-i'])
    assertDone(await verify('m.json'), 'OK\n')
    assert.equal(readFileSync(pinFile(home, api), 'utf8'), chain)
    assertDone(await verify(sha256(manifest)), 'OK\n')
    assertDone(await verify(sha256(manifest).toUpperCase()), 'OK\n')
  })

  test('another manifest: exit 1, nothing is pinned; what is no manifest fails before any contact', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ manifest })
    assertFailed(
      await home.taw(['manifest', 'verify', '0'.repeat(64), api.host, '-i']),
      /has another manifest/,
    )
    assert.equal(api.requests.length, 2)
    assertFailed(
      await home.taw(['manifest', 'verify', '0'.repeat(63), api.host, '-i']),
      /neither a file nor a signature/,
    )
    assert.equal(api.requests.length, 2)
    assert.deepEqual(readdirSync(home.folder), [])
  })

  test('a chain in place of another deployment is announced', async () => {
    using home = makeCliFolder()
    await using api = await startApi({ manifest })
    pin(home, api, other.intermediate + other.root)
    const result = await home.taw(['manifest', 'verify', sha256(manifest), api.host, '-i'])
    assertDone(result, 'OK\n')
    assert.match(result.stderr, /in place of another deployment/)
  })
})

describe('manifest update', { concurrency: 2 }, () => {
  const user = makeCoordinatorPki()
  const asUser = ['-c', 'user.crt', '-k', 'user.key']
  const next = '{"Packages": {"app": {"SecurityVersion": 4}}}'

  async function start(home: CliFolder, state: Partial<FakeState> = {}): Promise<FakeClientApi> {
    const api = await startApi({ manifest, user: user.leaf, ...state })
    pin(home, api)
    writeFileSync(home.file('user.crt'), user.leaf)
    writeFileSync(home.file('user.key'), user.leafKey)
    writeFileSync(home.file('next.json'), next)
    return api
  }
  const secretsLine = '{"RecoverySecrets":{"one":"AQ==","two":"Ag=="}}'
  const recoverySecrets = { two: 'Ag==', one: 'AQ==' }

  test('apply, complete at once: a line of success, and recovery secrets if they changed', async () => {
    using home = makeCliFolder()
    await using api = await start(home, { updaters: ['alice'], missing: 0 })
    const line = ['manifest', 'update', 'apply', 'next.json', api.host, ...asUser]
    assertDone(await home.taw([...line, '-r', 'none.json']), /^[^\n]+\n$/)
    assert.ok(!existsSync(home.file('none.json')), 'no file when there are no secrets')
    assert.equal(api.state.manifest?.toString(), next)
    api.state.recoverySecrets = recoverySecrets
    const [first, second, ...rest] = (await home.taw(line)).stdout.split('\n')
    assert.deepEqual([second, rest], [secretsLine, ['']])
    assert.match(first ?? '', /updated/)
    assertDone(await home.taw([...line, '-r', 'r.json']), /^[^\n]+\n[^\n{]*r\.json\n$/)
    assert.equal(readFileSync(home.file('r.json'), 'utf8'), secretsLine)
    assertMode(home.file('r.json'), 0o600)
    const sent = api.requests.length
    assertFailed(await home.taw([...line, '-r', 'r.json']), /--force/)
    assert.equal(api.requests.length, sent, 'found out before anything is sent')
    assertDone(await home.taw([...line, '-r', 'r.json', '--force']), /r\.json\n$/)
    api.state.recoverySecrets = {}
    const none = await home.taw([...line, '-r', 'empty.json'])
    assertDone(none, /^[^\n]+\n$/)
    assert.match(none.stderr, /no recovery keys/)
  })

  test('apply, pending: four lines; get, acknowledge, cancel', async () => {
    using home = makeCliFolder()
    await using api = await start(home, { updaters: ['bob', 'carol'], missing: 2, recoverySecrets })
    const update = (...words: string[]): Promise<CliResult> => home.taw(['manifest', 'update', ...words])
    assertFailed(await update('get', api.host), /HTTP 404/)
    assertFailed(await update('cancel', api.host, ...asUser), /HTTP 404/)
    assertDone(
      await update('apply', 'next.json', api.host, ...asUser),
      /^[^\n]+\n[^\n]*pending[^\n]*\n2 user\(s\) still needed\n[^:\n]+: bob, carol\n$/,
    )
    assertDone(await update('get', api.host), `${next}\n`)
    assertDone(await update('get', '--missing', api.host), /^[^:\n]+: \[bob carol\]\n$/)
    assertDone(await update('get', api.host, '-o', 'pending.json'), '')
    assert.equal(readFileSync(home.file('pending.json'), 'utf8'), next)
    assertDone(await update('get', api.host, '--missing', '-o', 'missing'), '')
    assert.match(readFileSync(home.file('missing'), 'utf8'), /^[^:\n]+: \[bob carol\]\n$/)

    writeFileSync(home.file('other.json'), `${next} `)
    assertFailed(await update('acknowledge', 'other.json', api.host, ...asUser), /HTTP 500/)
    assertDone(
      await update('acknowledge', 'next.json', api.host, ...asUser),
      /^[^\n]+\n1 user\(s\) still needed\n[^:\n]+: bob, carol\n$/,
    )
    const done = await update('acknowledge', 'next.json', api.host, ...asUser)
    assertDone(done, /^[^\n]+\n[^\n]+\n\{[^\n]+\}\n$/)
    assert.equal(done.stdout.split('\n')[2], secretsLine)
    assert.equal(api.state.manifest?.toString(), next)

    api.state.missing = 1
    assertDone(await update('apply', 'next.json', api.host, ...asUser), /1 user/)
    assertDone(await update('cancel', api.host, ...asUser), /^[^\n]+\n$/)
    assert.equal(api.state.pending, undefined)
  })

  test('a user is needed, but for get', async () => {
    using home = makeCliFolder()
    await using api = await start(home, { pending: Buffer.from(next) })
    for (const words of [
      ['apply', 'next.json'],
      ['acknowledge', 'next.json'],
      ['plan', 'next.json'],
      ['cancel'],
    ]) {
      assertFailed(await home.taw(['manifest', 'update', ...words, api.host]), /--cert and --key/)
    }
    assert.deepEqual(api.requests, [])
    assertDone(await home.taw(['manifest', 'update', 'get', api.host]), `${next}\n`)
  })

  test('a group without a command prints its help; flags stand anywhere', async () => {
    using home = makeCliFolder()
    await using api = await start(home, { pending: Buffer.from(next) })
    assertDone(await home.taw(['manifest', 'update']), /^Usage: taw manifest update /)
    assertDone(await home.taw(['-i', 'manifest', 'update', '--missing', 'get', api.host]), /: \[\]\n$/)
  })
})

describe('manifest diff', { concurrency: 2 }, () => {
  const app = { SignerID: 'ab'.repeat(32), ProductID: 1, SecurityVersion: 3 }
  const before = {
    Packages: { app },
    Marbles: { web: { Package: 'app', Parameters: { Env: { A: 'planted' } } } },
  }

  test('exit code 0 when both mean the same, in JSON or YAML', async () => {
    using home = makeCliFolder()
    writeFileSync(home.file('a.json'), JSON.stringify(before))
    const env = 'Parameters: {Env: {A: planted}}, package: app'
    writeFileSync(
      home.file('b.yaml'),
      `Marbles:\n  web: {${env}, MaxActivations: 0}\nPackages:\n  app:\n    SecurityVersion: 3\n    ProductID: 1\n    SignerID: ${'AB'.repeat(32)}\n`,
    )
    assertDone(await home.taw(['manifest', 'diff', 'a.json', 'b.yaml'], {}), /mean the same/)
  })

  test('exit code 1 and the differences in the manifest’s words; --format json, formerly --output json', async () => {
    using home = makeCliFolder()
    writeFileSync(home.file('a.json'), JSON.stringify(before))
    writeFileSync(
      home.file('b.json'),
      JSON.stringify({ ...before, Packages: { app: { ...app, Debug: true } } }),
    )
    writeFileSync(home.file('p.json'), '{"Packages":{"app":{"SecurityVersion":4}}}')
    const text = await home.taw(['manifest', 'diff', 'a.json', 'b.json'], {})
    assert.deepEqual([text.code, text.stderr], [1, ''])
    assert.match(
      text.stdout,
      /^Differences:\n {2}~ Packages\.app\n {6}Debug: false → true\n\nWARNINGS:\n {2}! /,
    )
    const json = await home.taw(['manifest', 'diff', 'a.json', 'p.json', '--format', 'json'], {})
    const former = await home.taw(['manifest', 'diff', 'a.json', 'p.json', '--output', 'json'], {})
    assert.deepEqual(former, json)
    assert.equal(json.code, 1)
    assert.deepEqual(JSON.parse(json.stdout), {
      kind: 'packages',
      differences: [
        {
          member: 'Packages',
          name: 'app',
          change: 'changed',
          fields: [{ field: 'SecurityVersion', before: 3, after: 4 }],
        },
      ],
      warnings: [(JSON.parse(json.stdout) as { warnings: unknown[] }).warnings[0]],
      manifestWarnings: [],
    })
  })

  test('exit code 2 for what can not be compared, and for a wrong command line', async () => {
    using home = makeCliFolder()
    writeFileSync(home.file('a.json'), JSON.stringify(before))
    writeFileSync(
      home.file('bad.json'),
      '{"Packages": {"app": {"SecurityVersion": -1}}, "Marbles": {"web": {}}}',
    )
    writeFileSync(home.file('lower.json'), '{"Packages":{"app":{"SecurityVersion":2}}}')
    for (const [line, reason] of [
      [['a.json', 'none'], /ENOENT/],
      [['a.json', 'bad.json'], /"bad\.json"/],
      [['a.json', 'lower.json'], /from SecurityVersion 3 down to 2/],
      [
        ['a.json', 'a.json', '--output', 'file'],
        /--output is "file"; it must be text or json; here it names no file/,
      ],
      [['a.json', 'a.json', '--format', 'yaml'], /--format is "yaml"; it must be text or json$/m],
      [['a.json', 'a.json', '--format', 'text', '--output', 'json'], /give --format alone/],
      [['a.json'], /arguments given/],
    ] as const) {
      const { code, stderr } = await home.taw(['manifest', 'diff', ...line], {})
      assert.equal(code, 2, stderr)
      assert.match(stderr, reason)
    }
  })
})

test('manifest log: the lines as they are; -o without a newline at the end', async () => {
  using home = makeCliFolder()
  const log = [
    '{"time":"t","update":"Initial manifest set"}',
    '{"time":"t","update":"Secret set","user":"u"}',
  ]
  await using api = await startApi({ manifest, log })
  pin(home, api)
  assertDone(await home.taw(['manifest', 'log', api.host]), `${log.join('\n')}\n`)
  assertDone(await home.taw(['manifest', 'log', api.host, '-o', 'log']), '')
  assert.equal(readFileSync(home.file('log'), 'utf8'), log.join('\n'))
})

describe('certificate', { concurrency: 2 }, () => {
  for (const [kind, file, pem] of [
    ['root', 'marblerunRootCA.crt', pki.root],
    ['intermediate', 'marblerunIntermediateCA.crt', pki.intermediate],
    ['chain', 'marblerunChainCA.crt', chain],
  ] as const) {
    test(`${kind}: always into a file, which stdout names`, async () => {
      using home = makeCliFolder()
      await using api = await startApi()
      const result = await home.taw(['certificate', kind, api.host, '-i'])
      assertDone(result, new RegExp(`^[^\\n]*${file}\\n$`))
      assert.match(result.stderr, /INSECURE, SIMULATION/)
      assert.deepEqual(readdirSync(home.folder), [file])
      assert.equal(readFileSync(home.file(file), 'utf8'), pem)
      assertMode(home.file(file), 0o600)
    })
  }

  test('-o names another file', async () => {
    using home = makeCliFolder()
    await using api = await startApi()
    assertDone(await home.taw(['certificate', 'root', api.host, '-io', 'ca.pem']), /ca\.pem\n$/)
    assert.deepEqual(readdirSync(home.folder), ['ca.pem'])
  })
})

describe('secret', { concurrency: 2 }, () => {
  const value = 'AAECAw=='
  const key = {
    Type: 'symmetric-key',
    Size: 32,
    Shared: true,
    UserDefined: true,
    Cert: null,
    ValidFor: 0,
    Private: value,
    Public: value,
  }
  const unset = {
    Type: 'plain',
    Size: 0,
    Shared: false,
    UserDefined: true,
    Cert: null,
    ValidFor: 0,
    Private: null,
    Public: null,
  }
  const der = (pem: string): string => new X509Certificate(pem).raw.toString('base64')
  const certificate = {
    Type: 'cert-ed25519',
    Size: 0,
    Shared: true,
    UserDefined: false,
    Cert: der(pki.leaf),
    ValidFor: 14,
    Private: 'AQ==',
    Public: 'Ag==',
  }
  const user = makeCoordinatorPki()

  async function start(home: CliFolder): Promise<FakeClientApi> {
    const api = await startApi({ manifest, user: user.leaf, secrets: { key, unset, certificate } })
    pin(home, api)
    writeFileSync(home.file('user.crt'), user.leaf)
    writeFileSync(home.file('user.key'), user.leafKey)
    return api
  }
  const asUser = ['-c', 'user.crt', '-k', 'user.key']

  test('get: for people on stdout', async () => {
    using home = makeCliFolder()
    await using api = await start(home)
    const result = await home.taw(['secret', ...asUser, 'get', 'key', 'unset', 'certificate', api.host])
    const [first, second, third] = result.stdout.split('\n\n')
    assertDone(result, /\n\n$/)
    assert.equal(
      first,
      'key:\n\tType:          symmetric-key\n\tUserDefined:   true\n\tSize:          32\n\tKey:           [0 1 2 3]',
    )
    assert.equal(second, 'unset:\n\tType:          plain\n\tData:          []')
    const labels = [...(third ?? '').matchAll(/^\t([^:]+):/gm)].map(([, label]) => label)
    assert.deepEqual(labels, ['Type', 'UserDefined', 'Valid For', 'Certificate', 'Public Key', 'Private Key'])
    assert.equal(result.stderr, '')
  })

  test('get -o: JSON in a file, which is never overwritten without --force', async () => {
    using home = makeCliFolder()
    await using api = await start(home)
    const line = ['secret', 'get', 'key', 'unset', api.host, ...asUser, '-o', 'out.json']
    assertDone(await home.taw(line), /^[^\n]*out\.json\n$/)
    assert.equal(readFileSync(home.file('out.json'), 'utf8'), JSON.stringify({ key, unset }))
    assertMode(home.file('out.json'), 0o600)
    assertFailed(await home.taw(line), /--force/)
    assertDone(await home.taw([...line, '--force']), /out\.json\n$/)
  })

  test('get: an unknown user, an unknown secret, another deployment: refused, nothing written', async () => {
    using home = makeCliFolder()
    await using api = await start(home)
    writeFileSync(home.file('mallory.crt'), other.leaf)
    writeFileSync(home.file('mallory.key'), other.leafKey)
    const mallory = ['-c', 'mallory.crt', '-k', 'mallory.key', '-o', 'out.json']
    assertFailed(await home.taw(['secret', 'get', 'key', api.host, ...mallory]), /HTTP 401/)
    assertFailed(
      await home.taw(['secret', 'get', 'key', 'none', api.host, ...asUser, '-o', 'out.json']),
      /none does not exist/,
    )
    pin(home, api, other.intermediate + other.root)
    const sent = api.requests.length
    assertFailed(
      await home.taw(['secret', 'get', 'key', api.host, ...asUser, '-o', 'out.json']),
      /does not show the pinned root/,
    )
    assert.equal(api.requests.length, sent)
    assert.ok(!existsSync(home.file('out.json')))
  })

  test('set: JSON as it is, or the certificate and key of a PEM file', async () => {
    using home = makeCliFolder()
    await using api = await start(home)
    writeFileSync(home.file('s.json'), '{"key": {"Key": "AAECAw=="}}')
    writeFileSync(home.file('s.pem'), user.leaf + user.leafKey)
    assertDone(await home.taw(['secret', 'set', 's.json', api.host, ...asUser]), /^[^\n]+\n$/)
    assertDone(
      await home.taw(['secret', 'set', 's.pem', api.host, ...asUser, '--from-pem', 'certificate']),
      /^[^\n]+\n$/,
    )
    const bodies = api.requests.map(({ body }): unknown => JSON.parse(body))
    const Private = user.leafKey.replaceAll(/-----.*-----|\s/g, '')
    assert.deepEqual(bodies, [
      { secrets: { key: { Key: value } } },
      { secrets: { certificate: { Cert: der(user.leaf), Private } } },
    ])
  })

  test('set: a file that is no JSON is refused, and its content stays out of the error', async () => {
    using home = makeCliFolder()
    await using api = await start(home)
    writeFileSync(home.file('s.json'), '{"key": {"Key": planted-secret}}')
    const result = await home.taw(['secret', 'set', 's.json', api.host, ...asUser])
    assertFailed(result, /not JSON/)
    assert.doesNotMatch(result.stderr, /planted/)
    assert.deepEqual(api.requests, [])
  })

  test('the user: both files or neither, not mixed with a token, not encrypted, belonging together', async () => {
    using home = makeCliFolder()
    await using api = await start(home)
    writeFileSync(home.file('other.key'), other.leafKey)
    writeFileSync(
      home.file('locked.key'),
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
    )
    const cases: [string[], RegExp][] = [
      [[], /--cert and --key/],
      [['-c', 'user.crt'], /together/],
      [['-k', 'user.key'], /together/],
      [[...asUser, '--pkcs11-config', 'x'], /excludes/],
      [['--pkcs11-config', 'x', '--pkcs11-cert-id', '1'], /--pkcs11-key-id/],
      [['--pkcs11-config', 'x', '--pkcs11-cert-label', 'c', '--pkcs11-key-label', 'k'], /not supported yet/],
      [['-c', 'user.crt', '-k', 'locked.key'], /encrypted/],
      [['-c', 'user.crt', '-k', 'other.key'], /does not belong/],
      [['-c', 'user.key', '-k', 'user.key'], /no PEM certificate/],
      [['-c', 'none', '-k', 'user.key'], /ENOENT/],
    ]
    const results = await Promise.all(
      cases.map(([flags]) => home.taw(['secret', 'get', 'key', api.host, ...flags])),
    )
    for (const [index, result] of results.entries()) assertFailed(result, cases[index]?.[1] ?? /$./)
    assert.deepEqual(api.requests, [])
  })
})
