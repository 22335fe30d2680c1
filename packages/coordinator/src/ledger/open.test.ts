import assert from 'node:assert/strict'
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { StorageUnavailable } from './backend.ts'
import { type LedgerFiles, nodeFiles } from './files.ts'
import { SealDirectoryUnusable } from './open.ts'
import {
  activate,
  activation,
  contentsOf,
  copyFolder,
  filesIn,
  onlyBinding,
  open,
  setManifest,
  temporaryFolder,
  updateManifest,
  writeSecret,
} from './test-ledger.ts'

test('nothing is on the disk until the manifest is set', async (t) => {
  const folder = path.join(temporaryFolder(t), 'two', 'levels')
  const { ledger, sealed } = await open(folder)
  assert.equal(ledger.state.manifest, undefined)
  assert.equal(ledger.recoveryReason, undefined)
  assert.equal(sealed, undefined)
  assert.deepEqual(ledger.entries(0, 10), [])
  await ledger.close()
  assert.deepEqual(readdirSync(folder), [])
  assert.equal(statSync(folder).mode & 0o777, 0o700)
})

test('a restart changes nothing that a client can see', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder)
  assert.equal(await setManifest(first.ledger), 'set')
  await writeSecret(first.ledger, 'token', Buffer.from('s3cret'))
  assert.equal(await activate(first.ledger), 1)
  const before = contentsOf(first.ledger)
  await first.ledger.close()
  for (const name of readdirSync(folder))
    assert.equal(statSync(path.join(folder, name)).mode & 0o777, 0o600, name)

  for (let restart = 0; restart < 2; restart++) {
    const next = await open(folder)
    assert.equal(next.ledger.recoveryReason, undefined)
    assert.equal(contentsOf(next.ledger), before)
    assert.equal(await next.historyVerified, undefined)
    await next.ledger.close()
  }
})

test('a start that finds all in order writes nothing', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder)
  await setManifest(first.ledger)
  await activate(first.ledger)
  await first.ledger.close()
  const before = filesIn(folder)
  const second = await open(folder)
  await second.ledger.close()
  assert.deepEqual(filesIn(folder), before)
})

test('the audit log is read in pages', async (t) => {
  const { ledger } = await open(temporaryFolder(t))
  await setManifest(ledger)
  for (let count = 0; count < 5; count++) await activate(ledger)
  assert.deepEqual(
    ledger.entries(0, 100).map(({ sequence }) => sequence),
    [1, 2, 3, 4, 5, 6],
  )
  assert.deepEqual(
    ledger.entries(2, 2).map(({ sequence, audit }) => [sequence, audit.action]),
    [
      [3, 'marble-activated'],
      [4, 'marble-activated'],
    ],
  )
  assert.deepEqual(ledger.entries(6, 10), [])
  assert.deepEqual(ledger.entries(60, 10), [])
  assert.ok(ledger.entries(0, 1)[0]?.time instanceof Date)
  await ledger.close()
})

test('seal mode Disabled keeps nothing', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder)
  await setManifest(first.ledger, 'Disabled')
  await activate(first.ledger)
  assert.equal(first.ledger.entries(0, 10).length, 2)
  assert.deepEqual(readdirSync(folder), [])
  await first.ledger.close()
  assert.deepEqual(readdirSync(folder), [])
  const second = await open(folder)
  assert.equal(second.ledger.state.manifest, undefined)
  await second.ledger.close()
})

test('an update to Disabled moves the files aside, and one back makes new ones with the whole history', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder)
  await setManifest(first.ledger)
  await activate(first.ledger)
  await updateManifest(first.ledger, 'Disabled')
  await activate(first.ledger)
  assert.equal(existsSync(path.join(folder, 'ledger.db')), false)
  assert.equal(existsSync(path.join(folder, 'sealed_key')), false)
  assert.equal(readdirSync(folder).filter((name) => name.startsWith('replaced-')).length, 1)
  await updateManifest(first.ledger, 'UniqueKey')
  await activate(first.ledger)
  const before = contentsOf(first.ledger)
  assert.equal(first.ledger.entries(0, 10).length, 6)
  await first.ledger.close()
  const second = await open(folder)
  assert.equal(contentsOf(second.ledger), before)
  await second.ledger.close()
})

test('after an update to Disabled a restart finds nothing', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder)
  await setManifest(first.ledger)
  await updateManifest(first.ledger, 'Disabled')
  await first.ledger.close()
  const second = await open(folder)
  assert.equal(second.ledger.state.manifest, undefined)
  assert.equal(second.ledger.recoveryReason, undefined)
  await second.ledger.close()
})

