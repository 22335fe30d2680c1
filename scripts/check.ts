/** `npm run check [-- --skip NAME,NAME]`: everything that CI runs. */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { parseArgs } from 'node:util'

const root = path.resolve(import.meta.dirname, '..')
const bin = (name: string): string => path.join(root, 'node_modules/.bin', name)
const script = (name: string): string[] => [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  `scripts/${name}.ts`,
]

const checks: Readonly<Record<string, readonly string[]>> = {
  format: [bin('prettier'), '--check', '--log-level', 'warn', '.'],
  types: [bin('tsc'), '-p', 'tsconfig.json'],
  lint: [bin('eslint'), '--max-warnings', '0', '.'],
  imports: [bin('depcruise'), '--config', '.dependency-cruiser.cjs', 'packages', 'tests', 'scripts'],
  test: script('test'),
  slow: [...script('test'), '--slow'],
  demo: script('demo'),
}

const { values } = parseArgs({ options: { skip: { type: 'string', default: '' } } })
const skipped = new Set(values.skip.split(','))
const failed: string[] = []
for (const [name, [command = '', ...args]] of Object.entries(checks)) {
  if (skipped.has(name)) continue
  console.log(`check: ${name}`)
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${path.join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}` },
  })
  if (status !== 0) failed.push(name)
}
if (failed.length > 0) {
  console.error(`check: failed: ${failed.join(', ')}`)
  process.exit(1)
}
console.log('check: all passed')
