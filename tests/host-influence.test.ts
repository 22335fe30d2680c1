/** What whoever starts the Coordinator, or may send it signals, tries in order to look inside. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { coordinatorCommand, get, TestCoordinator } from './support/coordinator.ts'
import { manifestWith, setManifest } from './support/mesh-client.ts'

const coordinatorMain = path.resolve(import.meta.dirname, '../packages/coordinator/src/main.ts')

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'taw-host-'))
  t.after(() => {
    rmSync(folder, { recursive: true })
  })
  return folder
}

interface Ended {
  readonly code: number | null
  readonly errors: string
}

async function runToEnd(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  t: TestContext,
): Promise<Ended> {
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    cwd: temporaryFolder(t),
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    signal: t.signal,
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  await once(child, 'close')
  return { code: child.exitCode, errors }
}

suite('the environment, outside of simulation', () => {
  test('what takes effect before the Coordinator does, and what it sees itself', async (t) => {
    // All names: packages/coordinator/src/process-hardening.test.ts.
    const values = { NODE_OPTIONS: '--no-warnings', LD_PRELOAD: '/nowhere.so', SSLKEYLOGFILE: 'keys.log' }
    for (const [name, value] of Object.entries(values)) {
      const { code, errors } = await runToEnd([coordinatorCommand], { [name]: value }, t)
      assert.equal(code, 1)
      assert.match(errors, new RegExp(`${name} is set, which `))
      assert.doesNotMatch(errors, /nothing can vouch/)
    }
  })

  test('a program in NODE_OPTIONS is not run, in simulation neither', async (t) => {
    const folder = temporaryFolder(t)
    const trace = path.join(folder, 'trace')
    const program = `import fs from 'node:fs'; fs.writeFileSync(${JSON.stringify(trace)}, '')`
    const options = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}` }
    await runToEnd([coordinatorCommand], options, t)
    await using coordinator = await TestCoordinator.start({ env: options })
    assert.equal((await get(coordinator.clientPort, '/api/v2/status')).status, 200)
    assert.ok(!existsSync(trace))
    // That the program would have left one:
    await runToEnd([process.execPath, '-e', '0'], options, t)
    assert.ok(existsSync(trace))
  })

  test('a debugger is refused', async (t) => {
    const { code, errors } = await runToEnd(
      [process.execPath, '--inspect=127.0.0.1:0', coordinatorMain],
      {},
      t,
    )
    assert.equal(code, 1)
    assert.match(errors, /a debugger listens/)
  })

  test('a TPM that is elsewhere, or a program, is refused', async (t) => {
    const { code, errors } = await runToEnd([coordinatorCommand], { TAW_TPM_TCTI: 'cmd:sh' }, t)
    assert.equal(code, 1)
    assert.match(errors, /TAW_TPM_TCTI is .*must be a device of this machine/)
  })
})

suite('signals', () => {
  const commands: Readonly<Record<string, readonly string[]>> = {
    'as installed': [coordinatorCommand],
    'without the launcher': [process.execPath, '--disable-warning=ExperimentalWarning', coordinatorMain],
  }
  for (const [name, command] of Object.entries(commands)) {
    test(`SIGUSR1 opens no debugger, SIGUSR2 writes nothing: ${name}`, async (t) => {
      // In a folder of its own, where a report or a snapshot would land.
      const folder = temporaryFolder(t)
      await using coordinator = await TestCoordinator.start({
        command: ['/bin/sh', '-c', `cd ${folder} && exec "$@"`, 'sh', ...command],
      })
      process.kill(coordinator.pid, 'SIGUSR1')
      // Node's thread says so on standard error as soon as it listens.
      for (let count = 0; count < 20; count++) await get(coordinator.clientPort, '/api/v2/status')
      assert.doesNotMatch(coordinator.output, /Debugger/)
      process.kill(coordinator.pid, 'SIGUSR2')
      await coordinator.stop()
      assert.deepEqual(readdirSync(folder), [])
    })
  }

  test('a core dump holds no memory', async (t) => {
    const folder = temporaryFolder(t)
    const marker = 'planted-secret-in-memory-4711'
    await using coordinator = await TestCoordinator.start({
      command: ['/bin/sh', '-c', `cd ${folder} && ulimit -c unlimited; exec "$@"`, 'sh', coordinatorCommand],
    })
    const marbles = { m: { Package: 'pkg', Parameters: { Env: { X: marker } } } }
    await setManifest(coordinator.clientPort, manifestWith({ Marbles: marbles }))
    const filter = readFileSync(`/proc/${coordinator.pid}/coredump_filter`, 'latin1')
    assert.equal(Number.parseInt(filter, 16), 0)
    await coordinator.stop('SIGSEGV')
    // Whether there is a dump at all is for the system to say (limits, core_pattern).
    for (const file of readdirSync(folder)) {
      const dump = readFileSync(path.join(folder, file))
      t.diagnostic(`the dump has ${dump.length} bytes`)
      assert.ok(!dump.includes(marker))
    }
  })
})