test('an update with new recovery keys survives a restart', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder)
  await setManifest(first.ledger)
  await activate(first.ledger)
  await updateManifest(first.ledger)
  await activate(first.ledger)
  const before = contentsOf(first.ledger)
  await first.ledger.close()
  const second = await open(folder)
  assert.equal(contentsOf(second.ledger), before)
  assert.equal(await activate(second.ledger), 3)
  await second.ledger.close()
})

test('a missing sealed key leads to state 1, and a new manifest moves what was there aside', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder)
  await setManifest(first.ledger)
  await first.ledger.close()
  rmSync(path.join(folder, 'sealed_key'))
  const before = filesIn(folder)

  const second = await open(folder)
  assert.match(second.ledger.recoveryReason ?? '', /sealed_key is missing/)
  assert.equal(second.ledger.state.manifest, undefined)
  assert.deepEqual(second.ledger.entries(0, 10), [])
  assert.deepEqual(filesIn(folder), before)
  await setManifest(second.ledger)
  await activate(second.ledger)
  assert.equal(second.ledger.recoveryReason, undefined)
  await second.ledger.close()
  const [aside] = readdirSync(folder).filter((name) => name.startsWith('replaced-'))
  assert.ok(aside)
  assert.equal(filesIn(path.join(folder, aside))['ledger.db'], before['ledger.db'])

  const third = await open(folder)
  assert.equal(third.ledger.recoveryReason, undefined)
  assert.equal(await activate(third.ledger), 2)
  await third.ledger.close()
})

test('a sealed key without a ledger is as if nothing was ever set', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder)
  await setManifest(first.ledger)
  await first.ledger.close()
  rmSync(path.join(folder, 'ledger.db'))
  const second = await open(folder)
  assert.equal(second.ledger.recoveryReason, undefined)
  assert.equal(second.ledger.state.manifest, undefined)
  await setManifest(second.ledger)
  await second.ledger.close()
  const third = await open(folder)
  assert.ok(third.ledger.state.manifest)
  await third.ledger.close()
})

test('a second Coordinator on the same directory is refused, and welcome when the first has ended', async (t) => {
  const folder = temporaryFolder(t)
  const early = await open(folder)
  const first = await open(folder)
  await setManifest(first.ledger)
  await assert.rejects(open(folder), (error) => {
    assert.ok(error instanceof SealDirectoryUnusable)
    assert.match(error.message, /another process/)
    return true
  })
  // One that started before there was anything can't overwrite it either.
  await assert.rejects(setManifest(early.ledger), { name: 'Refusal', code: 'storage_unavailable' })
  assert.equal(await activate(first.ledger), 1)
  await first.ledger.close()
  await assert.rejects(setManifest(early.ledger), /another Coordinator has set a manifest/)
  const second = await open(folder)
  assert.equal(await activate(second.ledger), 2)
  await second.ledger.close()
})

test('a seal directory that cannot be used ends the start with the reason', async (t) => {
  const file = path.join(temporaryFolder(t), 'file')
  writeFileSync(file, '')
  await assert.rejects(open(file), SealDirectoryUnusable)
  await assert.rejects(open(path.join(file, 'below')), SealDirectoryUnusable)
})

test('a start that can’t write ends with the reason, and changes nothing that the next one would miss', async (t) => {
  const [folder, killed] = [temporaryFolder(t), temporaryFolder(t)]
  const first = await open(folder, { delays: onlyBinding })
  await setManifest(first.ledger)
  await activate(first.ledger)
  copyFolder(folder, killed)
  await first.ledger.close()
  const before = filesIn(killed)
  const failing: LedgerFiles = {
    ...nodeFiles,
    openInPlace: () => {
      throw new StorageUnavailable('read-only file system')
    },
  }
  await assert.rejects(open(killed, { files: failing }), {
    name: 'SealDirectoryUnusable',
    message: /read-only file system/,
  })
  assert.deepEqual(filesIn(killed), before)
  const second = await open(killed)
  assert.equal(second.ledger.recoveryReason, undefined)
  assert.equal(await activate(second.ledger), 2)
  await second.ledger.close()
})

test('a transaction before the first epoch is a defect, not a loss', async (t) => {
  const { ledger } = await open(temporaryFolder(t))
  await assert.rejects(ledger.transact(activation), /must start an epoch/)
  await setManifest(ledger)
  assert.equal(await activate(ledger), 1)
  await ledger.close()
  await assert.rejects(activate(ledger), { code: 'storage_unavailable' })
})
