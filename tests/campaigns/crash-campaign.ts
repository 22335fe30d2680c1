import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Tally } from './changes.ts'
import { makePeople, type People } from './manifests.ts'
import { Random } from './random.ts'
import { type Plan, Victim } from './victim.ts'

export interface CampaignOptions {
  /** Times that the Coordinator is killed. */
  readonly rounds: number
  readonly seed: number
  /** Gets told about each round that ended. */
  readonly onRound?: (round: number, plan: string, tally: Tally) => void
}

export interface CampaignResult extends Tally {
  readonly rounds: number
  readonly seed: number
  readonly milliseconds: number
  /** How often each plan was carried out. */
  readonly plans: ReadonlyMap<string, number>
  /** What is wrong; empty: nothing answered was lost, and nothing else is amiss. */
  readonly problems: readonly string[]
  /** Where the failed round is kept. */
  readonly kept: string | undefined
}

/** Entries after which a directory is left for an empty one, since reading all of them takes its time. */
const longEnough = 6000

/**
 * Kills a real Coordinator again and again while clients work with it, each time at another moment, and compares what
 * is there afterwards with what the clients were answered.
 *
 * The seed decides what is done, not how the processes' threads run: the same seed makes the same kind of rounds.
 */
export async function runCrashCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const campaign = new Campaign(options, await makePeople())
  return await campaign.run()
}

class Campaign {
  readonly #options: CampaignOptions
  readonly #problems: string[] = []
  readonly #base = mkdtempSync(path.join(tmpdir(), 'taw-crash-'))
  readonly #tally: Tally = { answered: 0, inFlight: 0, refused: 0 }
  readonly #plans = new Map<string, number>()
  readonly #victim: Victim

  constructor(options: CampaignOptions, people: People) {
    this.#options = options
    this.#victim = new Victim(people, this.#base, this.#tally, (problem) => this.#problems.push(problem))
  }

  async run(): Promise<CampaignResult> {
    const { rounds, seed, onRound } = this.#options
    const began = performance.now()
    let round = 0
    while (round < rounds && !this.#hasFailed()) {
      round++
      // What a round does follows from the seed and its number, whatever the rounds before came to.
      const random = new Random(seed + round * 0x9e3779b1)
      const plan = this.#choosePlan(random)
      this.#plans.set(plan, (this.#plans.get(plan) ?? 0) + 1)
      try {
        const tally = await this.#victim.round(plan, random)
        onRound?.(round, plan, tally)
      } catch (error) {
        this.#problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
      }
      if (this.#hasFailed()) this.#keep(round, plan)
    }
    const hasFailed = this.#hasFailed()
    if (!hasFailed) rmSync(this.#base, { recursive: true })
    return {
      ...this.#tally,
      rounds: round,
      seed,
      milliseconds: performance.now() - began,
      plans: this.#plans,
      problems: this.#problems,
      kept: hasFailed ? this.#base : undefined,
    }
  }

  #hasFailed(): boolean {
    return this.#problems.length > 0
  }

  #choosePlan(random: Random): Plan {
    const victim = this.#victim
    const isLong = victim.deployment.changes.settled > longEnough
    if (isLong || random.chance(0.04)) victim.newDirectory()
    if (victim.deployment.inForce === undefined) return 'first-manifest'
    const dice = random.next()
    if (dice < 0.1) return 'start'
    if (dice < 0.2) return 'shutdown'
    if (dice < 0.28) return victim.deployment.currentShares() === undefined ? 'load' : 'recovery'
    if (dice < 0.33) return 'replacement'
    return dice < 0.34 ? 'compaction' : 'load'
  }

  #keep(round: number, plan: Plan): void {
    const { seed } = this.#options
    const text = [
      `seed ${seed}, round ${round} (${plan}): npm run campaign:crash -- --seed ${seed} --rounds ${round}`,
      `the directory as the last kill left it: after-kill; now: ${path.basename(this.#victim.directory)}`,
      ...this.#problems,
      'the last log:',
      this.#victim.log,
    ]
    writeFileSync(path.join(this.#base, 'problems.txt'), `${text.join('\n')}\n`)
  }
}
