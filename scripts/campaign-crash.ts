/** `npm run campaign:crash [-- --rounds N --seed N]`: builds, then kills a Coordinator N times under load. */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { runCrashCampaign } from '../tests/campaigns/crash-campaign.ts'
import { buildAll } from './build.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seed: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds ?? 1000)
const seed = Number(values.seed ?? randomInt(2 ** 32))
if (!Number.isSafeInteger(rounds) || !Number.isSafeInteger(seed) || rounds < 1) {
  console.error('campaign:crash: --rounds and --seed take whole numbers')
  process.exit(2)
}
await buildAll()
console.log(`crash campaign: ${rounds} rounds, seed ${seed}`)
const result = await runCrashCampaign({
  rounds,
  seed,
  onRound: (round, plan, { answered, inFlight }) => {
    if (round % 50 === 0 || values.verbose) {
      console.log(`round ${round} (${plan}): ${answered} answered, ${inFlight} in flight`)
    }
  },
})
const plans = [...result.plans].map(([plan, count]) => `${plan} ${count}`).join(', ')
console.log(`rounds ${result.rounds} (${plans})`)
console.log(
  `changes answered ${result.answered}, in flight at a kill ${result.inFlight}, refused ${result.refused}`,
)
console.log(`lost or otherwise wrong ${result.problems.length}`)
console.log(`duration ${(result.milliseconds / 1000).toFixed(1)} s, seed ${result.seed}`)
for (const problem of result.problems.slice(0, 20)) console.error(problem)
if (result.kept !== undefined) {
  console.error(
    `kept in ${result.kept}; again: npm run campaign:crash -- --seed ${seed} --rounds ${result.rounds}`,
  )
  process.exit(1)
}
