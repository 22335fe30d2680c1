import assert from 'node:assert/strict'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { inspectLedger, type InspectedRecord } from './inspect.ts'
import { activate, filesIn, open, setManifest, temporaryFolder } from './test-ledger.ts'

async function closedLedger(folder: string): Promise<void> {
  const { ledger } = await open(folder)
  await setManifest(ledger)
  for (let count = 0; count < 3; count++) await activate(ledger)
  await ledger.close()
}

test('public records and their chain can be read without any key, and without changing a byte', async (t) => {
  const folder = temporaryFolder(t)
  await closedLedger(folder)
  const before = filesIn(folder)
  const records: InspectedRecord[] = []
  const inspection = inspectLedger(folder, (record) => records.push(record))
  assert.deepEqual(filesIn(folder), before)
  assert.equal(inspection.problem, undefined)
  assert.equal(inspection.entries, 4)
  assert.equal(inspection.epoch, 1)
  assert.match(inspection.ledgerId, /^[0-9a-f]{32}$/)
  assert.equal(inspection.headHash, records.at(-1)?.hash)
  assert.deepEqual(
    records.map(({ sequence, audit }) => [sequence, (audit as { action: string }).action]),
    [
      [1, 'manifest-set'],
      [2, 'marble-activated'],
      [3, 'marble-activated'],
      [4, 'marble-activated'],
    ],
  )
})

test('an altered record breaks the chain where it stands', async (t) => {
  const folder = temporaryFolder(t)
  await closedLedger(folder)
  const database = new DatabaseSync(path.join(folder, 'ledger.db'))
  database.exec(
    `UPDATE entries SET public = CAST(replace(CAST(public AS TEXT), 'web', 'job') AS BLOB) WHERE sequence = 3`,
  )
  database.close()
  let seen = 0
  const { problem } = inspectLedger(folder, () => seen++)
  assert.match(problem ?? '', /hash of entry 3/)
  assert.equal(seen, 2)
})

test('a ledger in use, or none at all, is an error that says so', async (t) => {
  const folder = temporaryFolder(t)
  assert.throws(() => inspectLedger(folder, () => undefined), /reading the ledger in/)
  const { ledger } = await open(folder)
  await setManifest(ledger)
  assert.throws(() => inspectLedger(folder, () => undefined), /another process has it open.*inspect a copy/)
  await ledger.close()
  assert.equal(inspectLedger(folder, () => undefined).entries, 1)
})
