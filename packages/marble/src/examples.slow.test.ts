/** The examples of docs/marbles.md, run as they stand there. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'

import { startFakeMesh, type FakeMesh } from '../../../tests/support/fake-mesh.ts'
import { runMarbleProcess, temporaryFolder } from '../../../tests/support/marble-process.ts'
import { exitCodeOf } from './runner/exit-code.ts'

const root = path.resolve(import.meta.dirname, '../../..')
const guide = readFileSync(path.join(root, 'docs/marbles.md'), 'utf8')
const examples = [...guide.matchAll(/```js\n(.*?)```/gs)].map(([, code = '']) => code)

/** Writes an example to a folder from which `@taw/marble` is found, as in a user's project. */
function program(t: TestContext, containing: string): string {
  const code = examples.find((example) => example.includes(containing))
  assert.ok(code, `there is an example with "${containing}"`)
  const folder = temporaryFolder(t)
  mkdirSync(path.join(folder, 'node_modules'))
  symlinkSync(path.join(root, 'node_modules/@taw'), path.join(folder, 'node_modules/@taw'))
  const file = path.join(folder, 'example.mjs')
  writeFileSync(file, code)
  return file
}

async function meshFor(t: TestContext): Promise<FakeMesh> {
  const mesh = await startFakeMesh()
  t.after(mesh.close)
  return mesh
}

const settings = (
  mesh: FakeMesh,
  type: string,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> => ({
  EDG_MARBLE_TYPE: type,
  EDG_MARBLE_COORDINATOR_ADDR: mesh.address,
  ...more,
})

void test('the client talks to the server, both under taw run', async (t) => {
  const mesh = await meshFor(t)
  const serverFile = program(t, 'admitOnly')
  const clientFile = program(t, 'serverTypes')
  const listening = Promise.withResolvers<string>()
  // The example does not say where it listens; port 0 and one more line do.
  const report = "\nserver.on('listening', () => console.log(`port ${server.address().port}`))\n"
  writeFileSync(serverFile, readFileSync(serverFile, 'utf8') + report)
  let stop = (): void => undefined
  const serving = runMarbleProcess({
    command: [process.execPath, serverFile],
    environment: settings(mesh, 'db', { PORT: '0' }),
    workingFolder: path.dirname(serverFile),
    onStart: (child) => {
      stop = () => child.kill('SIGKILL')
      child.stdout?.on('data', (text: string) => {
        const port = /port (\d+)/.exec(text)?.[1]
        if (port !== undefined) listening.resolve(port)
      })
    },
  })
  t.after(() => {
    stop()
  })
  const PORT = await Promise.race([listening.promise, serving.then(({ stderr }) => assert.fail(stderr))])
  const call = (type: string): ReturnType<typeof runMarbleProcess> =>
    runMarbleProcess({
      command: [process.execPath, clientFile],
      environment: settings(mesh, type, { PORT }),
      workingFolder: path.dirname(clientFile),
    })
  const admitted = await call('web')
  assert.equal(admitted.stdout, `hello web ${mesh.seen.at(-1)?.uuid}`, admitted.stderr)
  const other = await call('cache')
  assert.equal(other.stdout, '')
  assert.notEqual(other.exitCode, 0)
  stop()
  await serving
})

void test('a program that activates itself', async (t) => {
  const mesh = await meshFor(t)
  const file = program(t, 'await activate(')
  // `taw run` would do the same once more; here it only sets the stage.
  const result = await runMarbleProcess({
    command: [process.execPath, file],
    environment: settings(mesh, 'web'),
    workingFolder: path.dirname(file),
  })
  assert.match(
    result.stdout,
    /MARBLE_PREDEFINED_PRIVATE_KEY.*\n-----BEGIN CERTIFICATE-----\n$/,
    result.stderr,
  )
  assert.equal(mesh.seen.length, 2)
})

void test('the guide names every exit code', () => {
  const table = guide.slice(guide.indexOf('### Exit codes'), guide.indexOf('## TLS between marbles'))
  for (const code of Object.values(exitCodeOf)) assert.match(table, new RegExp(`\\b${code}\\b`))
})
