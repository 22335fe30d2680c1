import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipWithoutShared } from '../support/shared.ts'
import { fuzzEvidence } from './evidence.ts'

test(
  'mutated evidence and collateral of any kind: refused in words',
  { skip: skipWithoutShared },
  async () => {
    const report = await fuzzEvidence(1000, 11)
    assert.equal(report.inputs, 1000)
  },
)
