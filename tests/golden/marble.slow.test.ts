/**
 * The marble's side as recorded (golden/environment/marble.json), against a mesh API of our own and real processes;
 * TTLS configurations, parameters and the certificate request from their own recordings.
 *
 * Where `taw run` is meant to differ, the case is named in `differences` with the reason.
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'

import { AsnConvert } from '@peculiar/asn1-schema'
import { SubjectAlternativeName } from '@peculiar/asn1-x509'

import {
  activate,
  MarbleError,
  parseAddress,
  parseMarbleNames,
  SecretBytes,
} from '../../packages/marble/src/index.ts'
import { noEvidence } from '../../packages/evidence/src/index.ts'
import { certificationRequestInfo } from '../../packages/marble/src/identity/identity.ts'
import { mergeEnvironment } from '../../packages/marble/src/runner/environment.ts'
import { writeFiles } from '../../packages/marble/src/runner/files.ts'
import { checkTtls } from '../../packages/marble/src/runner/ttls.ts'
import { requestedNames } from '../support/fake-authority.ts'
import { meshError, startFakeMesh, type FakeAnswer, type FakeMesh } from '../support/fake-mesh.ts'
import { runMarbleProcess, temporaryFolder, type MarbleResult } from '../support/marble-process.ts'
import { readShared, skipWithoutShared } from '../support/shared.ts'

interface MarbleCase {
  readonly id: string
  readonly given: {
    readonly type?: string | null
    readonly uuidFile?: string
    readonly commandLine?: readonly string[]
    readonly EDG_LOG_FORMAT?: string
    readonly EDG_MARBLE_DNS_NAMES?: string
  }
  readonly expect: {
    readonly fails?: true
    readonly args?: readonly string[]
    readonly env?: Readonly<Record<string, string>>
    readonly filesInWorkingFolder?: Readonly<Record<string, { mode: string; kind?: string }>>
  }
}

interface Recording {
  readonly environmentBefore: Readonly<Record<string, string>>
  readonly cases: readonly MarbleCase[]
  readonly namesInTheMarbleCertificate: readonly {
    readonly EDG_MARBLE_DNS_NAMES: string | null
    readonly subjectAltNames?: readonly Readonly<Record<string, string>>[]
    readonly fails?: true
  }[]
}

/** Where ours is meant to differ from the recorded case. */
const differences = {
  ttls:
    'the recorded runtime puts TLS on the sockets; taw run can not, and refuses unless TAW_MARBLE_TTLS=application says ' +
    'that the application does it',
  'coordinator-down':
    'one try, no waiting: ours waits 30 s by default, and does as recorded with TAW_MARBLE_RETRY_SECONDS=0',
  './marble':
    'without Argv the recorded runtime (EGo) makes the arguments this one word; ours keeps the command line',
} as const

/** An application that ignores its name and goes on, so that its arguments and environment can be looked at. */
const application = '/usr/bin/yes'

const lowerUuid = '6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d'

/** File contents for the words with which the recording describes them; undefined: a path in a missing folder. */
const uuidFileContents = new Map<string, string>([
  ['lower-case UUID and a newline', `${lowerUuid}\n`],
  ['upper-case UUID', lowerUuid.toUpperCase()],
  ['32 hex digits', lowerUuid.replaceAll('-', '')],
  ['', ''],
  ['xyz', 'xyz'],
])

