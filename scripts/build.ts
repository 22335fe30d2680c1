/**
 * Bundles what ships: one file for the Coordinator, one with lazy parts for the CLI. Tests, demo and launchers run
 * the bundles; without them the launchers fall back to the sources.
 */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { build } from 'esbuild'

const root = path.resolve(import.meta.dirname, '..')

/** What `taw version` prints; unknown outside of a checkout. */
function commit(): string {
  const { stdout, status } = spawnSync('git', ['rev-parse', '--short=12', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim() : 'unknown'
}

const common = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  sourcemap: 'linked',
  legalComments: 'linked',
  define: { TAW_COMMIT: JSON.stringify(commit()) },
  logLevel: 'warning',
  // Packages written in CommonJS call require() for Node's own modules.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
} as const

export async function buildAll(): Promise<void> {
  await Promise.all([
    build({
      ...common,
      entryPoints: [path.join(root, 'packages/coordinator/src/main.ts')],
      outfile: path.join(root, 'packages/coordinator/dist/main.js'),
    }),
    build({
      ...common,
      entryPoints: [path.join(root, 'packages/cli/src/main.ts')],
      outdir: path.join(root, 'packages/cli/dist'),
      splitting: true,
    }),
  ])
}

if (import.meta.main) await buildAll()
