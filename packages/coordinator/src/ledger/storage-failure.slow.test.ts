import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copyFolder, open, temporaryFolder } from './test-ledger.ts'
import { describe, run, scenarios } from './test-scenarios.ts'

for (const [name, scenario] of Object.entries(scenarios)) {
  test(`storage that fails at any effect loses nothing, and works again afterwards: ${name}`, async (t) => {
    const prepared = temporaryFolder(t)
    await scenario.prepare?.(prepared)
    const reference = await run(t, scenario, { prepared, fault: undefined })
    for (let at = 1; at <= reference.storage.count; at++) {
      for (const kind of ['fail-once', 'fail'] as const) {
        const { answered, durable, folder, crashed } = await run(t, scenario, {
          prepared,
          fault: { at, kind },
        })
        const where = `${kind} at effect ${at} (${reference.storage.effects[at - 1] ?? ''})`
        assert.equal(answered, scenario.steps.length, where)
        assert.deepEqual(durable, reference.durable, where)
        // When it fails to the end, SQLite's file stays open until the process ends.
        copyFolder(folder, crashed)
        const again = await open(crashed)
        assert.equal(describe(again.ledger), durable.at(-1), `${where} ${again.ledger.recoveryReason ?? ''}`)
        await again.ledger.close()
      }
    }
  })
}
