import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { PlannedSecret, UpdatePlan } from '@taw/protocol'
import { contentsOf } from '../ledger/test-ledger.ts'
import type { Ports } from './ports.ts'
import { planUpdate } from './plan-update.ts'
import { setManifest } from './set-manifest.ts'
import {
  type Activated,
  activate,
  alice,
  bob,
  mallory,
  openDeployment,
  outcomeOf,
  people,
  type TestDeployment,
  uploadedKey,
} from './test-deployment.ts'
import {
  type ManifestPlan,
  manifestPlan,
  renderPlan,
  updatersOf,
  withoutEmptyRoles,
} from './test-manifest-plans.ts'
import { acknowledgeUpdate, proposeUpdate, type UpdateProgress } from './update-manifest.ts'
import { writeSecrets } from './write-secrets.ts'

const uuid = '11111111-2222-4333-8444-555555555555'

async function withDeployment(use: (deployment: TestDeployment) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'taw-plan-'))
  try {
    await using deployment = await openDeployment(path.join(folder, 'seal'))
    await use(deployment)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The update is alice's alone to decide, there is no limit in the way, and the ledger stays where it is. */
const decidable = (plan: ManifestPlan): ManifestPlan => ({
  ...plan,
  users: { ...plan.users, alice: ['m', 'v', 'w'] },
  updateThreshold: 1,
  sealMode: 'ProductKey',
})

/** Gives every user-defined secret a value. */
async function upload({ secrets }: ManifestPlan, ports: Ports): Promise<void> {
  const uploads = Object.entries(secrets).flatMap(([name, secret]) =>
    secret?.userDefined === true ? [[name, uploadedKey(Buffer.alloc(16, name))] as const] : [],
  )
  if (uploads.length > 0) await writeSecrets(alice.certificate, new Map(uploads), ports)
}

/** What each type of marble gets, so far as it can activate. */
async function activateAll({ marbles }: ManifestPlan, ports: Ports): Promise<Map<string, Activated>> {
  const activated = new Map<string, Activated>()
  for (const [type, marble] of Object.entries(marbles)) {
    if (marble === undefined) continue
    const one = await activate(ports, type, uuid).catch(() => undefined)
    if (one !== undefined) activated.set(type, one)
  }
  return activated
}

/** Everything that can be seen from outside, before and after. */
interface Seen {
  readonly plan: ManifestPlan
  readonly marbles: ReadonlyMap<string, Activated>
}

const seen = async (plan: ManifestPlan, ports: Ports): Promise<Seen> => ({
  plan,
  marbles: await activateAll(plan, ports),
})

/** What the plan says of a secret, against what marbles got before and get now. */
function checkSecret(secret: PlannedSecret, before: Seen, after: Seen): void {
  const { name, value, formerValue } = secret
  const definition = after.plan.secrets[name]
  assert.equal(value === 'deleted' && definition === undefined, definition === undefined, name)
  if (definition === undefined) return
  assert.equal(secret.type, definition.type)
  const isPrivate = !definition.shared && !definition.userDefined
  assert.equal(secret.scope, isPrivate ? 'private' : definition.userDefined ? 'user-defined' : 'shared')
  for (const [type, now] of after.marbles) {
    const former = before.marbles.get(type)?.env[`NOW_${name}`]
    const current = now.env[`NOW_${name}`]
    if (value === 'per-activation') {
      assert.ok(isPrivate && definition.type !== 'symmetric-key')
      continue
    }
    assert.ok(value !== 'unset' && value !== 'deleted', `${type} activated, though ${name} has no value`)
    if (former === undefined) continue
    const isRebound = before.plan.marbles[type]?.unbound !== after.plan.marbles[type]?.unbound
    if (isPrivate && isRebound) continue
    assert.equal(value === 'kept', former === current, `${name}: ${value}`)
    if (former === current || definition.userDefined) continue
    const had = before.plan.secrets[name]
    // Nothing is lost of what never lasted.
    if (had?.type === 'cert-ed25519' && !had.shared) continue
    const isPrevious = now.env[`PREVIOUS_${name}`] === former
    assert.equal(formerValue, isPrevious ? 'previous' : 'lost', name)
  }
}

function checkMarbles(plan: UpdatePlan, before: Seen, after: Seen): void {
  for (const { type, restart, change } of plan.marbles) {
    const [former, now] = [before.plan.marbles[type], after.plan.marbles[type]]
    assert.equal(change === 'added', former === undefined)
    assert.equal(change === 'removed', now === undefined)
    const named = (reason: string): readonly string[] =>
      restart.find((one) => one.reason === reason)?.names ?? []
    if (former !== undefined && now !== undefined) {
      assert.equal(named('parameters').includes('Env.FLAVOUR'), former.flavour !== now.flavour)
    }
    const [got, gets] = [before.marbles.get(type), after.marbles.get(type)]
    if (got === undefined || gets === undefined) continue
    assert.notEqual(got.env['MARBLE_PREDEFINED_ROOT_CA'], gets.env['MARBLE_PREDEFINED_ROOT_CA'])
    assert.ok(restart.some(({ reason }) => reason === 'certificates'))
    const isFresh = (name: string): boolean =>
      plan.secrets.some((secret) => secret.name === name && secret.value === 'per-activation')
    const changed = Object.keys(after.plan.secrets).filter(
      (name) => !isFresh(name) && got.env[`NOW_${name}`] !== gets.env[`NOW_${name}`],
    )
    assert.deepEqual(
      named('secrets').filter((name) => !isFresh(name)),
      changed,
      type,
    )
  }
}

async function checkPeople(plan: UpdatePlan, before: ManifestPlan, after: ManifestPlan, ports: Ports) {
  const gone = plan.irreversible.find(({ code }) => code === 'users_locked_out')?.names ?? []
  for (const { name, certificate } of people) {
    if (before.users[name] === undefined) continue
    const outcome = await outcomeOf(() => planUpdate(certificate, renderPlan(after), ports))
    const code = 'refused' in outcome ? outcome.refused : undefined
    assert.equal(code === 'caller_unknown', gone.includes(name), name)
    if (name !== 'alice') continue
    const warned = (warning: string): boolean => plan.warnings.some((one) => one.code === warning)
    assert.equal(warned('own_access_lost'), code === 'caller_unknown')
    assert.equal(warned('own_right_lost'), code === 'permission_denied')
  }
  assert.equal(
    plan.warnings.some(({ code }) => code === 'nobody_can_update'),
    updatersOf(after).length === 0,
  )
}

function checkDifferences({ differences }: UpdatePlan, before: ManifestPlan, after: ManifestPlan): void {
  for (const [member, key] of [
    ['Secrets', 'secrets'],
    ['Users', 'users'],
  ] as const) {
    const names = new Set([...Object.keys(before[key]), ...Object.keys(after[key])])
    const expected = [...names].flatMap((name) => {
      const [former, next] = [before[key][name], after[key][name]]
      if (JSON.stringify(former) === JSON.stringify(next)) return []
      return [`${name} ${former === undefined ? 'added' : next === undefined ? 'removed' : 'changed'}`]
    })
    const told = differences.filter((one) => one.member === member)
    assert.deepEqual(
      told.map(({ name, change }) => `${name ?? ''} ${change}`),
      expected.sort(),
    )
  }
}

function checkRecovery({ recovery }: UpdatePlan, { recoverySecrets }: UpdateProgress): void {
  const isNew = recovery.secrets === 'renewed' || recovery.secrets === 'removed'
  assert.equal(isNew, recoverySecrets !== undefined)
  if (recoverySecrets !== undefined) assert.deepEqual(recovery.parties, [...recoverySecrets.keys()])
}

const runs = Number(process.env['TAW_PLAN_RUNS'] ?? 40)

describe('a plan says what happens', () => {
  test('full updates, by values before and after', async () => {
    const secrets = ['a', 'b', 'c', 'd']
    const plans = fc.tuple(manifestPlan(secrets), manifestPlan(secrets), manifestPlan(secrets), fc.boolean())
    await fc.assert(
      fc.asyncProperty(plans, async ([first, second, third, twice]) => {
        await withDeployment(async ({ ports }) => {
          let current = withoutEmptyRoles(decidable(first))
          await setManifest(renderPlan(current), { kind: 'anonymous' }, ports)
          await upload(current, ports)
          if (twice) {
            current = withoutEmptyRoles(decidable(second))
            await proposeUpdate(alice.certificate, renderPlan(current), ports)
            await upload(current, ports)
          }
          const next = withoutEmptyRoles({
            ...third,
            sealMode: 'ProductKey',
            updateThreshold: Math.min(third.updateThreshold, updatersOf(third).length),
          })
          const before = await seen(current, ports)
          const contents = contentsOf(ports.ledger)
          const plan = await planUpdate(alice.certificate, renderPlan(next), ports)
          assert.equal(contentsOf(ports.ledger), contents, 'a plan changes nothing')

          const progress = await proposeUpdate(alice.certificate, renderPlan(next), ports)
          assert.deepEqual([progress.missingAcknowledgments, plan.acknowledgements?.missing], [0, 0])
          const unset = plan.secrets.filter(({ value }) => value === 'unset' || value === 'deleted')
          const after = await seen(next, ports)
          if (unset.some(({ name }) => next.secrets[name] !== undefined)) assert.equal(after.marbles.size, 0)
          assert.deepEqual(
            plan.secrets.map(({ name }) => name),
            secrets.filter((name) => current.secrets[name] ?? next.secrets[name]),
          )
          for (const secret of plan.secrets) checkSecret(secret, before, after)
          checkMarbles(plan, before, after)
          checkRecovery(plan, progress)
          checkDifferences(plan, current, next)
          await checkPeople(plan, current, next, ports)
        })
      }),
      { numRuns: runs },
    )
  })

  test('updates of packages, which remake certificates and keep keys', async () => {
    const version = fc.constantFrom(1, 2, 3, 4)
    await fc.assert(
      fc.asyncProperty(manifestPlan(['a', 'b', 'c']), version, async (wanted, raised) => {
        await withDeployment(async ({ ports }) => {
          const current = withoutEmptyRoles(decidable(wanted))
          await setManifest(renderPlan(current), { kind: 'anonymous' }, ports)
          await upload(current, ports)
          const raw = Buffer.from(JSON.stringify({ Packages: { app: { SecurityVersion: raised } } }))
          const before = await seen(current, ports)
          const contents = contentsOf(ports.ledger)
          const planned = await outcomeOf(() => planUpdate(alice.certificate, raw, ports))
          assert.equal(contentsOf(ports.ledger), contents, 'a plan changes nothing')
          const updated = await outcomeOf(() => proposeUpdate(alice.certificate, raw, ports))
          assert.deepEqual('refused' in planned && planned, 'refused' in updated && updated)
          if ('refused' in planned) return
          const plan = planned.result
          const after = await seen(current, ports)
          for (const secret of plan.secrets) checkSecret(secret, before, after)
          checkMarbles(plan, before, after)
          assert.deepEqual([plan.kind, plan.acknowledgements], ['packages', undefined])
          const field = { field: 'SecurityVersion', before: current.appVersion, after: raised }
          const changed = { member: 'Packages', name: 'app', change: 'changed', fields: [field] }
          assert.deepEqual(plan.differences, raised === current.appVersion ? [] : [changed])
        })
      }),
      { numRuns: runs / 2 },
    )
  })
})

/** Nothing but three users who may update, of whom `threshold` must agree. */
const committee = (threshold: number): ManifestPlan => ({
  appVersion: 1,
  hasSecondPackage: false,
  debug: false,
  marbles: { web: { package: 'app', limit: 2, unbound: false, flavour: '' } },
  secrets: {
    key: { type: 'symmetric-key', size: 128, shared: true, userDefined: false, validFor: 0 },
    upload: { type: 'plain', size: 0, shared: false, userDefined: true, validFor: 0 },
  },
  users: { alice: ['m', 'v', 'w'], bob: ['m'], carol: ['m'] },
  updateThreshold: threshold,
  rotate: false,
  counters: false,
  recovery: [0],
  sealMode: 'ProductKey',
})

/** A deployment with {@link committee}, and what a test does with it. */
const onCommittee = (threshold: number, use: (ports: Ports) => Promise<void>): Promise<void> =>
  withDeployment(async ({ ports }) => {
    await setManifest(renderPlan(committee(threshold)), { kind: 'anonymous' }, ports)
    await use(ports)
  })

const codesOf = (statements: readonly { readonly code: string }[]): readonly string[] =>
  statements.map(({ code }) => code)

describe('a plan', () => {
  const next = { ...committee(2), rotate: true }

  test('tells who must agree, and of a pending update what agreeing does', () =>
    onCommittee(2, async (ports) => {
      const plan = await planUpdate(alice.certificate, renderPlan(next), ports)
      assert.deepEqual(plan.acknowledgements, {
        threshold: 2,
        needed: 2,
        acknowledgedBy: ['alice'],
        missing: 1,
        missingUsers: ['bob', 'carol'],
      })
      assert.equal(plan.pending, undefined)
      await proposeUpdate(alice.certificate, renderPlan(next), ports)

      const agreeing = await planUpdate(bob.certificate, renderPlan(next), ports)
      assert.deepEqual(agreeing.acknowledgements?.acknowledgedBy, ['alice', 'bob'])
      assert.equal(agreeing.acknowledgements.missing, 0)
      assert.deepEqual(agreeing.pending, {
        manifestFingerprint: plan.manifestFingerprint,
        isThisManifest: true,
        acknowledgedBy: ['alice'],
      })
      assert.deepEqual(codesOf(agreeing.warnings), ['secrets_unset'])
      const progress = await acknowledgeUpdate(bob.certificate, renderPlan(next), ports)
      assert.equal(progress.missingAcknowledgments, 0)
    }))

  test('of another manifest than the pending one disturbs nothing, and says so', () =>
    onCommittee(2, async (ports) => {
      await proposeUpdate(alice.certificate, renderPlan(next), ports)
      const contents = contentsOf(ports.ledger)
      for (const raw of [renderPlan(next, 1), Buffer.from('{"Packages":{"app":{"SecurityVersion":2}}}')]) {
        const plan = await planUpdate(alice.certificate, raw, ports)
        assert.equal(plan.pending?.isThisManifest, false)
        assert.ok(codesOf(plan.warnings).includes('update_pending'))
        await assert.rejects(proposeUpdate(alice.certificate, raw, ports), { code: 'update_pending' })
      }
      assert.equal(contentsOf(ports.ledger), contents)
    }))

  test('is refused to whom the update is refused', () =>
    onCommittee(1, async (ports) => {
      const packages = Buffer.from('{"Packages":{"app":{"SecurityVersion":2}}}')
      const refused = (who: Uint8Array | undefined, raw: Uint8Array, code: string) =>
        assert.rejects(planUpdate(who, raw, ports), { code })
      await refused(undefined, packages, 'caller_unknown')
      await refused(mallory.certificate, renderPlan(next), 'caller_unknown')
      await refused(bob.certificate, packages, 'permission_denied')
      await refused(
        alice.certificate,
        Buffer.from('{"Packages":{"none":{"SecurityVersion":2}}}'),
        'permission_denied',
      )
      await refused(
        alice.certificate,
        Buffer.from('{"Packages":{"app":{"SecurityVersion":0}}}'),
        'update_invalid',
      )
      await refused(alice.certificate, Buffer.from('{}'), 'update_invalid')
      await refused(alice.certificate, Buffer.from('{'), 'manifest_invalid')
      const p384 = { ...JSON.parse(renderPlan(next).toString()), Config: { MinimumCurve: 'P-384' } } as object
      await refused(alice.certificate, Buffer.from(JSON.stringify(p384)), 'manifest_invalid')
      await assert.rejects(proposeUpdate(alice.certificate, Buffer.from(JSON.stringify(p384)), ports), {
        code: 'manifest_invalid',
      })
    }))

  test('warns of what the caller would regret', () =>
    onCommittee(2, async (ports) => {
      const codes = async (change: Partial<ManifestPlan>, person = alice) => {
        const plan = await planUpdate(person.certificate, renderPlan({ ...committee(2), ...change }), ports)
        return [codesOf(plan.warnings), codesOf(plan.irreversible)]
      }
      const usual = ['secrets_unset']
      assert.deepEqual(await codes({}), [usual, []])
      assert.deepEqual(await codes({ users: {}, updateThreshold: 0 }), [
        ['nobody_can_update', 'own_access_lost', ...usual],
        ['users_locked_out'],
      ])
      assert.deepEqual(await codes({ users: { alice: ['v'], bob: ['m'] }, updateThreshold: 1 }), [
        ['update_threshold_lowered', 'own_right_lost', ...usual],
        ['users_locked_out'],
      ])
      assert.deepEqual(await codes({ debug: true, sealMode: 'Disabled', recovery: [] }), [
        ['debug_packages', 'seal_mode_changed', 'recovery_removed', ...usual],
        ['recovery_secrets_void'],
      ])
      assert.deepEqual(await codes({ recovery: [0, 1] }), [usual, ['recovery_secrets_void']])
      assert.deepEqual(await codes({ secrets: {} }), [[], ['values_deleted']])
      await writeSecrets(alice.certificate, new Map([['upload', uploadedKey(Buffer.of(1))]]), ports)
      assert.deepEqual(await codes({}), [[], []])
      assert.deepEqual(await codes({ secrets: {} }), [[], ['uploads_deleted', 'values_deleted']])
    }))

  test('knows the ledger: what was raised, rotated and activated before', () =>
    onCommittee(1, async (ports) => {
      await writeSecrets(alice.certificate, new Map([['upload', uploadedKey(Buffer.of(1))]]), ports)
      await activate(ports, 'web', uuid)
      await proposeUpdate(alice.certificate, Buffer.from('{"Packages":{"app":{"SecurityVersion":3}}}'), ports)
      await activate(ports, 'web', uuid)
      const limited = { ...committee(1), rotate: true }
      const plan = await planUpdate(alice.certificate, renderPlan(limited), ports)
      assert.deepEqual(codesOf(plan.warnings), ['versions_lowered', 'restart_impossible'])
      const [web] = plan.marbles
      assert.deepEqual(web?.activations, { total: 2, sinceLastUpdate: 1, marblesSinceLastUpdate: 1 })
      assert.equal(web.activationsLeft, 0)
      assert.deepEqual(
        web.restart.map(({ reason, names }) => [reason, ...names]),
        [['certificates'], ['secrets', 'key'], ['package', 'app']],
      )
      assert.deepEqual(plan.irreversible, [])
      await proposeUpdate(alice.certificate, renderPlan(limited), ports)
      const again = await planUpdate(alice.certificate, renderPlan(limited, 1), ports)
      assert.deepEqual(codesOf(again.irreversible), [
        'previous_values_deleted',
        'previous_root_secret_deleted',
      ])
      assert.deepEqual(again.differences, [])
    }))

  test('shows no value of a secret, nor the contents of files and variables', () =>
    onCommittee(1, async (ports) => {
      const planted = Buffer.from('planted-secret-value')
      await writeSecrets(alice.certificate, new Map([['upload', uploadedKey(planted)]]), ports)
      const marbles = {
        web: { package: 'app', limit: 0, unbound: false, flavour: 'planted-flavour' },
      } as const
      const text = JSON.stringify(
        await planUpdate(alice.certificate, renderPlan({ ...committee(1), rotate: true, marbles }), ports),
      )
      assert.doesNotMatch(text, /planted|redacted/)
      assert.ok(!text.includes(planted.toString('base64')))
      for (const { private: key } of ports.ledger.state.secrets.values()) {
        assert.ok(!text.includes(Buffer.from(key.reveal()).toString('base64')))
      }
    }))
})
