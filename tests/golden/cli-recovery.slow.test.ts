// Recovery by command line, as recovery parties do it: real Coordinators in simulation that lost their sealed key, real
// `taw` processes. The steps are those of golden/cli/recovery.json; where ours answers better, the test says so.
import { execFileSync } from 'node:child_process'
import { constants, createPublicKey, generateKeyPairSync, privateDecrypt, verify } from 'node:crypto'
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import path from 'node:path'
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { TestCoordinator, get } from '../support/coordinator.ts'
import { makeCliFolder } from '../support/run-cli.ts'
import type { CliFolder, CliResult } from '../support/run-cli.ts'
import { readShared, skipWithoutShared } from '../support/shared.ts'

interface Party {
  readonly publicKey: string
  /** PEM. */
  readonly pkcs8: string
  readonly pkcs1: string
}

function makeParty(): Party {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    pkcs8: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    pkcs1: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
  }
}

const parties: Readonly<Record<string, Party>> = { a: makeParty(), b: makeParty(), c: makeParty() }

/** A deployment whose Coordinator is in state 1, and a party's working folder. */
interface Lost extends AsyncDisposable {
  readonly coordinator: TestCoordinator
  readonly home: CliFolder
  readonly host: string
  /** Runs `taw`; `HOST` stands for the Coordinator. */
  readonly taw: (...args: string[]) => Promise<CliResult>
}

/**
 * Sets a manifest and loses the sealed key. In the folder: `recovery.json`, and for each party NAME `NAME.key`, the
 * secret `NAME.secret` and its signature `NAME.sig`, made by other hands than ours.
 */
