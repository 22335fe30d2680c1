import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { coordinatorCommand } from './support/coordinator.ts'
import { sharedPath, skipWithoutShared } from './support/shared.ts'

/** Topics of later work: updates, recovery, counters, signed quotes, metrics. */
const later =
  /^(package-update|full-update|recovery-|monotonic-counter|sign-quote|metrics|seal-unique|roles-permissions|restart-keeps|activate-secrets-other)/

test('recorded scenarios pass, but for the listed divergences', { skip: skipWithoutShared }, async () => {
  const folder = sharedPath('golden/rest')
  const scenarios = readdirSync(folder)
    .filter((name) => name.endsWith('.json') && !later.test(name))
    .map((name) => path.join(folder, name))
  const replay = spawn(
    process.execPath,
    [
      sharedPath('tools/replay.mjs'),
      '--command',
      coordinatorCommand,
      '--quiet',
      '--divergences',
      path.resolve(import.meta.dirname, 'replay-divergences.json'),
      ...scenarios,
    ],
    { env: { ...process.env, TAW_PKI_CURVE: 'P-384' }, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let output = ''
  replay.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [code] = (await once(replay, 'close')) as [number | null]
  assert.match(output, /^\d+ passed, 0 failed/m, output)
  assert.equal(code, 0, output)
})
