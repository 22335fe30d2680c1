import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipWithoutShared } from '../support/shared.ts'
import { fuzz } from './attestation.ts'

test('2,000 mutated vectors: refused in words, or what they were', { skip: skipWithoutShared }, async () => {
  const { inputs, slowestMilliseconds } = await fuzz(2000, 20_251_122)
  assert.equal(inputs, 2000)
  // The limit is 50 ms (`node tests/fuzz/attestation.ts` keeps it); here others may be testing on the same cores.
  assert.ok(slowestMilliseconds < 500, `${slowestMilliseconds} ms`)
})
