import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { InspectedRecord } from '../../packages/coordinator/src/ledger/inspect.ts'
import { auditOf, type Tally } from './changes.ts'
import { checkService } from './checks.ts'
import { ClientConnection } from './client.ts'
import { copyAside, isSwitching, Life, recordsOf, replacedFolder } from './coordinator-lives.ts'
import { Deployment } from './deployment.ts'
import { Load, type Profile, profiles } from './load.ts'
import type { People } from './manifests.ts'
import { Random } from './random.ts'
import { recover, setFirstManifest } from './single-requests.ts'

/** Milliseconds after which replaced secrets are compacted away (`maintenance.ts`). */
const compactionDelay = 5000

/** What the Coordinator is doing when it is killed. */
export type Plan =
  'load' | 'start' | 'shutdown' | 'recovery' | 'replacement' | 'compaction' | 'first-manifest'

/**
 * One seal directory and the deployment that lives in it: a round starts a Coordinator, kills it in the middle of what
 * the plan says, and compares what the ledger holds with what was answered.
 */
export class Victim {
  /** The log of the last Coordinator that did not come up. */
  log = ''
  readonly #people: People
  readonly #base: string
  readonly #report: (problem: string) => void
  readonly #total: Tally
  /** Of this round. */
  #random = new Random(0)
  #directories = 0
  #directory = ''
  #deployment: Deployment
  /** A sealed key was taken away, and stands there; the state can come back by recovery, or by putting it back. */
  #takenKey: string | undefined
  /** Milliseconds that starts take. */
  #startTime = 300

  /**
   * @param base the folder for its directories
   * @param total what all rounds came to is counted there
   */
  constructor(people: People, base: string, total: Tally, report: (problem: string) => void) {
    this.#people = people
    this.#base = base
    this.#total = total
    this.#report = report
    this.#deployment = this.newDirectory()
  }

  get deployment(): Deployment {
    return this.#deployment
  }

  get directory(): string {
    return this.#directory
  }

