/**
 * Random sequences of requests by several people and marbles, two at once now and then, with restarts in between,
 * against the rules of the specification (`test-reference.ts`): same answers, same values, same update log.
 *
 * `npm test` makes some dozens of sequences. More: `TAW_MODEL_RUNS=10000 npm test -- <this file>`; a failure prints its
 * seed and path, which `TAW_MODEL_SEED` and `TAW_MODEL_PATH` repeat.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { contentsOf } from '../ledger/test-ledger.ts'
import { advanceCounter, requireCountingMarble } from './advance-counter.ts'
import { planUpdate } from './plan-update.ts'
import { readSecrets } from './read-secrets.ts'
import { UpdateLog } from './read-update-log.ts'
import { setManifest } from './set-manifest.ts'
import {
  activate,
  openDeployment,
  outcomeOf,
  people,
  type TestDeployment,
  uploadedKey,
} from './test-deployment.ts'
import { type ManifestPlan, manifestPlan, renderPlan } from './test-manifest-plans.ts'
import { type Action, emptyReference, type Expected, expectedOf, type Reference } from './test-reference.ts'
import {
  acknowledgeUpdate,
  cancelUpdate,
  proposeUpdate,
  readPendingUpdate,
  type UpdateProgress,
} from './update-manifest.ts'
import { writeSecrets } from './write-secrets.ts'

/** What came of an action: as {@link Expected}, with values in place of tokens. */
interface Observed {
  readonly refused?: string
  readonly result?: unknown
  readonly values?: Readonly<Record<string, string>>
  readonly certificate?: Uint8Array
}

/** To agree to what is pending then is an action only when its turn comes. */
type Wish =
  | Exclude<Action, { kind: 'acknowledge' }>
  | { readonly kind: 'agree'; readonly who: string; readonly exact: boolean }

interface Marble {
  readonly epoch: number
  readonly id: string
  readonly certificate: Uint8Array
}

/** One way to explain all that came of a sequence so far: the reference, and what was learned of values. */
interface World {
  readonly reference: Reference
  /** Token → value. */
  readonly learned: ReadonlyMap<string, string>
  readonly marbles: readonly Marble[]
}

/** The real thing, and every explanation of what it did: two actions at once may leave more than one for a while. */
class Run {
  readonly deployment: TestDeployment
  worlds: readonly World[] = [{ reference: emptyReference, learned: new Map(), marbles: [] }]

  constructor(deployment: TestDeployment) {
    this.deployment = deployment
  }

