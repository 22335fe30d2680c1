import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { UpdateLog } from './read-update-log.ts'
import { setManifest } from './set-manifest.ts'
import {
  activate,
  alice,
  bob,
  carol,
  openDeployment,
  outcomeOf,
  type TestDeployment,
  uploadedKey,
} from './test-deployment.ts'
import { type ManifestPlan, renderPlan } from './test-manifest-plans.ts'
import { acknowledgeUpdate, cancelUpdate, proposeUpdate, readPendingUpdate } from './update-manifest.ts'
import { writeSecrets } from './write-secrets.ts'

// What random sequences (model.test.ts) can't single out: the same moment, and what lies on the disk.

const base: ManifestPlan = {
  appVersion: 1,
  hasSecondPackage: false,
  debug: false,
  marbles: { web: { package: 'app', limit: 2, unbound: false, flavour: '' } },
  secrets: { key: { type: 'symmetric-key', size: 128, shared: true, userDefined: false, validFor: 0 } },
  users: { alice: ['m'], bob: ['m'], carol: ['m'] },
  updateThreshold: 2,
  rotate: false,
  counters: false,
  recovery: [0],
  sealMode: 'ProductKey',
}

async function open(t: TestContext, plan = base): Promise<{ deployment: TestDeployment; directory: string }> {
  const directory = mkdtempSync(path.join(tmpdir(), 'taw-update-'))
  const deployment = await openDeployment(directory)
  t.after(async () => {
    await deployment[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })
  await setManifest(renderPlan(plan), { kind: 'anonymous' }, deployment.ports)
  return { deployment, directory }
}

const done = (outcome: object): boolean => 'result' in outcome

describe('two administrators at the same moment', { timeout: 300_000 }, () => {
  test('who upload: one update is pending, and the other learns it', async (t) => {
    const { deployment } = await open(t)
    const { ports } = deployment
    const outcomes = await Promise.all([
      outcomeOf(() => proposeUpdate(alice.certificate, renderPlan(base, 1), ports)),
      outcomeOf(() => proposeUpdate(bob.certificate, renderPlan(base, 2), ports)),
    ])
    const [first] = outcomes
    const expected = [{ refused: 'update_pending' }]
    assert.deepEqual(
      outcomes.filter((one) => !done(one)),
      expected,
    )
    const { raw } = readPendingUpdate(ports)
    assert.deepEqual(Buffer.from(raw), renderPlan(base, done(first) ? 1 : 2))
  })

  test('who agree as the last: both are counted, and one completes the update', async (t) => {
    const { deployment } = await open(t, { ...base, updateThreshold: 3 })
    const { ports } = deployment
    const next = renderPlan({ ...base, recovery: [1] })
    await proposeUpdate(alice.certificate, next, ports)
    const progress = await Promise.all(
      [bob, carol].map(({ certificate }) => acknowledgeUpdate(certificate, next, ports)),
    )
    assert.deepEqual(progress.map(({ missingAcknowledgments }) => missingAcknowledgments).sort(), [0, 1])
    assert.equal(progress.filter(({ recoverySecrets }) => recoverySecrets !== undefined).length, 1)
    assert.equal(ports.ledger.state.manifest?.fingerprint !== undefined, true)
    assert.deepEqual(Buffer.from(ports.ledger.state.manifest?.raw ?? []), next)
  })

  test('who agree and cancel: one of both happens', async (t) => {
    const { deployment } = await open(t)
    const { ports } = deployment
    const next = renderPlan({ ...base, rotate: true })
    await proposeUpdate(alice.certificate, next, ports)
    const [agreed, cancelled] = await Promise.all([
      outcomeOf(() => acknowledgeUpdate(bob.certificate, next, ports)),
      outcomeOf(() => cancelUpdate(carol.certificate, ports)),
    ])
    assert.notEqual(done(agreed), done(cancelled))
    assert.deepEqual(
      [agreed, cancelled].find((one) => !done(one)),
      { refused: 'update_missing' },
    )
    const last = (await new UpdateLog(ports.ledger).lines()).at(-1) ?? ''
    assert.match(last, done(agreed) ? /Complete Manifest updated/ : /cancelled by user/)
    assert.equal(Buffer.compare(ports.ledger.state.manifest?.raw ?? Buffer.of(), next) === 0, done(agreed))
  })
})

test('an activation that is recorded after a new value of a secret has that value', async (t) => {
  const upload: ManifestPlan = {
    ...base,
    secrets: { upload: { type: 'plain', size: 0, shared: false, userDefined: true, validFor: 0 } },
    users: { alice: ['m', 'w'] },
    updateThreshold: 1,
  }
  const { deployment } = await open(t, upload)
  const { ports } = deployment
  const write = (value: string): Promise<unknown> =>
    writeSecrets(alice.certificate, new Map([['upload', uploadedKey(Buffer.from(value))]]), ports)
  await write('old')
  const [{ env }] = await Promise.all([
    activate(ports, 'web', '11111111-2222-4333-8444-555555555555'),
    write('new'),
  ])
  const last = ports.ledger.entries(0, 100).at(-1)?.audit.action
  assert.equal(env['NOW_upload'], Buffer.from(last === 'marble-activated' ? 'new' : 'old').toString('base64'))
})

test('a change of SealMode takes effect with the update: nothing is stored, and all is again', async (t) => {
  const single = { ...base, updateThreshold: 1 }
  const { deployment, directory } = await open(t, single)
  const { ports } = deployment
  const stored = (): boolean => existsSync(path.join(directory, 'ledger.db'))
  assert.ok(stored())
  await proposeUpdate(alice.certificate, renderPlan({ ...single, sealMode: 'Disabled' }), ports)
  assert.ok(!stored(), readdirSync(directory).join())
  const before = await activate(ports, 'web', '11111111-2222-4333-8444-555555555555')
  await proposeUpdate(alice.certificate, renderPlan({ ...single, sealMode: 'UniqueKey' }), ports)
  assert.ok(stored())
  await deployment.restart()
  const after = await activate(ports, 'web', '11111111-2222-4333-8444-555555555555')
  assert.equal(after.env['NOW_key'], before.env['NOW_key'])
  assert.deepEqual(await outcomeOf(() => activate(ports, 'web', '11111111-2222-4333-8444-555555555555')), {
    refused: 'activations_exhausted',
  })
})

test('an update that can’t be put in force is dropped when the last user agrees, and logged', async (t) => {
  const { deployment } = await open(t)
  const { ports } = deployment
  const broken = JSON.parse(renderPlan(base).toString()) as {
    Marbles: { web: { Parameters: { Env: object } } }
  }
  broken.Marbles.web.Parameters.Env = { BAD: '{{ hex .Secrets.none }}' }
  const raw = Buffer.from(JSON.stringify(broken))
  const fingerprint = ports.ledger.state.manifest?.fingerprint
  await proposeUpdate(alice.certificate, raw, ports)
  await assert.rejects(acknowledgeUpdate(bob.certificate, raw, ports), { code: 'manifest_invalid' })
  assert.throws(() => readPendingUpdate(ports), { code: 'update_missing' })
  assert.equal(ports.ledger.state.manifest?.fingerprint, fingerprint)
  assert.match(
    (await new UpdateLog(ports.ledger).lines()).at(-1) ?? '',
    /cancelled due to error during apply/,
  )
})
