import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  activate,
  open,
  setManifest,
  temporaryFolder,
  updateManifest,
  writeSecret,
} from '../ledger/test-ledger.ts'
import { auditPage, readAuditLog } from './read-audit-log.ts'
import { UpdateLog } from './read-update-log.ts'

test('records that lack the members of newer builds are read as before', async (t) => {
  const { ledger } = await open(temporaryFolder(t))
  // These records have no `changed`, as those of builds before it.
  await setManifest(ledger)
  await updateManifest(ledger)
  const lines = await new UpdateLog(ledger).lines()
  const updates = lines.map((line) => (JSON.parse(line) as { update: string }).update)
  assert.deepEqual(updates, [
    'Initial manifest set',
    'Complete Manifest update initiated by user. No further acknowledgements required',
    'Complete Manifest updated',
  ])
  const { entries } = readAuditLog({ ledger }, { from: 1, limit: 10 })
  assert.equal(entries.length, 2)
  await ledger.close()
})

test('readers of the update log who come together each get every line once', async (t) => {
  const { ledger } = await open(temporaryFolder(t))
  await setManifest(ledger)
  const log = new UpdateLog(ledger)
  await Promise.all(Array.from({ length: 1200 }, () => activate(ledger)))
  await writeSecret(ledger, 'token', Buffer.from('value'))
  const all = await Promise.all([log.lines(), log.lines(), log.lines()])
  for (const lines of all) assert.equal(lines.length, 2)
  await ledger.close()
})

test('a page ends before it gets too large, and has at least one entry', async (t) => {
  const { ledger } = await open(temporaryFolder(t))
  await setManifest(ledger)
  const name = 'n'.repeat(auditPage.bytes / 2)
  for (let count = 0; count < 4; count++) await writeSecret(ledger, name, Buffer.from('value'))
  await writeSecret(ledger, name + name + name, Buffer.from('value'))
  const sequences = (from: number): number[] =>
    readAuditLog({ ledger }, { from, limit: 1000 }).entries.map(({ sequence }) => sequence)
  assert.deepEqual(sequences(1), [1, 2])
  assert.deepEqual(sequences(3), [3])
  assert.deepEqual(sequences(6), [6])
  await ledger.close()
})
