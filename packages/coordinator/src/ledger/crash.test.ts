import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ledger } from './ledger.ts'
import { activate, open, setManifest, temporaryFolder } from './test-ledger.ts'
import { describe, recover, run, type Scenario, scenarios } from './test-scenarios.ts'

for (const [name, scenario] of Object.entries(scenarios)) {
  test(`a crash at any moment leaves the old state or the new one: ${name}`, async (t) => {
    const prepared = temporaryFolder(t)
    await scenario.prepare?.(prepared)
    const reference = await run(t, scenario, prepared, undefined)
    assert.equal(reference.answered, scenario.steps.length)
    const { effects, count } = reference.storage
    t.diagnostic(`${count} effects: ${effects.join(', ')}`)
    // A crash after an effect leaves the disk as one before the next does, with less answered: a weaker case.
    for (let at = 1; at <= count; at++) {
      const { answered, storage, crashed } = await run(t, scenario, prepared, { at, kind: 'crash' })
      const where = `crash before effect ${at} (${effects[at - 1] ?? ''}), ${answered} answered`
      assert.ok(storage.isDead, where)
      await assertWhole(scenario, crashed, reference.durable.slice(answered, answered + 2), where)
    }
  })
}

/** @param allowed the state that was answered last, and the one that was on its way */
async function assertWhole(
  scenario: Scenario,
  folder: string,
  allowed: readonly string[],
  where: string,
): Promise<void> {
  const { ledger } = await open(folder)
  const found = describe(ledger)
  assert.ok(allowed.includes(found), `${where}: found ${found} ${ledger.recoveryReason ?? ''}`)
  if (scenario.startsInRecovery !== true) assert.equal(ledger.recoveryReason, undefined, where)
  if (ledger.state.manifest === undefined) {
    await (ledger.recoveryReason === undefined ? setManifest(ledger) : recoverOld(folder, ledger, where))
  } else {
    await activate(ledger)
  }
  const before = describe(ledger)
  await ledger.close()
  if (before === found) return
  const again = await open(folder)
  assert.equal(describe(again.ledger), before, where)
  await again.ledger.close()
}

/** What was sealed before is still there, and recovery still opens it. */
async function recoverOld(folder: string, ledger: Ledger, where: string): Promise<void> {
  await ledger.close()
  const again = await open(folder)
  await recover(again)
  assert.equal(again.ledger.state.activations.get('web'), 2, where)
  await again.ledger.close()
}
