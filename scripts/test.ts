/** `npm test [-- FILE …]`: builds, then runs the tests (all of them, or the named files). */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import path from 'node:path'
import { buildAll } from './build.ts'

const root = path.resolve(import.meta.dirname, '..')
await buildAll()
const named = process.argv.slice(2)
const files =
  named.length > 0
    ? named
    : globSync(['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts'], { cwd: root }).sort()
const { status } = spawnSync(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--test',
    '--test-timeout=300000',
    '--test-concurrency=3',
    ...files,
  ],
  { cwd: root, stdio: 'inherit' },
)
process.exit(status ?? 1)