  /** Does the actions at the same time; some order of them must explain what came of them. */
  async together(wishes: readonly Wish[]): Promise<void> {
    const actions = wishes.map((wish) => this.#actionOf(wish))
    const observed = await Promise.all(actions.map((action) => this.#observe(action)))
    const orders =
      actions.length === 2
        ? [
            [0, 1],
            [1, 0],
          ]
        : [[0]]
    const attempts = this.worlds.flatMap((world) =>
      orders.map((order) => explain(world, order, actions, observed)),
    )
    const log = await this.#log()
    const found = attempts.filter((one) => typeof one !== 'string')
    const consistent = found.filter(
      ({ reference }) => reference.plan === undefined || sameLog(reference, log),
    )
    const told = (): string => JSON.stringify(actions, bigints)
    assert.ok(
      found.length > 0,
      `${told()}:\n${attempts.filter((one) => typeof one === 'string').join('\nor\n')}`,
    )
    assert.ok(
      consistent.length > 0,
      `${told()}:\n${JSON.stringify([log, found.map((one) => one.reference.log)])}`,
    )
    const different = new Map(consistent.map((world) => [JSON.stringify(world, bigints), world]))
    this.worlds = [...different.values()]
  }

  #actionOf(wish: Wish): Action {
    if (wish.kind !== 'agree') return wish
    const { pendingUpdate } = this.deployment.ports.ledger.state
    const raw = Buffer.from(pendingUpdate?.raw ?? Buffer.from('{}')).toString()
    return { kind: 'acknowledge', who: wish.who, sent: wish.exact ? raw : `${raw}\n` }
  }

  /** The update log in the reference's words. */
  async #log(): Promise<readonly string[]> {
    const { ledger } = this.deployment.ports
    if (ledger.state.manifest === undefined) return []
    const lines = await new UpdateLog(ledger).lines()
    return lines.map((line) => {
      const entry = JSON.parse(line) as Record<string, string>
      const update = (entry['update'] ?? '').replace(/(?<=ed by user)\. .*/, '')
      const words = [
        entry['user'],
        entry['package'] ?? entry['secret'],
        entry['new version'] ?? entry['type'],
      ]
      return [update, ...words].filter((word) => word !== undefined).join(' ')
    })
  }

  async #observe(action: Action): Promise<Observed> {
    const outcome = await outcomeOf(() => this.#perform(action))
    return 'refused' in outcome ? outcome : outcome.result
  }

  async #perform(action: Action): Promise<Observed> {
    const { ports } = this.deployment
    switch (action.kind) {
      case 'set': {
        const { recoverySecrets } = await setManifest(renderPlan(action.plan), { kind: 'anonymous' }, ports)
        return { result: recoverySecrets.size }
      }
      case 'propose':
        return progress(
          await proposeUpdate(certificateOf(action), renderPlan(action.plan, action.salt), ports),
        )
      case 'plan':
        return await this.#rehearse(action)
      case 'raise': {
        const raw = { Packages: { [action.package]: { SecurityVersion: action.version } } }
        await proposeUpdate(certificateOf(action), Buffer.from(JSON.stringify(raw)), ports)
        return { result: 'done' }
      }
      case 'acknowledge':
        return progress(await acknowledgeUpdate(certificateOf(action), Buffer.from(action.sent), ports))
      case 'cancel':
        await cancelUpdate(certificateOf(action), ports)
        return { result: 'done' }
      case 'pending': {
        const { raw, missingUsers } = readPendingUpdate(ports)
        return { result: { raw: Buffer.from(raw).toString(), missingUsers } }
      }
      case 'write': {
        const value = uploadedKey(Buffer.from(action.value, 'base64'))
        await writeSecrets(certificateOf(action), new Map([[action.name, value]]), ports)
        return { result: 'done' }
      }
      case 'read': {
        const secrets = readSecrets(ports, certificateOf(action), action.names)
        const values = [...secrets].map(([name, { value }]) => [
          name,
          value === undefined ? 'none' : Buffer.from(value.private.reveal()).toString('base64'),
        ])
        return { result: 'read', values: Object.fromEntries(values) as Record<string, string> }
      }
      case 'activate': {
        const { env, certificate } = await activate(ports, action.type, action.uuid)
        const named = Object.entries(env).filter(([name]) => /^(?:NOW|PREVIOUS)_/.test(name))
        // The epoch can't be seen, so what is expected of it is not compared.
        return { result: env['FLAVOUR'], values: Object.fromEntries(named), certificate }
      }
      case 'count': {
        const marbles = this.worlds[0]?.marbles ?? []
        const marble = requireCountingMarble(ports.ledger.state, marbles[action.marble]?.certificate)
        const { counter: name, value } = action
        return { result: String(await advanceCounter(marble, { name, value }, ports)) }
      }
    }
  }

  /** A plan changes nothing, whatever else happens at that moment can't be told apart, so only alone it is looked at. */
  async #rehearse(action: Extract<Action, { kind: 'plan' }>): Promise<Observed> {
    const { ports } = this.deployment
    const plan = await planUpdate(certificateOf(action), renderPlan(action.plan, action.salt), ports)
    const missing = plan.acknowledgements?.missing
    return { result: { missing, isPending: plan.pending?.isThisManifest ?? false } }
  }
}

const certificateOf = ({ who }: { readonly who: string }): Uint8Array | undefined =>
  people.find(({ name }) => name === who)?.certificate

