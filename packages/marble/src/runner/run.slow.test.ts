import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'

import { meshError, startFakeMesh, type FakeMesh } from '../../../../tests/support/fake-mesh.ts'
import {
  runMarbleProcess,
  temporaryFolder,
  type MarbleCall,
  type MarbleResult,
} from '../../../../tests/support/marble-process.ts'
import { commandOf } from './run.ts'

interface Stage {
  readonly mesh: FakeMesh
  readonly folder: string
  readonly run: (
    command: readonly string[],
    environment?: Readonly<Record<string, string>>,
    more?: Partial<MarbleCall>,
  ) => Promise<MarbleResult>
}

async function stage(t: TestContext): Promise<Stage> {
  const mesh = await startFakeMesh()
  t.after(mesh.close)
  const folder = temporaryFolder(t)
  return {
    mesh,
    folder,
    run: (command, environment, more) =>
      runMarbleProcess({
        command,
        environment: { EDG_MARBLE_TYPE: 'm', EDG_MARBLE_COORDINATOR_ADDR: mesh.address, ...environment },
        workingFolder: folder,
        ...more,
      }),
  }
}

const onlyLine = ({ stderr }: MarbleResult): string => {
  const lines = stderr
    .trimEnd()
    .split('\n')
    .filter((line) => !line.includes('simulation:'))
  assert.equal(lines.length, 1, stderr)
  return lines[0] ?? ''
}

void test('the application takes the place of the runner, and its exit code is its own', async (t) => {
  const { mesh, run, folder } = await stage(t)
  mesh.answerWith({ env: { OWN: 'größe' }, files: { f: 'data' } })
  let started: number | undefined
  const result = await run(
    ['/bin/sh', '-c', 'echo "$$ $OWN $0 $1 $(cat f)"; exit 42', 'name', 'ü'],
    {},
    {
      onStart: ({ pid }) => (started = pid),
    },
  )
  assert.deepEqual([result.exitCode, result.stdout], [42, `${started} größe name ü data\n`])
  assert.match(
    result.stderr,
    /^taw run: warn: simulation: .*\ntaw run: activated as .*starting "\/bin\/sh"\n$/,
  )
  assert.equal(readFileSync(path.join(folder, 'uuid'), 'latin1'), mesh.seen[0]?.uuid)
})

void test('the application inherits default signals, blocking streams, and no descriptor of the runner', async (t) => {
  const { run } = await stage(t)
  const probe =
    'grep SigIgn /proc/self/status; grep flags /proc/self/fdinfo/1 /proc/self/fdinfo/2; ls /proc/$$/fd'
  const { stdout } = await run(['/bin/sh', '-c', probe])
  assert.match(stdout, /^SigIgn:\t0+\n/)
  const flags = [...stdout.matchAll(/flags:\t0(\d+)/g)].map(([, octal]) => Number.parseInt(octal ?? '', 8))
  assert.deepEqual(
    flags.map((value) => value & 0o4000),
    [0, 0],
  )
  const descriptors = stdout
    .split('\n')
    .filter((line) => /^\d+$/.test(line))
    .map(Number)
  // The test's own parent may have left descriptors above 15 open, which the runner passes on.
  assert.deepEqual(
    descriptors.filter((descriptor) => descriptor < 16),
    [0, 1, 2],
  )
})

void test("the manifest's PATH finds the application; without Argv the command line stays", async (t) => {
  const { mesh, run } = await stage(t)
  mesh.answerWith({ env: { PATH: '/bin:/usr/bin' } })
  const result = await run(['echo', 'given', ''], { PATH: '/nowhere' })
  assert.equal(result.stdout, 'given \n')
})

