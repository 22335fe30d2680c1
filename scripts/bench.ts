/** `npm run bench [-- NAME …]`: runs the benchmarks in bench/, all of them or the named ones. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { buildAll } from './build.ts'

const root = path.resolve(import.meta.dirname, '..')
await buildAll()
const named = process.argv.slice(2)
const all = readdirSync(path.join(root, 'bench')).map((file) => path.basename(file, '.ts'))
for (const name of named.length > 0 ? named : all.sort()) {
  const { status } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', path.join(root, 'bench', `${name}.ts`)],
    { cwd: root, stdio: 'inherit' },
  )
  if (status !== 0) process.exit(status ?? 1)
}
