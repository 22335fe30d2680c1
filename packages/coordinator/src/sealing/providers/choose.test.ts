import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { ConfigError, type Environment, readConfig } from '../../config.ts'
import { chooseProtection } from './choose.ts'

/** A folder with these of Gramine's key files. */
function keyFolder(t: TestContext, ...names: readonly string[]): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'taw-choose-'))
  t.after(() => {
    rmSync(folder, { recursive: true })
  })
  for (const name of names) writeFileSync(path.join(folder, name), Buffer.alloc(16, 1))
  return folder
}

const gramineFiles = ['_sgx_mrenclave', '_sgx_mrsigner'] as const

const kindOf = (env: Environment, keys: string): string =>
  chooseProtection(readConfig(env, '/'), keys).sealing.kind

test('in simulation the provider is that of simulation, unless another one is chosen', (t) => {
  const keys = keyFolder(t, ...gramineFiles)
  assert.equal(kindOf({ OE_SIMULATION: '1' }, keys), 'simulation')
  for (const kind of ['simulation', 'none', 'gramine', 'tpm']) {
    assert.equal(kindOf({ OE_SIMULATION: '1', TAW_SEALING: kind }, keys), kind)
  }
})

test('outside of simulation Gramine is detected by both of its keys, and nothing else is', (t) => {
  assert.equal(kindOf({}, keyFolder(t, ...gramineFiles)), 'gramine')
  for (const names of [[], ['_sgx_mrenclave'], ['_sgx_mrsigner']]) {
    assert.throws(
      () => kindOf({}, keyFolder(t, ...names)),
      (error) => {
        assert.ok(error instanceof ConfigError)
        assert.match(error.message, /^TAW_SEALING is not set, and ".*" has no keys of Gramine/)
        assert.match(error.message, /set it to one of none, gramine, tpm/)
        return true
      },
    )
  }
})

test('outside of simulation what was chosen counts, but never the open key of simulation', (t) => {
  const keys = keyFolder(t)
  for (const kind of ['none', 'gramine', 'tpm']) assert.equal(kindOf({ TAW_SEALING: kind }, keys), kind)
  for (const simulation of [undefined, '0', 'true', '']) {
    assert.throws(() => kindOf({ OE_SIMULATION: simulation, TAW_SEALING: 'simulation' }, keys), {
      name: 'ConfigError',
      message: /TAW_SEALING is "simulation", which protects nothing and needs OE_SIMULATION=1/,
    })
  }
})

test('there is a rollback anchor where one is configured', () => {
  const rollbackOf = (env: Environment) =>
    chooseProtection(readConfig({ OE_SIMULATION: '1', ...env }, '/')).rollback
  assert.equal(rollbackOf({}), undefined)
  assert.equal(rollbackOf({ TAW_ROLLBACK_ANCHOR: 'none' }), undefined)
  assert.equal(rollbackOf({ TAW_ROLLBACK_ANCHOR: 'tpm' })?.anchor.name, 'TPM counter 0x1807461')
  const adopted = rollbackOf({
    TAW_ROLLBACK_ANCHOR: 'tpm',
    TAW_TPM_COUNTER_INDEX: '0x01800001',
    TAW_ROLLBACK_ANCHOR_ADOPT: 'aB'.repeat(32),
  })
  assert.equal(adopted?.anchor.name, 'TPM counter 0x1800001')
  assert.deepEqual(adopted.adopt, new Uint8Array(32).fill(0xab))
})

test('settings that can’t be used are refused by name, value and what they should be', () => {
  const refusals: [Environment, RegExp][] = [
    [{ TAW_SEALING: 'sgx' }, /^TAW_SEALING is "sgx"; it must be one of simulation, none, gramine, tpm$/],
    [{ TAW_ROLLBACK_ANCHOR: 'etcd' }, /^TAW_ROLLBACK_ANCHOR is "etcd"; it must be "none" or "tpm"$/],
    [
      { TAW_TPM_COUNTER_INDEX: '25195617' },
      /^TAW_TPM_COUNTER_INDEX is "25195617"; .* 0x1800000 to 0x1bfffff/,
    ],
    [{ TAW_TPM_COUNTER_INDEX: '0x1c00000' }, /must be an NV index in the owner's range/],
    [{ TAW_TPM_COUNTER_INDEX: '0x17fffff' }, /must be an NV index in the owner's range/],
    [
      { TAW_TPM_PCRS_PRODUCT_KEY: '0,16' },
      /^TAW_TPM_PCRS_PRODUCT_KEY: "0,16" is no list of PCRs: "16" must be/,
    ],
    [{ TAW_TPM_PCRS_UNIQUE_KEY: 'all' }, /^TAW_TPM_PCRS_UNIQUE_KEY: "all"/],
    [
      { TAW_ROLLBACK_ANCHOR: 'tpm', TAW_ROLLBACK_ANCHOR_ADOPT: 'newest' },
      /^TAW_ROLLBACK_ANCHOR_ADOPT is "newest"; it must be the hash of the newest record/,
    ],
    [
      { TAW_ROLLBACK_ANCHOR_ADOPT: 'ab'.repeat(32) },
      /is set, but no anchor; set TAW_ROLLBACK_ANCHOR=tpm too/,
    ],
  ]
  for (const [env, message] of refusals) {
    assert.throws(() => readConfig(env, '/'), { name: 'ConfigError', message })
  }
  const { tpmPcrs } = readConfig({ TAW_TPM_PCRS_PRODUCT_KEY: '0-2,7', TAW_TPM_PCRS_UNIQUE_KEY: '' }, '/')
  assert.deepEqual(tpmPcrs, { ProductKey: [0, 1, 2, 7], UniqueKey: undefined })
})
