import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { after, before, suite, test } from 'node:test'
import { get, type RestAnswer, TestCoordinator } from './support/coordinator.ts'
import {
  activate,
  clientIdentity,
  type ClientIdentity,
  manifestWith,
  setManifest,
  textOf,
} from './support/mesh-client.ts'
import { type CliFolder, makeCliFolder } from './support/run-cli.ts'

/** The audit log, through a real Coordinator and the real command: docs/audit.md. */

interface Entry {
  readonly sequence: number
  readonly epoch: number
  readonly time: string
  readonly audit: { readonly action: string; readonly [member: string]: unknown }
  readonly record: string
  readonly sealedDigest: string
  readonly hash: string
}

interface Page {
  readonly ledger: string
  readonly head: { readonly sequence: number; readonly hash: string }
  readonly previousHash: string | null
  readonly entries: readonly Entry[]
  readonly next: number | null
}

const planted = 'planted-secret-9876543210'
const marble = '10000000-0000-4000-8000-000000000001'

const fingerprint = ({ cert }: { readonly cert: string }): string =>
  createHash('sha256').update(new X509Certificate(cert).raw).digest('hex')

const base64 = (text: string): string => Buffer.from(text).toString('base64')

function manifestFor(alice: ClientIdentity, change: Record<string, unknown> = {}): string {
  return manifestWith({
    Marbles: { web: { Package: 'pkg' } },
    Secrets: { token: { Type: 'plain', UserDefined: true } },
    Users: { alice: { Certificate: alice.cert, Roles: ['all', 'raise', 'secrets'] } },
    Roles: {
      all: { ResourceType: 'Manifest', Actions: ['UpdateManifest'] },
      raise: { ResourceType: 'Packages', ResourceNames: ['pkg'], Actions: ['UpdateSecurityVersion'] },
      secrets: { ResourceType: 'Secrets', ResourceNames: ['token'], Actions: ['WriteSecret', 'ReadSecret'] },
    },
    Config: { FeatureGates: ['MonotonicCounter'] },
    ...change,
  })
}

