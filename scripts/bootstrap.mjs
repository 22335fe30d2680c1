// The first thing that `npm test`, `npm run demo` and `npm run check` start, on whatever Node the machine has (20 or
// newer): installs what the lock file says if that has not happened yet, then goes on in the pinned Node.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..')
const lockFile = path.join(root, 'package-lock.json')
const installed = path.join(root, 'node_modules/.package-lock.json')
const pinnedNode = path.join(root, 'node_modules/.bin/node')

if (
  !existsSync(pinnedNode) ||
  !existsSync(installed) ||
  statSync(installed).mtimeMs < statSync(lockFile).mtimeMs
) {
  console.error('taw: installing what package-lock.json names …')
  // Only errors: that packages want a newer Node than this one is no news, they will run on the pinned one.
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}
if (!existsSync(pinnedNode)) {
  console.error(
    `taw: npm installed no Node for ${process.platform}-${process.arch}; Taw runs on Linux, x64 and arm64`,
  )
  process.exit(1)
}
const [task, ...args] = process.argv.slice(2)
run(pinnedNode, ['--disable-warning=ExperimentalWarning', path.join(root, 'scripts', `${task}.ts`), ...args])

function run(command, args) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error) throw error
  if (signal || status !== 0) process.exit(status ?? 1)
}