interface Started {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** What the kernel says about the process: the application itself need not tell. */
function lookAt(child: ChildProcess): Started {
  const strings = (name: string): string[] =>
    readFileSync(`/proc/${child.pid}/${name}`, 'utf8').split('\0').slice(0, -1)
  const env = strings('environ').map((text): [string, string] => {
    const at = text.indexOf('=')
    return [text.slice(0, at), text.slice(at + 1)]
  })
  return { args: strings('cmdline'), env: Object.fromEntries(env) }
}

/** Runs `taw run`; a started application is looked at and ended. */
async function start(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
  workingFolder: string,
): Promise<{ started: Started | undefined; result: MarbleResult }> {
  let started: Started | undefined
  const result = await runMarbleProcess({
    command,
    environment,
    workingFolder,
    onStart: (child) => {
      child.stdout?.once('data', () => {
        started = lookAt(child)
        child.kill('SIGKILL')
      })
    },
  })
  return { started, result }
}

/** The recorded manifest's grants; paths below `<base>` are below the working folder here. */
function grantsFor(type: string, base: string): FakeAnswer {
  const ttls = (incoming: object): FakeAnswer => ({
    env: { MARBLE_TTLS_CONFIG: JSON.stringify({ tls: { Incoming: incoming, Outgoing: {} } }) },
  })
  const answers: Readonly<Record<string, FakeAnswer>> = {
    m: {
      files: { [`${base}/out/deep/f`]: 'data', [`${base}/pre/existing`]: 'new', [`${base}/rel`]: 'r' },
      env: { OWN: 'v', KEEP: 'manifest' },
      argv: ['prog', 'a1'],
    },
    n: {},
    r: { files: { 'relative/x': 'y' } },
    t: ttls({ '*:8443': { cacrt: 'c', clicrt: 'c', clikey: 'k', clientAuth: true } }),
    e: ttls({}),
  }
  return answers[type] ?? meshError('PermissionDenied', `there is no marble type "${type}"`)
}

const mode = (file: string): string => (statSync(file).mode & 0o7777).toString(8).padStart(4, '0')

function environmentFor({ id, given }: MarbleCase, recording: Recording, address: string, folder: string) {
  const uuidFile =
    given.uuidFile === undefined
      ? undefined
      : uuidFileContents.has(given.uuidFile)
        ? path.join(folder, 'given-uuid')
        : path.join(folder, 'missing', 'uuid')
  if (uuidFile?.endsWith('given-uuid'))
    writeFileSync(uuidFile, uuidFileContents.get(given.uuidFile ?? '') ?? '')
  const type = given.type === undefined ? 'n' : given.type
  return {
    ...recording.environmentBefore,
    EDG_MARBLE_COORDINATOR_ADDR: address,
    ...(type !== null && { EDG_MARBLE_TYPE: type }),
    ...(uuidFile !== undefined && { EDG_MARBLE_UUID_FILE: uuidFile }),
    ...(given.EDG_LOG_FORMAT !== undefined && { EDG_LOG_FORMAT: given.EDG_LOG_FORMAT }),
    ...(given.EDG_MARBLE_DNS_NAMES !== undefined && { EDG_MARBLE_DNS_NAMES: given.EDG_MARBLE_DNS_NAMES }),
    ...(id === 'coordinator-down' && { TAW_MARBLE_RETRY_SECONDS: '0' }),
  }
}

/** Values that vary from run to run are only required to be there. */
function checkEnvironment(
  actual: Readonly<Record<string, string>>,
  expected: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>>,
): void {
  assert.deepEqual(
    Object.keys(actual).toSorted(),
    [...new Set([...Object.keys(expected), ...Object.keys(given)])].toSorted(),
  )
  for (const [name, value] of Object.entries(expected)) {
    if (value === '<as given>') assert.equal(actual[name], given[name], name)
    else if (value === '<set>') assert.notEqual(actual[name] ?? '', '', name)
    else assert.equal(actual[name], value, name)
  }
}

void test('golden/environment/marble.json', { skip: skipWithoutShared }, async (t) => {
  const recording = readShared('golden/environment/marble.json') as Recording
  const mesh = await startFakeMesh()
  t.after(mesh.close)
  for (const recorded of recording.cases) {
    await t.test(recorded.id, async (t) => {
      await checkCase(t, recorded, recording, mesh)
    })
  }
})

async function checkCase(
  t: TestContext,
  recorded: MarbleCase,
  recording: Recording,
  mesh: FakeMesh,
): Promise<void> {
  const { id, given, expect } = recorded
  const folder = temporaryFolder(t)
  mkdirSync(path.join(folder, 'pre'))
  writeFileSync(path.join(folder, 'pre/existing'), 'old and longer', { mode: 0o644 })
  // Nothing listens on port 1 of the loopback interface.
  const address = id === 'coordinator-down' ? '127.0.0.1:1' : mesh.address
  const environment: Record<string, string> = environmentFor(recorded, recording, address, folder)
  mesh.answerWith(grantsFor(environment['EDG_MARBLE_TYPE'] ?? '', folder))
  const command = [application, ...(given.commandLine ?? [])]

  const seenBefore = mesh.seen.length
  if (id === 'again') {
    await start(command, environment, folder)
    writeFileSync(path.join(folder, 'pre/existing'), 'old and longer')
  }
  let { started, result } = await start(command, environment, folder)
  if (id === 'ttls') {
    assert.equal(started, undefined, differences.ttls)
    assert.equal(result.exitCode, 78)
    environment['TAW_MARBLE_TTLS'] = 'application'
    ;({ started, result } = await start(command, environment, folder))
  }

  if (expect.fails) {
    assert.equal(started, undefined, 'the application is not started')
    if (id === 'coordinator-down') assert.match(result.stderr, /1 attempt,/, differences[id])
    assert.ok(result.exitCode !== null && result.exitCode > 0)
    assert.match(result.stderr, /fatal: /)
    return
  }
  assert.ok(started, result.stderr)
  const args = expect.args?.[0] === './marble' && expect.args.length === 1 ? command : expect.args
  assert.deepEqual(started.args, args, differences['./marble'])
  checkEnvironment(started.env, expect.env ?? {}, environment)
  for (const [name, { mode: expected, kind }] of Object.entries(expect.filesInWorkingFolder ?? {})) {
    assert.equal(mode(path.join(folder, name)), expected, name)
    assert.equal(statSync(path.join(folder, name)).isDirectory(), kind === 'folder')
  }
  const uuids = mesh.seen.slice(seenBefore).map(({ uuid }) => uuid)
  assert.equal(new Set(uuids).size, 1, 'the UUID stays the same')
  if (given.uuidFile !== undefined) assert.deepEqual(uuids, [lowerUuid])
  else assert.equal(readFileSync(path.join(folder, 'uuid'), 'latin1'), uuids[0])
  if (given.type === 'm') checkFilesOfM(folder)
  if (given.EDG_LOG_FORMAT === 'json') {
    for (const line of result.stderr.trimEnd().split('\n')) {
      assert.deepEqual(Object.keys(JSON.parse(line) as object), ['level', 'ts', 'caller', 'msg'])
    }
  }
}

/** `filesOf` of the recording, with quirks.md: a file that was there becomes 0600 too. */
function checkFilesOfM(folder: string): void {
  for (const [name, content] of [
    ['out/deep/f', 'data'],
    ['pre/existing', 'new'],
    ['rel', 'r'],
  ] as const) {
    assert.equal(readFileSync(path.join(folder, name), 'utf8'), content)
    assert.equal(mode(path.join(folder, name)), '0600', name)
  }
  for (const name of ['out', 'out/deep']) assert.equal(mode(path.join(folder, name)), '0700', name)
  assert.deepEqual(readdirSync(folder).toSorted(), ['out', 'pre', 'rel', 'uuid'])
}

void test(
  'golden/environment/marble.json: names in the certificate request',
  { skip: skipWithoutShared },
  async (t) => {
    const recording = readShared('golden/environment/marble.json') as Recording
    const mesh = await startFakeMesh()
    t.after(mesh.close)
    for (const {
      EDG_MARBLE_DNS_NAMES: text,
      subjectAltNames,
      fails,
    } of recording.namesInTheMarbleCertificate) {
      if (fails) {
        assert.throws(() => parseMarbleNames(text ?? undefined), MarbleError)
        continue
      }
      await activate({
        coordinator: parseAddress(mesh.address),
        marbleType: 'n',
        uuid: lowerUuid,
        names: parseMarbleNames(text ?? undefined),
        evidence: noEvidence,
      })
      const requested = requestedNames(mesh.seen.at(-1)?.csr ?? new Uint8Array())
      assert.ok(requested)
      const names = Array.from(
        AsnConvert.parse(requested, SubjectAlternativeName),
        ({ dNSName, iPAddress }) => (dNSName === undefined ? { iPAddress } : { dNSName }),
      )
      assert.deepEqual(names, subjectAltNames, String(text))
    }
  },
)

void test('golden/certificates/marble.json: the request of the field', { skip: skipWithoutShared }, () => {
  const cases = readShared('golden/certificates/marble.json') as readonly { id: string; csrDer: string }[]
  const recorded = Buffer.from(cases.find(({ id }) => id === 'as-premain')?.csrDer ?? '', 'hex')
  // Outer header (4), header of the contents (3), version (3), empty subject (2), then a P-384 key of 120 octets.
  const spki = recorded.subarray(12, 132)
  const contents = certificationRequestInfo(spki, parseMarbleNames(undefined))
  assert.deepEqual(Buffer.from(contents), recorded.subarray(4, 4 + contents.length))
})

interface TtlsCase {
  readonly id: string
  readonly expect: {
    readonly MARBLE_TTLS_CONFIG?: { readonly tls: Readonly<Record<'Incoming' | 'Outgoing', object>> }
  }
}

void test(
  'golden/environment/ttls.json: every configuration is honoured or refused',
  { skip: skipWithoutShared },
  async (t) => {
    const { cases } = readShared('golden/environment/ttls.json') as { cases: readonly TtlsCase[] }
    for (const { id, expect } of cases) {
      await t.test(id, () => {
        const config = expect.MARBLE_TTLS_CONFIG
        const text = config === undefined ? undefined : JSON.stringify(config)
        const connections = Object.keys({ ...config?.tls.Incoming, ...config?.tls.Outgoing })
        const check = (applicationDoesTtls: boolean) => () => {
          checkTtls(text, applicationDoesTtls)
        }
        if (text === undefined) {
          check(false)()
        } else if (connections.length === 0) {
          for (const declared of [false, true]) assert.throws(check(declared), { code: 'grant_inapplicable' })
        } else {
          check(true)()
          assert.throws(check(false), (error) => {
            assert.ok(error instanceof MarbleError && error.code === 'ttls_unsupported')
            for (const connection of connections) assert.ok(error.message.includes(connection), connection)
            return true
          })
        }
      })
    }
  },
)

interface ParametersCase {
  readonly id: string
  readonly expect: {
    readonly files: Readonly<Record<string, string>>
    readonly env: Readonly<Record<string, '<set>' | { readonly hex: string }>>
  }
}

void test(
  'golden/environment/parameters.json: files and variables arrive unchanged',
  { skip: skipWithoutShared },
  async (t) => {
    const workingFolder = temporaryFolder(t)
    for (const { id, expect } of readShared(
      'golden/environment/parameters.json',
    ) as readonly ParametersCase[]) {
      const env = Object.entries(expect.env).flatMap(([name, value]) =>
        value === '<set>' ? [] : [[name, new SecretBytes(Buffer.from(value.hex, 'hex'))] as const],
      )
      if (id === 'parameters-env-name-odd') {
        // The Coordinator sends a variable without a name; no process can have one.
        assert.throws(() => mergeEnvironment({}, new Map(env)), { code: 'grant_inapplicable' })
        env.splice(
          env.findIndex(([name]) => name === ''),
          1,
        )
      }
      const merged = mergeEnvironment({}, new Map(env))
      for (const [name, value] of env)
        assert.deepEqual(Buffer.from(merged[name] ?? ''), Buffer.from(value.reveal()), id)

      // Recorded paths are absolute; here they lie below a folder of the test.
      const files = Object.entries(expect.files).map(
        ([name, hex]) => [path.join(workingFolder, name), Buffer.from(hex, 'hex')] as const,
      )
      await writeFiles(new Map(files.map(([name, bytes]) => [name, new SecretBytes(bytes)])), {
        workingFolder,
      })
      for (const [name, bytes] of files) assert.deepEqual(readFileSync(name), bytes, id)
    }
  },
)