void test("Argv replaces all words; the executable is the command line's, or its own first word", async (t) => {
  const { mesh, run } = await stage(t)
  mesh.answerWith({ argv: ['name', '-c', 'tr "\\0" "|" < /proc/$$/cmdline', 'zero'] })
  const given = await run(['/bin/sh', 'dropped'])
  assert.equal(given.stdout, 'name|-c|tr "\\0" "|" < /proc/$$/cmdline|zero|')
  mesh.answerWith({ argv: ['echo', 'from the manifest'] })
  const own = await run([], { PATH: '/bin' })
  assert.equal(own.stdout, 'from the manifest\n')
})

void test('commandOf', () => {
  assert.deepEqual(commandOf(['app', 'a'], []), { executable: 'app', argv: ['app', 'a'] })
  assert.deepEqual(commandOf(['app', 'a'], ['x']), { executable: 'app', argv: ['x'] })
  assert.deepEqual(commandOf([], ['x', 'y']), { executable: 'x', argv: ['x', 'y'] })
  assert.throws(() => commandOf([], []), /nothing to start/)
  assert.throws(() => commandOf(['app'], ['x', 'a\0b']), /argument 1 .*NUL/)
})

void test('what fails has its exit code, and one line that says why', async (t) => {
  const { mesh, run, folder } = await stage(t)
  const cases: [string, Parameters<Stage['run']>, number, RegExp][] = [
    ['no type', [['/bin/true'], { EDG_MARBLE_TYPE: '' }], 78, /EDG_MARBLE_TYPE is not set/],
    ['bad address', [['/bin/true'], { EDG_MARBLE_COORDINATOR_ADDR: 'x' }], 78, /host:port/],
    ['UUID file', [['/bin/true'], { EDG_MARBLE_UUID_FILE: 'missing/uuid' }], 78, /missing\/uuid.*ENOENT/],
    ['no TEE', [['/bin/true'], { TAW_MARBLE_EVIDENCE: 'gramine' }], 125, /Gramine.*ENOENT/],
    ['nothing to start', [[]], 78, /nothing to start/],
    ['not in PATH', [['no-such-app'], { PATH: '/bin' }], 127, /none of the folders of PATH \(\/bin\)/],
    ['not executable', [['/etc/passwd']], 126, /EACCES/],
  ]
  for (const [name, call, exitCode, says] of cases) {
    const result = await run(...call)
    assert.equal(result.exitCode, exitCode, `${name}: ${result.stderr}`)
    assert.match(onlyLine(result), says)
    assert.match(onlyLine(result), /^taw run: fatal: /)
    assert.equal(result.stdout, '')
  }
  mesh.answerWith(meshError('PermissionDenied', 'unknown marble type'))
  const refusedResult = await run(['/bin/true'])
  assert.deepEqual(
    [refusedResult.exitCode, onlyLine(refusedResult).includes('PERMISSION_DENIED')],
    [77, true],
  )
  const before = mesh.seen.length
  const missing = await run([path.join(folder, 'missing')])
  assert.deepEqual([missing.exitCode, mesh.seen.length], [127, before], 'a missing file costs no activation')
})

void test('a Coordinator that is not ready: waiting is said once, then exit code 75', async (t) => {
  const { mesh, run } = await stage(t)
  mesh.answerWith(meshError('FailedPrecondition', 'no manifest yet'))
  const waited = await run(['/bin/true'], { TAW_MARBLE_RETRY_SECONDS: '2' })
  assert.equal(waited.exitCode, 75)
  assert.ok(mesh.seen.length >= 2)
  assert.equal(waited.stderr.match(/waiting up to 2 s for 127/g)?.length, 1, waited.stderr)
  mesh.answerWith(meshError('FailedPrecondition', 'no manifest yet'), {})
  assert.equal((await run(['/bin/true'])).exitCode, 0)
})

