import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { intelVerifier, parseCertificateChain } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { EvidenceUnavailable, detectEvidenceProvider } from '@taw/evidence'
import { temporaryFolder } from '../../../tests/support/marble-process.ts'
import { kitOptions } from './command.ts'
import type { KitDescription } from './kit.ts'

const command = path.join(import.meta.dirname, '../bin/tee-kit')

function start(t: TestContext, args: readonly string[]): ChildProcessByStdio<Writable, Readable, Readable> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], signal: t.signal })
  child.on('error', () => undefined)
  t.after(() => child.kill('SIGKILL'))
  return child
}

test('as a process: devices that providers of another process use, a description, faults, an orderly end', async (t) => {
  const folder = path.join(temporaryFolder(t), 'kit')
  const child = start(t, ['--folder', folder, '--sgx', 'marble={"isvSvn":7}', '--tdx', 'guest'])
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  assert.equal((await lines.next()).value, 'ready')
  const kit = JSON.parse(readFileSync(path.join(folder, 'kit.json'), 'utf8')) as KitDescription
  const { marble, guest } = kit.devices
  assert.ok(marble && guest)
  assert.equal(marble.identity['SecurityVersion'], 7)

  const verifier = intelVerifier({ crypto: nodeCrypto, anchors: parseCertificateChain(kit.intelRoot) })
  const sgx = await detectEvidenceProvider({
    gramineRoot: marble.root,
    tsmRoot: guest.root,
    timeoutMs: 120_000,
  })
  const tdx = await detectEvidenceProvider({ gramineRoot: folder, tsmRoot: guest.root, timeoutMs: 120_000 })
  for (const provider of [sgx, tdx]) {
    const evidence = await provider.quote(Buffer.alloc(64, 5))
    assert.ok(evidence)
    const { quote } = await verifier.authenticateQuote(evidence.evidence, [], new Date())
    assert.equal(quote.kind, provider.kind)
  }

  child.stdin.write(
    'fault marble garbage\nfault service down tcb-info\nfault nobody empty\nfault marble odd\n',
  )
  assert.equal((await lines.next()).value, 'ok')
  assert.equal((await lines.next()).value, 'ok')
  assert.match(String((await lines.next()).value), /error: there is no device "nobody"/)
  assert.match(String((await lines.next()).value), /error: "odd" is no fault; there are hang/)
  await assert.rejects(sgx.quote(Buffer.alloc(64)), EvidenceUnavailable)

  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit')) as [number | null]
  assert.equal(code, 0)
  assert.equal(existsSync(marble.root), false)
})

test('a command line that is not understood is refused, and says why', () => {
  for (const [args, message] of [
    [[], /--folder is missing/],
    [['--folder', 'x', '--sgx', 'a', '--tdx', 'a'], /"a" is there twice/],
    [['--folder', 'x', '--sgx', 'a={"mrEnclave":"11"}'], /"mrEnclave" is unknown or malformed/],
    [['--folder', 'x', '--tdx', 'a={"isvSvn":1}'], /"isvSvn" is unknown/],
    [['--folder', 'x', '--sgx', '../a'], /no name for a device/],
    [['--folder', 'x', '--port', 'y'], /"y" is no number/],
    [['--folder', 'x', '--other'], /--other/],
  ] as const) {
    assert.throws(() => kitOptions(args), message)
  }
})
