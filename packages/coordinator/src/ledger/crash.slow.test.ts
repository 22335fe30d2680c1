import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ledger } from './ledger.ts'
import { MemoryAnchor } from './test-anchor.ts'
import { activate, open, setManifest, temporaryFolder } from './test-ledger.ts'
import { describe, recover, run, type Scenario, scenarios } from './test-scenarios.ts'

/** With an anchor each time another one, as the counter of a machine of its own. */
const kinds: Record<string, () => MemoryAnchor | undefined> = {
  'without an anchor': () => undefined,
  'with an anchor': () => new MemoryAnchor(),
}

for (const [kind, makeAnchor] of Object.entries(kinds)) {
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (makeAnchor() !== undefined && scenario.isNeverAnchored === true) continue
    test(`a crash at any moment leaves the old state or the new one, ${kind}: ${name}`, async (t) => {
      const prepared = temporaryFolder(t)
      await scenario.prepare?.(prepared)
      const reference = await run(t, scenario, { prepared, fault: undefined, anchor: makeAnchor() })
      assert.equal(reference.answered, scenario.steps.length)
      const { effects, count } = reference.storage
      t.diagnostic(`${count} effects: ${effects.join(', ')}`)
      // A crash after an effect leaves the disk as one before the next does, with less answered: a weaker case.
      for (let at = 1; at <= count; at++) {
        const anchor = makeAnchor()
        const fault = { at, kind: 'crash' } as const
        const { answered, storage, crashed } = await run(t, scenario, { prepared, fault, anchor })
        const where = `crash before effect ${at} (${effects[at - 1] ?? ''}), ${answered} answered`
        assert.ok(storage.isDead, where)
        const allowed = reference.durable.slice(answered, answered + 2)
        await assertWhole({ scenario, folder: crashed, anchor }, allowed, where)
      }
    })
  }
}

interface Crashed {
  readonly scenario: Scenario
  readonly folder: string
  readonly anchor: MemoryAnchor | undefined
}

/** @param allowed the state that was answered last, and the one that was on its way */
async function assertWhole(
  { scenario, folder, anchor }: Crashed,
  allowed: readonly string[],
  where: string,
): Promise<void> {
  const rollback = anchor && { anchor, adopt: undefined }
  const { ledger } = await open(folder, { rollback })
  const found = describe(ledger)
  assert.ok(allowed.includes(found), `${where}: found ${found} ${ledger.recoveryReason ?? ''}`)
  if (scenario.startsInRecovery !== true) assert.equal(ledger.recoveryReason, undefined, where)
  if (ledger.state.manifest === undefined) {
    await (ledger.recoveryReason === undefined
      ? setManifest(ledger)
      : recoverOld({ scenario, folder, anchor }, ledger, where))
  } else {
    await activate(ledger)
  }
  const before = describe(ledger)
  await ledger.close()
  if (before === found) return
  const again = await open(folder, { rollback })
  assert.equal(describe(again.ledger), before, where)
  await again.ledger.close()
}

/** What was sealed before is still there, and recovery still opens it. */
async function recoverOld({ folder, anchor }: Crashed, ledger: Ledger, where: string): Promise<void> {
  await ledger.close()
  const again = await open(folder, { rollback: anchor && { anchor, adopt: undefined } })
  await recover(again)
  assert.equal(again.ledger.state.activations.get('web'), 2, where)
  await again.ledger.close()
}
