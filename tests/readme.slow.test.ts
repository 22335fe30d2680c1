/** The tour of README.md, run as it stands there: all its commands, in one shell. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { freePort } from './support/coordinator.ts'

const root = path.resolve(import.meta.dirname, '..')

function tourCommands(): string {
  const [, tour = ''] =
    /^## A tour.*?$(.*?)^## /ms.exec(readFileSync(path.join(root, 'README.md'), 'utf8')) ?? []
  return [...tour.matchAll(/^ {4}(.*)\n/gm)].map(([, line = '']) => line).join('\n')
}

test('every command of the tour in README.md does what is said there', async (t) => {
  const [clientPort, meshPort] = [await freePort(), await freePort()]
  const folder = mkdtempSync(path.join(tmpdir(), 'taw-tour-'))
  const commands = tourCommands()
    .replaceAll('/tmp/tour', `${folder}/tour`)
    .replaceAll('4433', String(clientPort))
  const shell = spawn('bash', ['-e', '-u', '-o', 'pipefail', '-c', commands], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      // In place of the ports of the tour, which may be in use here.
      EDG_COORDINATOR_CLIENT_ADDR: `localhost:${clientPort}`,
      EDG_COORDINATOR_MESH_ADDR: `localhost:${meshPort}`,
      EDG_MARBLE_COORDINATOR_ADDR: `localhost:${meshPort}`,
    },
  })
  t.after(() => {
    try {
      // The whole group: a Coordinator that the shell left behind too.
      process.kill(-(shell.pid ?? 0), 'SIGKILL')
    } catch {
      // All of it has ended.
    }
    rmSync(folder, { recursive: true })
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    shell[name].setEncoding('utf8').on('data', (text: string) => (output[name] += text))
  }
  const [code] = (await once(shell, 'exit')) as [number | null]
  assert.equal(code, 0, output.stdout + output.stderr)
  const said = [
    /^2: Waiting/m,
    /^The manifest is set$/m,
    /^The secrets are set$/m,
    /^hunter2, key of 32 hex digits$/m,
    /cert\.pem$/m,
    /^issuer=.*Intermediate CA$/m,
    /^1 \S+ anonymous manifest-set/m,
    /^3 \S+ marble type="hello".* marble-activated/m,
    /^3: The manifest is set/m,
  ]
  for (const expected of said) assert.match(output.stdout, expected)
  const secrets = readFileSync(path.join(folder, 'tour/secrets.json'), 'utf8')
  assert.ok(secrets.includes(Buffer.from('hunter2').toString('base64')))
})
