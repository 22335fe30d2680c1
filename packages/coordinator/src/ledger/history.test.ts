import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { promptHistory } from './replay.ts'
import {
  activate,
  forgetDigest,
  open,
  optionsFor,
  setManifest,
  temporaryFolder,
  withoutMaintenance,
} from './test-ledger.ts'
import { openLedger } from './open.ts'

test('a long history is verified after the start, and what was altered in it is not served', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder, { delays: { bind: 0, idle: 0, compaction: 0 } })
  await setManifest(first.ledger)
  const count = promptHistory + 3000
  await Promise.all(Array.from({ length: count }, () => activate(first.ledger)))
  await first.ledger.close()
  await forgetDigest(folder)

  const whole = await open(folder)
  assert.equal(await whole.historyVerified, undefined)
  assert.equal(whole.ledger.state.activations.get('web'), count)
  await whole.ledger.close()

  const short = await open(folder)
  await short.ledger.close()
  assert.equal(await short.historyVerified, undefined, 'closing ends the verification')

  await forgetDigest(folder)
  const database = new DatabaseSync(path.join(folder, 'ledger.db'))
  database.exec(
    `UPDATE entries SET public = CAST(replace(CAST(public AS TEXT), 'web', 'job') AS BLOB) WHERE sequence = 1500`,
  )
  database.close()
  const options = optionsFor(folder)
  const { ledger, historyVerified } = await openLedger(options)
  assert.equal(ledger.recoveryReason, undefined, 'the state itself is whole')
  assert.match((await historyVerified) ?? '', /hash of entry 1500/)
  assert.match(options.notes.errors.join(), /the audit log was altered: .*entry 1500/)
  assert.equal(ledger.entries(0, 1000).length, 1000)
  assert.throws(() => ledger.entries(1000, 1000), { code: 'storage_unavailable', message: /entry 1500/ })
  assert.equal(ledger.entries(2000, 1000).length, 1000)
  await ledger.close()
})

test('bytes of the file that change while the Coordinator runs are found at the next start', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder, { delays: withoutMaintenance })
  await setManifest(first.ledger)
  const file = path.join(folder, 'ledger.db')
  const unused = readFileSync(file).subarray(4096).indexOf(Buffer.alloc(64)) + 4096
  const bytes = readFileSync(file)
  bytes[unused] = 1
  await first.ledger.close()
  writeFileSync(file, bytes)
  const second = await open(folder)
  assert.match(second.ledger.recoveryReason ?? '', /ledger\.db is not the file that sealed_key has seen/)
  await second.ledger.close()
})

test('bytes of the file that changed since the start are reported when it is next hashed', async (t) => {
  const folder = temporaryFolder(t)
  const options = { ...optionsFor(folder), delays: withoutMaintenance }
  const { ledger } = await openLedger(options)
  await setManifest(ledger)
  const file = path.join(folder, 'ledger.db')
  const bytes = readFileSync(file)
  const unused = bytes.subarray(4096).indexOf(Buffer.alloc(64)) + 4096
  bytes[unused] = 1
  writeFileSync(file, bytes)
  await activate(ledger)
  await ledger.close()
  assert.match(options.notes.errors.join(), /ledger\.db was altered from outside/)
})
