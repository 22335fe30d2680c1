import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { FlagValues } from '../arguments/flag.ts'
import { CliError } from '../errors.ts'
import { openCollateral } from './collateral.ts'

const data = path.resolve(import.meta.dirname, '../../../attestation/testdata/other')

const open = (env: Readonly<Record<string, string>>) =>
  openCollateral({
    env,
    args: [],
    flags: new FlagValues(),
    stdout: () => undefined,
    stderr: () => undefined,
    exit: (code) => assert.fail(`exit ${code}`),
  })

test('what the Coordinator gives along counts for who says so, and nobody else', () => {
  for (const [env, isTaken] of [
    [{ TAW_COLLATERAL: 'coordinator' }, true],
    [{ TAW_COLLATERAL: 'coordinator', TAW_PCCS_URL: 'https://pccs.example' }, true],
    [{}, false],
    [{ TAW_PCCS_URL: 'https://pccs.example' }, false],
    [{ TAW_COLLATERAL: data }, false],
  ] as const) {
    using opened = open(env)
    assert.equal(opened.source === 'from-coordinator', isTaken, JSON.stringify(env))
  }
})

test('a URL that is none, and a file that is not there, are errors', () => {
  for (const env of [{ TAW_PCCS_URL: 'http://pccs.example' }, { TAW_COLLATERAL: '/nonexistent' }]) {
    assert.throws(() => open(env), CliError)
  }
})
