import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { activate, open, temporaryFolder } from './test-ledger.ts'

const writer = path.join(import.meta.dirname, 'test-writer.ts')

/** Processes that are killed, each with four ledgers; set TAW_KILLS for more. */
const kills = Number(process.env['TAW_KILLS'] ?? 6)

/** Ledgers that each process writes at once. */
const folders = ['0', '1', '2', '3']
const writers = 16

/**
 * Reads what the process answers, until it has answered `enough` times.
 *
 * @returns how to get the last count that was answered for a folder
 */
async function answersOf(child: ChildProcess, enough: number): Promise<(folder: string) => number> {
  let text = ''
  child.stdout?.setEncoding('utf8')
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: string) => {
      text += chunk
      if (text.split('\n').length > enough) resolve()
    })
    child.once('exit', (code) => {
      reject(new Error(`the writer ended with ${code ?? 'a signal'}`))
    })
  })
  return (folder) => {
    const lines = text.split('\n').slice(0, -1)
    const counts = lines.map((line) => line.split(' ')).filter(([name]) => name === folder)
    return Math.max(0, ...counts.map(([, count]) => Number(count)))
  }
}

test('kill -9 at any moment loses nothing that was answered, and leaves nothing to repair', async (t) => {
  const base = temporaryFolder(t)
  const counts = new Map(folders.map((name) => [name, 0]))
  for (let kill = 0; kill < kills; kill++) {
    const child = spawn(process.execPath, [writer, base, String(writers)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    // At another moment each time: the number of answers varies, and so does what is on its way.
    const lastAnswer = await answersOf(child, 1 + ((kill * 61) % 500))
    child.removeAllListeners('exit')
    child.kill('SIGKILL')
    await once(child, 'close')
    for (const name of folders) {
      const folder = path.join(base, name)
      if (!existsSync(folder)) continue
      const answered = Math.max(lastAnswer(name), counts.get(name) ?? 0)
      const { ledger } = await open(folder)
      assert.equal(ledger.recoveryReason, undefined)
      const found = ledger.state.activations.get('web') ?? 0
      assert.ok(found >= answered && found <= answered + writers, `${found} found, ${answered} answered`)
      assert.equal(ledger.entries(0, 1_000_000).length, ledger.state.manifest === undefined ? 0 : 1 + found)
      if (ledger.state.manifest !== undefined && kill % 2 === 0)
        assert.equal(await activate(ledger), found + 1)
      await ledger.close()
    }
  }
})

for (const ending of ['exit', 'drain']) {
  test(`a process that ends without closing the ledger (${ending}) leaves it whole`, async (t) => {
    const base = temporaryFolder(t)
    const child = spawn(process.execPath, [writer, base, '1', ending], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    await once(child, 'close')
    const { ledger } = await open(path.join(base, '0'))
    assert.equal(ledger.recoveryReason, undefined)
    assert.equal(ledger.state.activations.get('web'), 1)
    await ledger.close()
  })
}