const progress = ({ missingAcknowledgments, missingUsers, recoverySecrets }: UpdateProgress): Observed => ({
  result: { missing: missingAcknowledgments, missingUsers, recovery: recoverySecrets?.size ?? 'kept' },
})

const sameLog = ({ log }: Reference, seen: readonly string[]): boolean => log.join('\n') === seen.join('\n')

/** The world after the actions in this order, or why they can't have come in it. */
function explain(
  world: World,
  order: readonly number[],
  actions: readonly Action[],
  observed: readonly Observed[],
): World | string {
  let { reference, learned, marbles } = world
  for (const index of order) {
    const [action, seen] = [actions[index], observed[index]]
    if (action === undefined || seen === undefined) return 'no such action'
    const [expected, next] = expectedOf(reference, action, world.marbles)
    const matched = match(expected, seen, learned)
    if (typeof matched === 'string') return matched
    if (action.kind === 'activate' && seen.certificate !== undefined) {
      const { epoch } = reference
      marbles = [...marbles, { epoch, id: `${action.type} ${action.uuid}`, certificate: seen.certificate }]
    }
    ;[reference, learned] = [next, matched]
  }
  return { reference, learned, marbles }
}

/** What is known of values then, or why what was seen can't be. */
function match(
  expected: Expected,
  seen: Observed,
  learned: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> | string {
  const told = JSON.stringify([expected, seen], bigints)
  if ('refused' in expected) {
    return seen.refused !== undefined && expected.refused.includes(seen.refused) ? learned : told
  }
  if (seen.refused !== undefined || !sameResult(expected.result, seen.result)) return told
  const { tokens = {} } = expected
  const { values = {} } = seen
  if (Object.keys(tokens).sort().join() !== Object.keys(values).sort().join()) return told
  const next = new Map(learned)
  const owners = new Map([...learned].map(([token, value]) => [value, token]))
  for (const [name, token] of Object.entries(tokens)) {
    const value = values[name] ?? ''
    if (token === 'none') {
      if (value !== 'none') return told
    } else if (token.startsWith('=')) {
      if (value !== token.slice(1)) return told
    } else if (token === 'fresh') {
      if (owners.has(value)) return `${name} should be new: ${told}`
      // NOW and PREVIOUS of one activation are the same; at the next it must not come again.
      next.set(`fresh ${next.size}`, value)
    } else {
      const known = next.get(token)
      if (known !== undefined && known !== value) return `${name} should be as before: ${told}`
      const owner = owners.get(value)
      if (owner !== undefined && owner !== token) return `${name} is the value of ${owner}: ${told}`
      next.set(token, value)
      owners.set(value, token)
    }
  }
  return next
}

const sameResult = (expected: unknown, seen: unknown): boolean =>
  typeof expected === 'object' && expected !== null && 'flavour' in expected
    ? expected.flavour === seen
    : JSON.stringify(expected) === JSON.stringify(seen)

const bigints = (_key: string, value: unknown): unknown => {
  if (value instanceof Map) return [...(value as ReadonlyMap<string, unknown>)]
  return typeof value === 'bigint' ? String(value) : value
}

const names = ['a', 'b', 'c']
const uuids = ['11111111-2222-4333-8444-555555555555', '22222222-2222-4333-8444-555555555555']
const who = fc.constantFrom(...people.map(({ name }) => name), 'alice', 'alice', 'bob')
const plan: fc.Arbitrary<ManifestPlan> = manifestPlan(names)
/** Mostly manifests that leave alice her rights, or sequences would end in refusals alone. */
const usualPlan = fc
  .tuple(plan, fc.integer({ min: 0, max: 9 }))
  .map(([wanted, luck]): ManifestPlan =>
    luck === 0 ? wanted : { ...wanted, users: { ...wanted.users, alice: ['m', 'v', 'r', 'w'] } },
  )

const action: fc.Arbitrary<Wish> = fc.oneof(
  fc.record({ kind: fc.constant('set'), plan: usualPlan }),
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('propose'), who, plan: usualPlan, salt: fc.nat(2) }),
  },
  fc.record({ kind: fc.constant('plan'), who, plan: usualPlan, salt: fc.nat(2) }),
  fc.record({
    kind: fc.constant('raise'),
    who,
    package: fc.constantFrom('app', 'app', 'other'),
    version: fc.integer({ min: 1, max: 4 }),
  }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('agree'),
      who,
      exact: fc.constantFrom(true, true, false),
    }),
  },
  fc.record({ kind: fc.constant('cancel'), who }),
  fc.constant({ kind: 'pending' } as const),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('write'),
      who,
      name: fc.constantFrom(...names),
      value: fc
        .constantFrom(16, 16, 16, 5)
        .chain((length) =>
          fc
            .uint8Array({ minLength: length, maxLength: length })
            .map((bytes) => Buffer.from(bytes).toString('base64')),
        ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('read'), who, names: fc.subarray(names, { minLength: 1 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('activate'),
      type: fc.constantFrom('web', 'web', 'job', 'none'),
      uuid: fc.constantFrom(...uuids),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('count'),
      marble: fc.nat(3),
      counter: fc.constantFrom('x', 'y'),
      value: fc.bigInt({ min: 0n, max: 5n }),
    }),
  },
)