async function lose(names: readonly string[], threshold = 0): Promise<Lost> {
  await using resources = new AsyncDisposableStack()
  const coordinator = resources.use(await TestCoordinator.start())
  const home = resources.use(makeCliFolder())
  const host = `127.0.0.1:${coordinator.clientPort}`
  const taw = (...args: string[]): Promise<CliResult> =>
    home.taw(args.map((arg) => (arg === 'HOST' ? host : arg)))
  const keys = Object.fromEntries(names.map((name) => [name, parties[name]?.publicKey]))
  writeFileSync(home.file('manifest.json'), manifestWith(keys, threshold))
  assertDone(await taw('manifest', 'set', 'manifest.json', 'HOST', '-ir', 'recovery.json'), /./)
  const { RecoverySecrets: secrets } = JSON.parse(readFileSync(home.file('recovery.json'), 'utf8')) as {
    readonly RecoverySecrets: Readonly<Record<string, string>>
  }
  for (const name of names) {
    const key = parties[name]?.pkcs8 ?? ''
    writeFileSync(home.file(`${name}.key`), key)
    writeFileSync(home.file(`${name}.encrypted`), Buffer.from(secrets[name] ?? '', 'base64'))
    openssl(
      home,
      'pkeyutl',
      '-decrypt',
      '-inkey',
      `${name}.key`,
      ...oaep,
      '-in',
      `${name}.encrypted`,
      '-out',
      `${name}.secret`,
    )
    openssl(home, 'dgst', '-sha256', '-sign', `${name}.key`, '-out', `${name}.sig`, `${name}.secret`)
  }
  await coordinator.stop()
  rmSync(path.join(coordinator.sealDirectory, 'sealed_key'))
  await coordinator.restart()
  const kept = resources.move()
  return { coordinator, home, host, taw, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

const oaep = ['rsa_padding_mode:oaep', 'rsa_oaep_md:sha256'].flatMap((option) => ['-pkeyopt', option])

const openssl = ({ folder }: CliFolder, ...args: readonly string[]): void => {
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
}

const manifestWith = (keys: Readonly<Record<string, string | undefined>>, threshold: number): string =>
  JSON.stringify({
    Packages: { app: { UniqueID: '11'.repeat(32) } },
    Marbles: { web: { Package: 'app' } },
    Config: { RecoveryThreshold: threshold },
    RecoveryKeys: keys,
  })

function assertDone(result: CliResult, stdout: string | RegExp): void {
  assert.equal(result.code, 0, result.stderr)
  if (typeof stdout === 'string') assert.equal(result.stdout, stdout)
  else assert.match(result.stdout, stdout)
}

function assertFailed(result: CliResult, reason: RegExp): void {
  assert.equal(result.code, 1, result.stderr)
  assert.equal(result.stdout, '')
  assert.match(result.stderr.trimEnd().split('\n').at(-1) ?? '', /^Error: /)
  assert.match(result.stderr, reason)
}

/** The digest of a public key that people compare. */
const sha256In = ({ stderr }: CliResult): string | undefined => /[0-9a-f]{64}/.exec(stderr)?.[0]

/** One line that ends in the number still missing. */
const missing = (count: number): RegExp => new RegExp(`^[^\\n]+ ${count}\\n$`)
const recovered = 'The state is recovered\n'

async function stateOf({ coordinator }: Lost): Promise<number> {
  const { text } = await get(coordinator.clientPort, '/api/v2/status')
  return (JSON.parse(text) as { readonly data: { readonly code: number } }).data.code
}

/** Cases of golden/cli/recovery.json; the names of the tests below say which one has them. */
const recordedCases = new Set([
  'two-shares',
  'one-ephemeral-key-for-both',
  'plain-shares',
  'same-share-twice',
  'bad-signature-on-first',
  'bad-signature-on-last',
  'ephemeral-key-after-failure',
  'encrypted-without-public-key-asked',
  'recover-in-state-3',
  'new-manifest-in-state-1',
])

test('every recorded case is here', { skip: skipWithoutShared }, () => {
  const recorded = readShared('golden/cli/recovery.json') as readonly { readonly id: string }[]
  assert.deepEqual(new Set(recorded.map(({ id }) => id)), recordedCases)
})

describe('recover', { concurrency: 2 }, () => {
  test('two-shares, same-share-twice, recover-in-state-3: with the file of `manifest set`', async () => {
    await using lost = await lose(['a', 'b'])
    const { taw, home } = lost
    writeFileSync(home.file('b1.key'), parties['b']?.pkcs1 ?? '')
    // In state 1 the root certificate is a fresh one: the pinned chain is not the server's.
    assertFailed(await taw('status', 'HOST'), /does not show the pinned root/)
    assertDone(await taw('status', '-i', 'HOST'), /^1: /)
    // Whoever recovers can look first at what would be recovered, without stopping anything.
    assertDone(await taw('ledger', 'inspect', lost.coordinator.sealDirectory), /"manifest-set"/)

    const first = await taw(
      'recover',
      'recovery.json',
      'HOST',
      '-i',
      '-k',
      'a.key',
      '--save-sgx-quote',
      'quote',
    )
    assertDone(first, missing(1))
    assert.match(first.stderr, /Using the recovery secret of "a"\n.*INSECURE, SIMULATION/)
    assert.equal(statSync(home.file('quote')).size, 0)
    assertFailed(await taw('recover', 'recovery.json', 'HOST', '-i', '-k', 'a.key'), /"a" is here already/)
    assertDone(await taw('recover', 'recovery.json', 'HOST', '-ik', 'b1.key'), recovered)

    assertDone(await taw('status', 'HOST'), /^3: /)
    assertFailed(await taw('recover', 'recovery.json', 'HOST', '-i', '-k', 'a.key'), /state 1 only.*HTTP 500/)
    assertFailed(await taw('recover-with-signature', 'public-key', 'HOST', '-i'), /state 1 only.*HTTP 500/)
  })

  test('any two of three; the secret raw, in base64, plain or encrypted', async () => {
    await using lost = await lose(['a', 'b', 'c'], 2)
    const { taw, home } = lost
    assertDone(await taw('recover', 'c.secret', 'HOST', '-i', '-k', 'c.key'), missing(2))
    writeFileSync(home.file('a.txt'), `${readFileSync(home.file('a.encrypted')).toString('base64')}\n`)
    assertDone(await taw('recover', 'a.txt', 'HOST', '-i', '-k', 'a.key'), recovered)
    assert.equal(await stateOf(lost), 3)
  })

  test('a single key; what does not fit fails before anything is sent', async () => {
    await using lost = await lose(['a'])
    const { taw, home, coordinator } = lost
    writeFileSync(home.file('other.key'), parties['b']?.pkcs8 ?? '')
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(home.file('ec.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(home.file('junk.json'), '{"RecoverySecrets":{"a":1}}')
    // Nothing listens at port 1, and no failure speaks of it.
    const cases: readonly (readonly [args: readonly string[], reason: RegExp])[] = [
      [['recovery.json', '127.0.0.1:1', '-k', 'other.key'], /none of those .*\("a"\) is encrypted to/],
      [['a.encrypted', '127.0.0.1:1', '-k', 'other.key'], /not encrypted to/],
      [['recovery.json', '127.0.0.1:1', '-k', 'ec.key'], /recovery keys are RSA/],
      [['recovery.json', '127.0.0.1:1'], /--key/],
      [['recovery.json', '127.0.0.1:1', '-k', 'a.key', '--pkcs11-key-id', '1'], /excludes --key/],
      [['recovery.json', '127.0.0.1:1', '--pkcs11-config', 'x'], /not supported/],
      [['none', '127.0.0.1:1', '-k', 'a.key'], /ENOENT/],
      [['junk.json', '127.0.0.1:1', '-k', 'a.key'], /no base64 as the recovery secret of "a"/],
    ]
    for (const [args, reason] of cases) assertFailed(await taw('recover', '-i', ...args), reason)
    assertFailed(await taw('recover', 'recovery.json', '127.0.0.1:1', '-ik', 'a.key'), /can't be reached/)
    // Without --insecure simulation is refused, and no secret is sent.
    writeFileSync(home.file('era.json'), JSON.stringify({ UniqueID: '11'.repeat(32) }))
    const strict = await taw('recover', 'recovery.json', 'HOST', '-k', 'a.key', '--era-config', 'era.json')
    assertFailed(strict, /runs in simulation/)
    // A plain secret of the right length that nobody was given, signed by the right key.
    writeFileSync(home.file('wrong.secret'), Buffer.alloc(32, 7))
    assertFailed(await taw('recover', 'wrong.secret', 'HOST', '-ik', 'a.key'), /of no recovery party/)
    assertDone(await taw('recover', 'recovery.json', 'HOST', '-ik', 'a.key'), recovered)
    // `lose` planted the plain secret; nobody may have logged it.
    assert.ok(!coordinator.output.includes(readFileSync(home.file('a.secret')).toString('base64')))
  })
})

describe('recover-with-signature', { concurrency: 2 }, () => {
  test('one-ephemeral-key-for-both: the air-gapped way, step by step', async () => {
    await using lost = await lose(['a', 'b'])
    const { taw, home } = lost
    const shown = await taw('recover-with-signature', 'public-key', 'HOST', '-i')
    assertDone(shown, /^-----BEGIN PUBLIC KEY-----\n[\s\S]+-----END PUBLIC KEY-----\n$/)
    assertDone(await taw('recover-with-signature', 'public-key', 'HOST', '-i', '-o', 'ephemeral.pem'), '')
    assert.equal(readFileSync(home.file('ephemeral.pem'), 'utf8'), shown.stdout)
    const ephemeral = createPublicKey(shown.stdout)
    assert.equal(ephemeral.asymmetricKeyDetails?.modulusLength, 4096)

    for (const name of ['a', 'b']) {
      const key = ['-k', `${name}.key`]
      const encrypt = ['--coordinator-pub-key', 'ephemeral.pem', '-o', `${name}.for-coordinator`]
      const made = await taw('recover-with-signature', 'encrypt-secret', 'recovery.json', ...key, ...encrypt)
      assertDone(made, '')
      assert.equal(sha256In(made), sha256In(shown))
      assert.ok(sha256In(shown) !== undefined)
      assertDone(
        await taw('recover-with-signature', 'sign-secret', 'recovery.json', ...key, '-o', `${name}.ours`),
        '',
      )
      assert.equal(statSync(home.file(`${name}.for-coordinator`)).size, 512)
      assert.equal(statSync(home.file(`${name}.for-coordinator`)).mode & 0o777, 0o600)
      assert.deepEqual(readFileSync(home.file(`${name}.ours`)), readFileSync(home.file(`${name}.sig`)))
    }
    const upload = (name: string): Promise<CliResult> =>
      taw('recover-with-signature', `${name}.for-coordinator`, 'HOST', '-i', '-s', `${name}.ours`)
    assertDone(await upload('a'), missing(1))
    assertDone(await upload('b'), recovered)
    assert.equal(await stateOf(lost), 3)
  })

  test('plain-shares, bad-signature-on-first, bad-signature-on-last', async () => {
    await using lost = await lose(['a', 'b'])
    const upload = (secret: string, signature: string): Promise<CliResult> =>
      lost.taw('recover-with-signature', '-s', `${signature}.sig`, `${secret}.secret`, lost.host, '-i')
    // Better than recorded (spec/quirks.md): a bad signature is refused at once, and nothing else is forgotten.
    assertFailed(await upload('a', 'b'), /signature is not one by the recovery key of "a".*HTTP 500/)
    assertDone(await upload('a', 'a'), missing(1))
    assertFailed(await upload('b', 'a'), /signature is not one by the recovery key of "b".*HTTP 500/)
    assert.equal(await stateOf(lost), 1)
    assertDone(await upload('b', 'b'), recovered)
  })

  test('encrypted-without-public-key-asked, ephemeral-key-after-failure', async () => {
    await using lost = await lose(['a', 'b'])
    const { taw, home } = lost
    for (const length of [256, 512]) writeFileSync(home.file(`${length}`), Buffer.alloc(length, 1))
    for (const file of ['256', '512']) {
      assertFailed(await taw('recover-with-signature', file, 'HOST', '-is', 'a.sig'), /HTTP 400/)
    }
    assertDone(await taw('recover-with-signature', 'public-key', 'HOST', '-io', 'ephemeral.pem'), '')
    const encrypt = ['encrypt-secret', 'a.secret', '--coordinator-pub-key', 'ephemeral.pem', '-o', 'a.enc']
    assertDone(await taw('recover-with-signature', ...encrypt), '')
    // Better than recorded: a failed upload leaves the ephemeral key as it is.
    assertFailed(await taw('recover-with-signature', 'a.enc', 'HOST', '-is', 'b.sig'), /HTTP 500/)
    assertDone(await taw('recover-with-signature', 'a.enc', 'HOST', '-is', 'a.sig'), missing(1))
  })

  test('offline: encrypt-secret and sign-secret need no Coordinator, and overwrite nothing', async () => {
    using home = makeCliFolder()
    const { taw } = home
    const secret = Buffer.from('0123456789abcdef0123456789abcdef')
    const ephemeral = generateKeyPairSync('rsa', { modulusLength: 4096 })
    writeFileSync(home.file('secret'), secret)
    writeFileSync(home.file('a.key'), parties['a']?.pkcs1 ?? '')
    writeFileSync(home.file('a.pem'), parties['a']?.publicKey ?? '')
    writeFileSync(home.file('ephemeral.pem'), ephemeral.publicKey.export({ type: 'spki', format: 'pem' }))
    openssl(
      home,
      'pkeyutl',
      '-encrypt',
      '-pubin',
      '-inkey',
      'a.pem',
      ...oaep,
      '-in',
      'secret',
      '-out',
      'encrypted',
    )
    const command = (name: string, ...args: string[]): Promise<CliResult> =>
      taw(['recover-with-signature', name, ...args], {})

    const to = ['--coordinator-pub-key', 'ephemeral.pem', '-o', 'out']
    assertDone(await command('encrypt-secret', 'encrypted', '-k', 'a.key', ...to), '')
    const opened = privateDecrypt(
      { key: ephemeral.privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
      readFileSync(home.file('out')),
    )
    assert.deepEqual(opened, secret)
    assertFailed(await command('encrypt-secret', 'secret', ...to), /"out": the file exists.*--force/)
    assertDone(await command('encrypt-secret', 'secret', '--force', ...to), '')

    for (const [file, output] of [
      ['secret', 'sig'],
      ['encrypted', 'sig2'],
    ] as const) {
      assertDone(await command('sign-secret', file, '-k', 'a.key', '-o', output), '')
      assert.ok(verify('sha256', secret, parties['a']?.publicKey ?? '', readFileSync(home.file(output))))
    }
    const failures: readonly (readonly [args: readonly [string, ...string[]], reason: RegExp])[] = [
      [['sign-secret', 'secret', '-k', 'a.key', '-o', 'sig'], /the file exists/],
      [['sign-secret', 'secret', '-k', 'a.key'], /--output/],
      [['sign-secret', 'secret', '-o', 'sig3'], /--key/],
      [['encrypt-secret', 'secret', '-o', 'out3'], /--coordinator-pub-key/],
      [['encrypt-secret', 'encrypted', '--coordinator-pub-key', 'ephemeral.pem', '-o', 'out3'], /--key/],
      [
        ['encrypt-secret', 'secret', '--coordinator-pub-key', 'a.key', '-o', 'out3'],
        /no PEM block PUBLIC KEY/,
      ],
    ]
    for (const [args, reason] of failures) assertFailed(await command(...args), reason)
    assertFailed(await taw(['recover-with-signature', 'secret', '127.0.0.1:1', '-i']), /--signature/)
    assert.deepEqual(
      readdirSync(home.folder).filter((name) => name.endsWith('3')),
      [],
    )
  })
})

describe('ledger inspect', { concurrency: 2 }, () => {
  test('new-manifest-in-state-1: the old state is kept aside, and both chains are whole', async () => {
    await using lost = await lose(['a'])
    const { taw, home, coordinator } = lost
    const directory = coordinator.sealDirectory
    writeFileSync(home.file('new.json'), manifestWith({}, 0))
    assertDone(await taw('manifest', 'set', 'new.json', 'HOST', '-i'), /is set\n$/)
    assertDone(await taw('status', 'HOST'), /^3: /)
    assertFailed(await taw('ledger', 'inspect', directory), /inspect a copy/)
    await coordinator.stop()
    const aside = readdirSync(directory).find((name) => name.startsWith('replaced-')) ?? ''
    const records = await Promise.all(
      [directory, path.join(directory, aside)].map(async (folder) => {
        const result = await taw('ledger', 'inspect', folder)
        assertDone(result, /^[^\n]+\n$/)
        assert.match(
          result.stderr,
          /epoch 1: 1 records, from [^\n]+\nThe chain is whole up to hash [0-9a-f]{64}\n/,
        )
        return JSON.parse(result.stdout) as InspectedLine
      }),
    )
    const fingerprints = await Promise.all(
      ['new.json', 'manifest.json'].map((file) => taw('manifest', 'signature', file)),
    )
    assert.deepEqual(
      records.map(({ audit }) => audit['fingerprint']),
      fingerprints.map(({ stdout }) => stdout.trim()),
    )
  })

  test('the record of a recovery names the parties; what was altered is found, with exit code 1', async () => {
    await using lost = await lose(['a', 'b', 'c'], 2)
    const { taw, home, coordinator } = lost
    for (const name of ['c', 'a'])
      assert.equal((await taw('recover', 'recovery.json', 'HOST', '-ik', `${name}.key`)).code, 0)
    await coordinator.stop()
    const before = readdirSync(coordinator.sealDirectory)
    const shown = await taw('ledger', 'inspect', coordinator.sealDirectory)
    assertDone(await taw('ledger', 'inspect', coordinator.sealDirectory, '-o', 'records'), '')
    assert.deepEqual(readdirSync(coordinator.sealDirectory), before, 'inspecting leaves no file behind')
    assert.equal(readFileSync(home.file('records'), 'utf8'), shown.stdout)
    const lines = shown.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as InspectedLine)
    assert.deepEqual(
      lines.map(({ sequence, epoch, audit }) => [sequence, epoch, audit['action']]),
      [
        [1, 1, 'manifest-set'],
        [2, 2, 'recovered'],
      ],
    )
    assert.deepEqual(lines[1]?.audit['actor'], { kind: 'recovery', parties: ['c', 'a'] })

    const database = new DatabaseSync(path.join(coordinator.sealDirectory, 'ledger.db'))
    database.exec(
      `UPDATE entries SET public = CAST(replace(public, '"c"', '"b"') AS BLOB) WHERE sequence = 2`,
    )
    database.close()
    const altered = await taw('ledger', 'inspect', coordinator.sealDirectory)
    assert.equal(altered.code, 1)
    assert.equal(altered.stdout, `${shown.stdout.split('\n')[0] ?? ''}\n`)
    assert.match(altered.stderr, /\nError: [^\n]* after 1 of 2 records [^\n]*entry 2[^\n]*\n$/)
  })

  test('no ledger, no folder, no database: a clear error', async () => {
    using home = makeCliFolder()
    assertFailed(await home.taw(['ledger', 'inspect', 'none']), /"none": there is no file/)
    writeFileSync(home.file('ledger.db'), 'no database at all, but long enough to look at')
    assertFailed(await home.taw(['ledger', 'inspect', '.']), /not a database/)
    assertFailed(await home.taw(['ledger', 'inspect', 'ledger.db']), /there is no file/)
  })
})

interface InspectedLine {
  readonly sequence: number
  readonly epoch: number
  readonly audit: Readonly<Record<string, unknown>>
}
