import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { findEvidence } from '@taw/attestation'
import { FlagValues } from '../arguments/flag.ts'
import { CliError } from '../errors.ts'
import { openCollateral } from './collateral.ts'

const data = path.resolve(import.meta.dirname, '../../../attestation/testdata/other')
const evidence = findEvidence(readFileSync(path.join(data, 'snp-report.bin')))

const open = (env: Readonly<Record<string, string>>) =>
  openCollateral({
    env,
    args: [],
    flags: new FlagValues(),
    stdout: () => undefined,
    stderr: () => undefined,
    exit: (code) => assert.fail(`exit ${code}`),
  })

test('what the Coordinator gives along is the last resort, and none where a source was named', () => {
  for (const [env, accepts] of [
    [{}, true],
    [{ TAW_PCCS_URL: 'off' }, true],
    [{ TAW_PCCS_URL: 'off', TAW_KDS_URL: 'off' }, true],
    [{ TAW_PCCS_URL: 'https://pccs.example' }, false],
    [{ TAW_PCCS_URL: 'off', TAW_KDS_URL: 'https://kds.example' }, false],
    [{ TAW_COLLATERAL: data }, false],
    [{ TAW_COLLATERAL: data, TAW_PCCS_URL: 'off' }, false],
  ] as const) {
    using opened = open(env)
    assert.equal(opened.acceptFromCoordinator, accepts, JSON.stringify(env))
  }
})

test('off asks nobody', async () => {
  using opened = open({ TAW_PCCS_URL: 'off', TAW_KDS_URL: 'off' })
  assert.ok(evidence)
  await assert.rejects(opened.source.forEvidence(evidence), {
    name: 'CollateralUnavailable',
    reason: 'offline',
  })
})

test('a URL that is none, and a file that is not there, are errors', () => {
  for (const env of [{ TAW_PCCS_URL: 'http://pccs.example' }, { TAW_COLLATERAL: '/nonexistent' }]) {
    assert.throws(() => open(env), CliError)
  }
})