class Actions implements fc.AsyncCommand<object, Run> {
  readonly #actions: readonly Wish[]
  constructor(actions: readonly Wish[]) {
    this.#actions = actions
  }

  check = (): boolean => true

  async run(_model: object, run: Run): Promise<void> {
    const { ports } = run.deployment
    const [first] = this.#actions
    const alone = this.#actions.length === 1 && first?.kind === 'plan' ? contentsOf(ports.ledger) : undefined
    await run.together(this.#actions)
    if (alone !== undefined) assert.equal(contentsOf(ports.ledger), alone, 'a plan changes nothing')
  }

  toString = (): string => JSON.stringify(this.#actions, bigints)
}

/** What was answered must be there afterwards; with seal mode `Disabled` nothing would be. */
class Restart implements fc.AsyncCommand<object, Run> {
  check = (): boolean => true

  async run(_model: object, run: Run): Promise<void> {
    const isSealed = ({ reference: { plan: current } }: World): boolean =>
      current !== undefined && current.sealMode !== 'Disabled'
    if (!run.worlds.every(isSealed)) return
    const contents = contentsOf(run.deployment.ports.ledger)
    await run.deployment.restart()
    assert.equal(contentsOf(run.deployment.ports.ledger), contents)
  }

  toString = (): string => 'restart'
}

const runs = Number(process.env['TAW_MODEL_RUNS'] ?? 60)
const seed = process.env['TAW_MODEL_SEED']
const replayPath = process.env['TAW_MODEL_PATH']

test(
  'whatever is asked in whatever order, the answers are those of the rules',
  { timeout: 3_600_000 },
  async () => {
    const first = usualPlan.map((wanted) => new Actions([{ kind: 'set', plan: wanted }]))
    const commands = fc.commands(
      [
        ...[1, 2, 3, 4].map(() => action.map((one) => new Actions([one]))),
        fc.tuple(action, action).map((pair) => new Actions(pair)),
        ...[new Restart()].map((one) => fc.constant(one)),
      ],
      { maxCommands: 40, size: 'max' },
    )
    const folder = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'taw-model-'))
    let sequence = 0
    try {
      await fc.assert(
        fc.asyncProperty(first, commands, async (start, rest) => {
          const directory = path.join(folder, String(sequence++))
          await using deployment = await openDeployment(directory)
          const run = new Run(deployment)
          await start.run({}, run)
          await fc.asyncModelRun(() => ({ model: {}, real: run }), rest)
          rmSync(directory, { recursive: true, force: true })
        }),
        {
          numRuns: runs,
          // A sequence takes a tenth of a second; one that never ends is a finding too. Milliseconds.
          timeout: 120_000,
          ...(seed !== undefined && { seed: Number(seed) }),
          ...(replayPath !== undefined && { path: replayPath }),
        },
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
