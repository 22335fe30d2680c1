// npm runs this after installing: builds with the pinned Node where npm could install one.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const pinnedNode = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))
const build = fileURLToPath(new URL('./build.ts', import.meta.url))
if (existsSync(pinnedNode)) {
  const { status } = spawnSync(pinnedNode, ['--disable-warning=ExperimentalWarning', build], {
    stdio: 'inherit',
  })
  // The launchers run the sources when there is no build, so an install must not fail over it.
  if (status !== 0) console.error('taw: the build failed; the commands run from the sources')
}