suite('a deployment with some history', () => {
  let coordinator: TestCoordinator
  let alice: ClientIdentity
  let folder: CliFolder
  let counting: { cert: string; key: string }
  /** The manifest in force. */
  let updated: string

  const post = async (
    path: string,
    body: unknown,
    user: { cert: string; key: string } = alice,
  ): Promise<RestAnswer> => {
    const answer = await get(coordinator.clientPort, path, {
      method: 'POST',
      body: JSON.stringify(body),
      user,
    })
    assert.equal(answer.status, 200, answer.text)
    return answer
  }
  const page = async (query = ''): Promise<Page> => {
    const { status, headers, text } = await get(coordinator.clientPort, `/api/v2/audit${query}`)
    assert.equal(status, 200, text)
    assert.equal(headers['content-type'], 'application/json')
    const answer = JSON.parse(text) as { status: string; data: Page }
    assert.equal(answer.status, 'success')
    return answer.data
  }

  before(async () => {
    coordinator = await TestCoordinator.start()
    folder = makeCliFolder()
    alice = await clientIdentity()
    await setManifest(coordinator.clientPort, manifestFor(alice))
    await post('/api/v2/secrets', { secrets: { token: { Key: base64(planted) } } })
    await post('/api/v2/update', {
      manifest: base64(JSON.stringify({ Packages: { pkg: { SecurityVersion: 2 } } })),
    })
    updated = manifestFor(alice, {
      Marbles: { web: { Package: 'pkg', MaxActivations: 9 }, job: { Package: 'pkg' } },
    })
    await post('/api/v2/update', { manifest: base64(updated) })
    const { Env } = await activate(coordinator.meshPort, await clientIdentity(), {
      marbleType: 'web',
      uuid: marble,
    })
    counting = {
      cert: textOf(Env, 'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN'),
      key: textOf(Env, 'MARBLE_PREDEFINED_PRIVATE_KEY'),
    }
    await post('/api/v2/monotonic-counter', { name: 'n', value: 7 }, counting)
    await get(coordinator.clientPort, '/api/v2/secrets?s=token', { user: alice })
  })
  after(async () => {
    folder[Symbol.dispose]()
    await coordinator[Symbol.asyncDispose]()
  })

  test('every change says who did what, by name', async () => {
    const { entries } = await page()
    const actor = { kind: 'user', name: 'alice', certificate: fingerprint(alice) }
    const [set, secrets, packages, update, activated, counted, ...rest] = entries.map(({ audit }) => audit)
    assert.equal(rest.length, 0)
    assert.ok(set)
    assert.deepEqual(set['actor'], { kind: 'anonymous' })
    const named = (set['changed'] as { entries: { member: string; name: string }[] }).entries
    assert.deepEqual(
      named.map(({ member, name }) => `${member} ${name}`),
      [
        'Packages pkg',
        'Marbles web',
        'Secrets token',
        'Users alice',
        'Roles all',
        'Roles raise',
        'Roles secrets',
      ],
    )
    assert.deepEqual(secrets, {
      action: 'secrets-written',
      actor,
      secrets: [{ name: 'token', type: 'plain' }],
    })
    assert.deepEqual(packages, {
      action: 'packages-updated',
      actor,
      packages: [{ name: 'pkg', securityVersion: 2 }],
    })
    assert.deepEqual(update, {
      action: 'update-initiated',
      actor,
      fingerprint: createHash('sha256').update(updated).digest('hex'),
      missingUsers: [],
      missingAcknowledgments: 0,
      outcome: 'applied',
      changed: {
        entries: [
          { member: 'Marbles', name: 'job', change: 'added' },
          { member: 'Marbles', name: 'web', change: 'changed' },
        ],
        omitted: 0,
      },
    })
    assert.deepEqual(activated, {
      action: 'marble-activated',
      actor: { kind: 'marble', type: 'web', uuid: marble, evidence: null },
      package: 'pkg',
      activation: 1,
    })
    const certificate = fingerprint(counting)
    assert.deepEqual(counted, {
      action: 'counter-advanced',
      actor: { kind: 'marble', type: 'web', uuid: marble, certificate, evidence: null },
      counter: 'n',
      former: '0',
      value: '7',
    })
  })

  test('what a page shows is what its records say, and they hold no secret', async () => {
    const { entries } = await page()
    for (const { record, time, audit } of entries) {
      assert.deepEqual(JSON.parse(record), { v: 1, time, audit })
    }
    const shown = JSON.stringify(entries)
    for (const secret of [planted, base64(planted)]) assert.ok(!shown.includes(secret))
  })

  test('pages follow each other, and each hash from what docs/format.md says', async () => {
    const all = await page('?limit=1000')
    const pieces: Entry[] = []
    let next: number | null = 1
    while (next !== null) {
      const piece: Page = await page(`?from=${next}&limit=2`)
      assert.ok(piece.entries.length <= 2)
      assert.equal(piece.previousHash, next === 1 ? all.previousHash : all.entries[next - 2]?.hash)
      pieces.push(...piece.entries)
      next = piece.next
    }
    assert.deepEqual(pieces, all.entries)
    assert.deepEqual(all.head, { sequence: 6, hash: all.entries[5]?.hash })
    const framed = (...parts: Buffer[]): string => {
      const pieces = parts.map((part) => {
        const length = Buffer.alloc(4)
        length.writeUInt32BE(part.length)
        return Buffer.concat([length, part])
      })
      return createHash('sha256').update(Buffer.concat(pieces)).digest('hex')
    }
    const number = (value: number): Buffer => Buffer.from(value.toString(16).padStart(16, '0'), 'hex')
    const hex = (text: string): Buffer => Buffer.from(text, 'hex')
    let hash = framed(Buffer.from('taw ledger v1'), hex(all.ledger))
    assert.equal(all.previousHash, hash)
    for (const { sequence, epoch, record, sealedDigest, hash: given } of all.entries) {
      const said = [hex(hash), Buffer.from(record), hex(sealedDigest)]
      hash = framed(Buffer.from('taw ledger entry v1'), number(sequence), number(epoch), ...said)
      assert.equal(given, hash, `entry ${sequence}`)
    }
  })

  test('the end, what lies beyond it, and what is no number', async () => {
    const end = await page('?from=7')
    assert.deepEqual([end.entries, end.next, end.previousHash], [[], null, end.head.hash])
    const beyond = await page('?from=1000')
    assert.deepEqual([beyond.entries, beyond.next, beyond.previousHash], [[], null, null])
    assert.equal((await page('?limit=5000')).entries.length, 6)
    for (const query of [
      'from=0',
      'from=-1',
      'from=x',
      'from=1.5',
      'from=',
      'limit=0',
      'limit=1e3',
      'from=9007199254740993',
    ]) {
      const { status, text } = await get(coordinator.clientPort, `/api/v2/audit?${query}`)
      assert.equal(status, 400, query)
      const { status: kind, message } = JSON.parse(text) as { status: string; message: string }
      assert.equal(kind, 'fail')
      assert.match(message, /must be a whole number from 1/)
    }
    assert.equal((await get(coordinator.clientPort, '/api/v2/audit', { method: 'POST' })).status, 405)
    assert.equal((await get(coordinator.clientPort, '/audit')).status, 405)
  })

  test('the update log has the lines of the original, byte for byte, and none of ours', async () => {
    const { text } = await get(coordinator.clientPort, '/update')
    const { data } = JSON.parse(text) as { data: string }
    const { entries } = await page()
    const [set, secret, packages, update] = entries
    const fingerprintOfUpdate = update?.audit['fingerprint']
    assert.equal(
      data,
      [
        `{"time":"${set?.time}","update":"Initial manifest set"}\n`,
        `{"time":"${secret?.time}","update":"Secret set","user":"alice","secret":"token","type":"plain"}\n`,
        `{"time":"${packages?.time}","update":"SecurityVersion increased","user":"alice","package":"pkg","new version":2}\n`,
        `{"time":"${update?.time}","update":"Complete Manifest update initiated by user. No further acknowledgements required","user":"alice","manifestFingerprint":"${String(fingerprintOfUpdate)}"}\n`,
        `{"time":"${update?.time}","update":"Complete Manifest updated","manifestFingerprint":"${String(fingerprintOfUpdate)}"}\n`,
      ].join(''),
    )
  })

  test('log lines name the user and the certificate', () => {
    const lines = coordinator.output.split('\n').filter((line) => line.includes('"user"'))
    const said = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(
      said.map(({ msg, user, certificate }) => [msg, user, certificate]),
      ['secrets set', 'packages updated', 'manifest updated', 'secrets read'].map((message) => [
        message,
        'alice',
        fingerprint(alice),
      ]),
    )
    assert.ok(!coordinator.output.includes(planted) && !coordinator.output.includes(base64(planted)))
  })

  test('taw audit prints what it verified: for scripts, and for people', async () => {
    const { entries, head } = await page()
    const host = `127.0.0.1:${coordinator.clientPort}`
    const json = await folder.taw(['audit', host, '-i'])
    assert.equal(json.code, 0, json.stderr)
    const lines = json.stdout.trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as unknown),
      entries.map(({ sequence, epoch, time, audit, hash }) => ({ sequence, epoch, time, audit, hash })),
    )
    assert.match(json.stderr, /The chain is whole from record 1 to 6 of 6/)
    assert.match(json.stderr, new RegExp(`--known 6:${head.hash}`))
    const text = await folder.taw(['audit', host, '-i', '--format', 'text', '--from', '2', '--limit', '1'])
    assert.equal(
      text.stdout,
      `2 ${entries[1]?.time} user "alice" certificate="${fingerprint(alice)}" secrets-written ` +
        'secrets=[{"name":"token","type":"plain"}]\n',
    )
    const file = await folder.taw(['audit', host, '-i', '-o', folder.file('audit.jsonl'), '--from', '99'])
    assert.equal(file.code, 0)
    assert.match(file.stderr, /There is no record 99 yet: the ledger ends with record 6/)
  })

  test('taw audit finds a hash that was noted, and says when it is gone', async () => {
    const { entries } = await page()
    const host = `127.0.0.1:${coordinator.clientPort}`
    const hashOf = (sequence: number): string => entries[sequence - 1]?.hash ?? ''
    // Known before, within and after what is printed.
    for (const known of [1, 4, 6]) {
      const args = [
        'audit',
        host,
        '-i',
        '--from',
        '4',
        '--limit',
        '1',
        '--known',
        `${known}:${hashOf(known)}`,
      ]
      const found = await folder.taw(args)
      assert.equal(found.code, 0, found.stderr)
      assert.equal(found.stdout.trimEnd().split('\n').length, 1)
      assert.match(found.stderr, new RegExp(`Record ${known} has the hash that was known`))
    }
    const rewritten = await folder.taw(['audit', host, '-i', '--known', `3:${hashOf(4)}`])
    assert.equal(rewritten.code, 1)
    assert.match(
      rewritten.stderr,
      /Error: Verifying the audit log: entry 3 has hash .* was known: it, or an entry before/,
    )
    assert.equal(rewritten.stdout, '')
    const gone = await folder.taw(['audit', host, '-i', '--known', `60:${hashOf(4)}`])
    assert.equal(gone.code, 1)
    assert.match(gone.stderr, /ends with record 6, but record 60 was known/)
    for (const args of [
      ['--known', '3'],
      ['--from', '0'],
      ['--limit', 'x'],
      ['--format', 'yaml'],
    ]) {
      const wrong = await folder.taw(['audit', host, '-i', ...args])
      assert.equal(wrong.code, 1, args.join(' '))
      assert.match(wrong.stderr, /Error: .*must be/)
    }
  })
})

test('before a manifest there is no audit log, and the startup manifest is its own actor', async () => {
  using folder = makeCliFolder()
  await using coordinator = await TestCoordinator.start()
  const { status, text } = await get(coordinator.clientPort, '/api/v2/audit')
  assert.equal(status, 500)
  assert.match(text, /no manifest is set/)
  writeFileSync(folder.file('manifest.json'), manifestWith({ Marbles: { web: { Package: 'pkg' } } }))
  await coordinator.restart('SIGTERM', { EDG_STARTUP_MANIFEST: folder.file('manifest.json') })
  const answer = await get(coordinator.clientPort, '/api/v2/audit')
  const { data } = JSON.parse(answer.text) as { data: Page }
  assert.deepEqual(data.entries[0]?.audit['actor'], { kind: 'startup' })
})
