import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCrashCampaign } from './campaigns/crash-campaign.ts'

/** Its ten rounds are of all kinds but the long one; `npm run campaign:crash` has a thousand. */
const seed = 348

test('kill -9 of a real Coordinator at any moment loses nothing that was answered', async (t) => {
  const result = await runCrashCampaign({ rounds: 10, seed })
  t.diagnostic(
    `${result.rounds} rounds, ${result.answered} changes answered, ${result.inFlight} in flight, seed ${seed}`,
  )
  assert.deepEqual(result.problems, [], `kept in ${result.kept ?? ''}`)
  assert.ok(result.answered > 0)
})
