/**
 * `npm test [-- FILE …]`: builds, then runs the tests (all but those of minutes, or the named files).
 * `npm run test:slow`: those of minutes, `*.slow.test.ts`.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import path from 'node:path'
import { buildAll } from './build.ts'

const root = path.resolve(import.meta.dirname, '..')
await buildAll()
const [first, ...rest] = process.argv.slice(2)
const named = first === undefined || first === '--slow' ? rest : [first, ...rest]
const isSlow = (file: string): boolean => file.endsWith('.slow.test.ts')
const all = globSync(['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts'], { cwd: root }).sort()
/** Mostly waits for processes, and longest: the others fill the time. */
const longest = path.join('tests', 'replay.slow.test.ts')
const chosen = all.filter((file) => isSlow(file) === (first === '--slow'))
const files =
  named.length > 0
    ? named
    : [...chosen.filter((file) => file === longest), ...chosen.filter((file) => file !== longest)]
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