  /** Leaves all that was for an empty directory. */
  newDirectory(): Deployment {
    if (this.#directory !== '') rmSync(this.#directory, { recursive: true })
    this.#directory = path.join(this.#base, `seal-${++this.#directories}`)
    mkdirSync(this.#directory)
    this.#takenKey = undefined
    this.#deployment = new Deployment(this.#people, this.#report)
    return this.#deployment
  }

  /** @param random decides all that is left open; what it says follows from the seed and the round alone */
  async round(plan: Plan, random: Random): Promise<Tally> {
    this.#random = random
    switch (plan) {
      case 'first-manifest':
        await this.#firstManifest()
        break
      case 'start':
        await this.#killStart()
        break
      case 'recovery':
        await this.#killRecovery()
        break
      case 'replacement':
        return await this.#killReplacement()
      case 'load':
      case 'shutdown':
      case 'compaction':
        await this.#killLoad(plan)
    }
    return await this.#settle()
  }

  async #firstManifest(): Promise<void> {
    if (this.#random.chance(0.3)) {
      const { change, file } = this.#startupManifest()
      const child = Life.spawn(this.#directory, { EDG_STARTUP_MANIFEST: file })
      const isListening = await Promise.race([
        child.logged('listening').then(() => true),
        setTimeout(this.#random.below(this.#startTime * 1.3)).then(() => false),
      ])
      if (isListening) this.#deployment.changes.end(change, 'answered')
      child.kill('SIGKILL')
      await child.ended
      this.log = child.stderr
      return
    }
    const life = await this.#start()
    const load = this.#newLoad(life)
    const work = Promise.all([1, 2, 3].map(() => setFirstManifest(this.#deployment, this.#random, life)))
    if (this.#random.chance(0.5)) await setTimeout(this.#random.below(60))
    else {
      await work
      const running = load.run(this.#profile())
      await load.until(this.#random.below(50), 200)
      load.isEnding = true
      await life.kill()
      await running
    }
    await life.kill()
    await work
  }

  #startupManifest() {
    const manifest = this.#deployment.nextManifest({
      updateThreshold: 1,
      recoveryThreshold: 0,
      limit: 20,
      rotates: false,
    })
    const file = path.join(this.#base, 'startup-manifest.json')
    writeFileSync(file, manifest.raw)
    return { change: this.#deployment.changes.begin(`set ${manifest.fingerprint}`), file }
  }

  async #killLoad(plan: 'load' | 'shutdown' | 'compaction'): Promise<void> {
    const life = await this.#start()
    const load = this.#newLoad(life)
    const running = load.run(plan === 'compaction' ? profileNamed('secrets') : this.#profile())
    if (plan === 'compaction') await setTimeout(compactionDelay - 200 + this.#random.below(400))
    else await load.until(this.#random.below(this.#random.pick([10, 300])), this.#random.pick([250, 1500]))
    load.isEnding = true
    if (plan === 'shutdown') await life.end(this.#random.below(80))
    else await life.kill()
    await running
  }

  async #killStart(): Promise<void> {
    const child = Life.spawn(this.#directory)
    await setTimeout(this.#random.below(this.#startTime * 1.2))
    child.kill('SIGKILL')
    await child.ended
    this.log = child.stderr
  }

  #recover(life: Life): Promise<'recovered' | 'lost'> {
    return recover(this.#deployment, this.#people.parties, this.#random, life)
  }

  async #killRecovery(): Promise<void> {
    const life = await this.#startWithoutKey()
    const recovering = this.#recover(life)
    recovering.catch(() => undefined)
    await setTimeout(this.#random.below(90))
    await life.kill()
    if ((await recovering) === 'recovered') this.#takenKey = undefined
  }

  /** A new manifest over state that can't be opened; the old state stays aside. */
  async #killReplacement(): Promise<Tally> {
    const former = this.#deployment
    const next = new Deployment(this.#people, this.#report)
    const life = await this.#startWithoutKey()
    const work = setFirstManifest(next, this.#random, life)
    await setTimeout(this.#random.below(90))
    await life.kill()
    await work
    const records = await this.#records()
    const [first] = records
    const isReplaced = first !== undefined && keyIn(next, first)
    if (!isReplaced) {
      this.#count(next.settle([]))
      return this.#count(former.settle(records))
    }
    const aside = replacedFolder(this.#directory)
    const formerRecords = aside === undefined ? undefined : recordsOf(aside)
    if (aside === undefined || formerRecords === undefined) this.#report('the replaced state was not kept')
    this.#count(former.settle(formerRecords ?? []))
    if (aside !== undefined) rmSync(aside, { recursive: true })
    this.#takenKey = undefined
    this.#deployment = next
    return this.#count(next.settle(records))
  }

  #profile(): Profile {
    return this.#random.pick(profiles)
  }

  #newLoad({ ports }: Life): Load {
    const random = new Random(this.#random.below(2 ** 32))
    return new Load(this.#deployment, this.#people, random, ports, this.#report)
  }

  /** Starts without the sealed key: state 1. */
  async #startWithoutKey(): Promise<Life> {
    const life = await this.#start()
    await life.end(10_000)
    const taken = path.join(this.#base, 'taken_key')
    const key = path.join(this.#directory, 'sealed_key')
    copyFileSync(key, taken)
    rmSync(key)
    const sealed = await Life.of(Life.spawn(this.#directory))
    this.#takenKey = taken
    const state = await stateOf(sealed)
    if (state !== 1) this.#report(`without a sealed key the state is ${state}`)
    return sealed
  }

  /** Starts, and checks everything that the Coordinator should still know. */
  async #start(): Promise<Life> {
    const began = performance.now()
    const life = await Life.of(Life.spawn(this.#directory))
    this.#startTime = 0.9 * this.#startTime + 0.1 * (performance.now() - began)
    const { inForce } = this.#deployment
    let state = await stateOf(life)
    if (state === 1 && this.#takenKey !== undefined) {
      if (this.#random.chance(0.5) || this.#deployment.currentShares() === undefined) {
        await life.kill()
        copyFileSync(this.#takenKey, path.join(this.#directory, 'sealed_key'))
        this.#takenKey = undefined
        return await this.#start()
      }
      await this.#recover(life)
      state = await stateOf(life)
    }
    this.#takenKey = undefined
    if (state !== (inForce === undefined ? 2 : 3)) {
      await life.kill()
      this.log = life.process.stderr
      throw new Error(`after the start the state is ${state}`)
    }
    if (inForce === undefined) return life
    await checkService(this.#deployment, this.#people, life.ports, this.#newLoad(life), this.#report)
    return life
  }

  async #settle(): Promise<Tally> {
    return this.#count(this.#deployment.settle(await this.#records()))
  }

  /** Reads the ledger as the kill left it. */
  async #records(): Promise<readonly InspectedRecord[]> {
    copyAside(this.#directory, path.join(this.#base, 'after-kill'))
    if (isSwitching(this.#directory)) {
      const life = await Life.of(Life.spawn(this.#directory))
      await life.kill()
    }
    return recordsOf(this.#directory) ?? []
  }

  #count(tally: Tally): Tally {
    this.#total.answered += tally.answered
    this.#total.inFlight += tally.inFlight
    this.#total.refused += tally.refused
    return tally
  }
}

/** Whether this first record of a ledger is of this deployment. */
function keyIn({ manifests }: Deployment, record: InspectedRecord): boolean {
  const audit = auditOf(record)
  return audit.action === 'manifest-set' && manifests.has(audit.fingerprint)
}

function profileNamed(name: string): Profile {
  return profiles.find((profile) => profile.name === name) ?? profiles[0]
}

async function stateOf({ ports }: Life): Promise<number> {
  using client = await ClientConnection.open(ports.client, undefined)
  const { data } = await client.request('GET', '/api/v2/status')
  return (data as { readonly code: number }).code
}