for (const [signal, exitCode] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
  ['SIGHUP', 129],
] as const) {
  void test(`${signal} during the activation ends it with ${exitCode}`, async (t) => {
    const { mesh, run } = await stage(t)
    mesh.answerWith(meshError('FailedPrecondition', 'no manifest yet'))
    const result = await run(
      ['/bin/echo', 'started'],
      { TAW_MARBLE_RETRY_SECONDS: '600' },
      {
        onStandardError: (text, child) => {
          if (text.includes('waiting') && !child.killed) child.kill(signal)
        },
      },
    )
    assert.deepEqual([result.exitCode, result.signal, result.stdout], [exitCode, null, ''])
    assert.match(result.stderr, new RegExp(`fatal: ${signal} came before the application was started`))
  })
}

void test('transparent TLS is refused unless the application honours it', async (t) => {
  const { mesh, run } = await stage(t)
  const config = '{"tls":{"Incoming":{"*:8443":{"clikey":"PLANTED"}},"Outgoing":{}}}'
  mesh.answerWith({ env: { MARBLE_TTLS_CONFIG: config }, files: { written: 'x' } })
  const result = await run(['/bin/true'])
  assert.equal(result.exitCode, 78)
  assert.match(onlyLine(result), /transparent TLS \(incoming \*:8443\)/)
  assert.doesNotMatch(result.stderr, /PLANTED/)
  const declared = await run(['/bin/sh', '-c', 'echo "$MARBLE_TTLS_CONFIG"'], {
    TAW_MARBLE_TTLS: 'application',
  })
  assert.equal(declared.stdout, `${config}\n`)
})

void test('no output holds what was granted, whatever goes wrong', async (t) => {
  const { mesh, run } = await stage(t)
  const planted = 'PLANTED-SECRET'
  for (const grant of [
    { env: { X: Buffer.from(`${planted}\xff`, 'latin1') } },
    { env: { X: `${planted}\0` } },
    { env: { 'A=B': planted } },
    { env: { X: planted.repeat(20_000) } },
    { env: { MARBLE_TTLS_CONFIG: planted } },
    { files: { '/proc/none': planted } },
    { argv: ['no-such-app', planted] },
    { argv: ['sh', `${planted}\0`] },
    { files: { x: planted }, env: { X: planted } },
  ]) {
    mesh.answerWith(grant)
    const result = await run(grant.argv === undefined ? ['/bin/true'] : [])
    assert.doesNotMatch(result.stdout + result.stderr, /PLANTED|BEGIN/)
  }
})

void test('EDG_LOG_FORMAT=json: every line is an object', async (t) => {
  const { mesh, run } = await stage(t)
  mesh.answerWith(meshError('PermissionDenied', 'unknown "type"\n'))
  const { stderr } = await run(['/bin/true'], { EDG_LOG_FORMAT: 'json' })
  const lines = stderr
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  assert.deepEqual(
    lines.map((line) => (typeof line === 'object' && line !== null ? Object.keys(line) : line)),
    [
      ['level', 'ts', 'caller', 'msg'],
      ['level', 'ts', 'caller', 'msg'],
    ],
  )
})

void test('inherited text that is not UTF-8 is refused before the activation', async (t) => {
  const { mesh, folder } = await stage(t)
  const runner = path.resolve(import.meta.dirname, '../../../../tests/support/run-marble.ts')
  for (const [script, says] of [
    ['ODD="$(printf "PLANTED\\377")" exec "$@"', /the variable "ODD"/],
    ['exec "$@" "$(printf "PLANTED\\377")"', /word 2 of the command line/],
  ] as const) {
    // Node.js can't make such a process either: a shell does.
    const shell = [
      '-c',
      script,
      'sh',
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      runner,
      '/bin/echo',
    ]
    const { status, stderr } = spawnSync('/bin/sh', shell, {
      cwd: folder,
      env: { EDG_MARBLE_TYPE: 'm', EDG_MARBLE_COORDINATOR_ADDR: mesh.address },
      encoding: 'utf8',
    })
    assert.equal(status, 78, stderr)
    assert.match(stderr, says)
    assert.doesNotMatch(stderr, /PLANTED/)
  }
  assert.equal(mesh.seen.length, 0)
})
