import assert from 'node:assert/strict'
import { test } from 'node:test'
import { manifestBytes, manifestSet, open, temporaryFolder } from '../ledger/test-ledger.ts'
import { loadManifest } from '../manifest/index.ts'
import { advanceCounter } from './advance-counter.ts'

const marble = {
  type: 'web',
  uuid: '11111111-2222-4333-8444-555555555555',
  certificate: 'ab'.repeat(32),
}

test('of two who are on their way to the disk together, the later one sees the earlier, and can not undo it', async (t) => {
  const { ledger } = await open(temporaryFolder(t))
  const manifest = loadManifest(manifestBytes({ Config: { FeatureGates: ['MonotonicCounter'] } }))
  await ledger.transact((state) => {
    const { changes, ...decision } = manifestSet(state)
    return { ...decision, changes: [...changes, { kind: 'manifest', manifest }] }
  })
  // Nobody's entry is durable when the second and third decide.
  const former = await Promise.all(
    [20n, 5n, 30n].map((value) => advanceCounter(marble, { name: 'n', value }, { ledger })),
  )
  assert.deepEqual(former, [0n, 20n, 20n])
  assert.equal(await advanceCounter(marble, { name: 'n', value: 0n }, { ledger }), 30n)
  const said = ledger.entries(1, 10).map(({ audit }) => {
    assert.equal(audit.action, 'counter-advanced')
    return [audit.former, audit.value]
  })
  assert.deepEqual(said, [
    ['0', '20'],
    ['20', '20'],
    ['20', '30'],
  ])
  await ledger.close()
})
