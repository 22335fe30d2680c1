import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipWithoutShared } from '../support/shared.ts'
import { fuzzOtherKinds } from './attestation-amd-nitro-azure-cca.ts'

test(
  'mutated evidence is refused with EvidenceInvalid, or was not altered where it counts',
  { skip: skipWithoutShared },
  async () => {
    const report = await fuzzOtherKinds(2000, 7)
    assert.equal(report.inputs, 2000)
  },
)
