import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { CodecError } from '../state/codec-bytes.ts'
import { type SealContext, SealingError, type SealingProvider } from './provider.ts'
import { gramineSealing } from './providers/gramine.ts'
import { simulationSealing } from './providers/simulation.ts'
import { decodeBlob } from './providers/tpm/blob.ts'

/** What former code sealed (`../ledger/fixtures/README.md` says how): provider and seal mode → hexadecimal. */
const file = path.join(import.meta.dirname, 'fixtures', 'containers-1.json')
const containers = new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>))
const container = (name: string): Buffer => Buffer.from(containers.get(name) ?? assert.fail(name), 'hex')
const associatedData = Buffer.from('ledger 1')

function gramine(t: TestContext): SealingProvider {
  const folder = mkdtempSync(path.join(tmpdir(), 'taw-sealing-'))
  t.after(() => {
    rmSync(folder, { recursive: true })
  })
  writeFileSync(path.join(folder, '_sgx_mrenclave'), Buffer.alloc(16, 1))
  writeFileSync(path.join(folder, '_sgx_mrsigner'), Buffer.alloc(16, 2))
  return gramineSealing(folder)
}

test('what was sealed by former code opens, and one of an unknown version is refused', async (t) => {
  for (const provider of [simulationSealing, gramine(t)]) {
    for (const binding of ['ProductKey', 'UniqueKey'] as const) {
      const context: SealContext = { binding, associatedData }
      const sealed = container(`${provider.kind} ${binding}`)
      const opened = await provider.unseal(sealed, context)
      assert.equal(Buffer.from(opened.reveal()).toString(), 'a key, and another one beside it')
      const newer = Buffer.concat([Buffer.of(2), sealed.subarray(1)])
      await assert.rejects(provider.unseal(newer, context), (error) => {
        assert.ok(error instanceof SealingError)
        assert.match(error.message, /it has version 2; this build reads version 1/)
        return true
      })
    }
  }
})

test('what a TPM sealed for former code is read as it was written', () => {
  const sealed = container('tpm ProductKey')
  const { object, objectBytes, box } = decodeBlob(sealed)
  assert.deepEqual([...object.pcrs.keys()], [0, 7])
  // TPM_ALG_KEYEDHASH, after the length of TPM2B_PUBLIC (TPM 2.0 Library, part 2).
  assert.equal(Buffer.from(object.publicArea).readUInt16BE(2), 0x0008)
  assert.deepEqual(Buffer.concat([objectBytes, box]), sealed)
  assert.equal(box[0], 1)
  assert.throws(() => decodeBlob(Buffer.concat([Buffer.of(2), sealed.subarray(1)])), CodecError)
})
