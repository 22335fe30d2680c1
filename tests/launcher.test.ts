import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, suite, test } from 'node:test'

const root = path.resolve(import.meta.dirname, '..')
const launcher = 'packages/cli/bin/taw'

// A checkout with a program that tells how it was started. The launcher and its script are the real ones.
const checkout = mkdtempSync(path.join(tmpdir(), 'taw-launcher-'))
after(() => {
  rmSync(checkout, { recursive: true })
})
for (const folder of [
  'scripts',
  'packages/cli/bin',
  'packages/cli/dist',
  'packages/cli/src',
  'node_modules/.bin',
]) {
  mkdirSync(path.join(checkout, folder), { recursive: true })
}
for (const file of [launcher, 'scripts/launch.sh'])
  copyFileSync(path.join(root, file), path.join(checkout, file))
symlinkSync(process.execPath, path.join(checkout, 'node_modules/.bin/node'))
writeFileSync(
  path.join(checkout, 'packages/cli/dist/main.js'),
  `const { env, pid, argv } = process
   process.stdout.write(JSON.stringify({ env, pid, args: argv.slice(2) }))
   if (argv[2] === 'fail') process.exit(7)
   if (argv[2] === 'die') process.kill(pid, 'SIGTERM')`,
)
// In node_modules/.bin commands are links.
symlinkSync(path.join(checkout, launcher), path.join(checkout, 'node_modules/.bin/taw'))

interface Started {
  readonly env: Record<string, string>
  readonly pid: number
  readonly args: readonly string[]
}

/** @param shell what stands for `sh`; undefined: what the first line of the launcher names */
function launch(shell: string | undefined, args: readonly string[], env: Record<string, string>) {
  const file = path.join(checkout, 'node_modules/.bin/taw')
  const [command = file, ...words] = shell === undefined ? [] : [...shell.split(' '), file]
  const { stdout, stderr, status, signal, pid } = spawnSync(command, [...words, ...args], {
    env,
    encoding: 'utf8',
  })
  assert.equal(stderr, '')
  const started = JSON.parse(stdout) as Started
  return { started, status, signal, pid }
}

const isThere = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

for (const shell of [undefined, 'dash', 'bash --posix', 'busybox sh']) {
  const missing = shell !== undefined && !isThere(shell.replace(/ .*/, ''))
  suite(`launched by ${shell ?? 'sh'}`, { skip: missing && `this machine has no ${shell}` }, () => {
    const PATH = process.env['PATH'] ?? ''

    test('the environment arrives as it was', () => {
      const env = {
        PATH,
        'MY-VAR': 'dashed',
        'a.b': `it's "quoted"\n$HOME \`two\` \\lines\n`,
        '1st': '',
        '-i': 'like an option',
        ümlaut: 'ä',
        // What a launcher might use itself.
        root: 'r',
        node: 'n',
        package: 'p',
        entry: 'e',
        here: 'h',
        built: 'b',
        IFS: ':',
        OPTIND: '5',
        PPID: '1',
      }
      const added = ['PWD', 'OLDPWD', 'SHLVL', '_']
      const arrived = Object.entries(launch(shell, [], env).started.env)
      // Shells may add some of their own; nothing of it comes from the caller.
      assert.deepEqual(Object.fromEntries(arrived.filter(([name]) => !added.includes(name))), env)
    })

    test('arguments arrive as they were', () => {
      const args = ['run', '--', 'a b', '', "it's", '*', '$PATH', '-x=1']
      assert.deepEqual(launch(shell, args, { PATH, 'MY-VAR': '1' }).started.args, args)
      assert.deepEqual(launch(shell, args, { PATH }).started.args, args)
    })

    test('the program stands in the place of the launcher: its process, its exit code, its signal', () => {
      for (const env of [{ PATH }, { PATH, 'MY-VAR': '1' }]) {
        const failed = launch(shell, ['fail'], env)
        assert.equal(failed.started.pid, failed.pid)
        assert.equal(failed.status, 7)
        assert.equal(launch(shell, ['die'], env).signal, 'SIGTERM')
      }
    })
  })
}
