import assert from 'node:assert/strict'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { optionalUint64 } from './framing.ts'
import { inspectLedger } from './inspect.ts'
import { SealDirectoryUnusable } from './open.ts'
import { MemoryAnchor } from './test-anchor.ts'
import {
  activate,
  contentsOf,
  copyFolder,
  filesIn,
  forgetDigest,
  onlyBinding,
  open,
  setManifest,
  temporaryFolder,
  updateManifest,
  withoutMaintenance,
} from './test-ledger.ts'
import { recover } from './test-scenarios.ts'

const anchoredBy = (anchor: MemoryAnchor, adopt?: Uint8Array) => ({ rollback: { anchor, adopt } })

/** A ledger with an anchor, closed after one activation, and a copy of it from before a second one. */
async function anchoredLedger(t: TestContext) {
  const [folder, older] = [temporaryFolder(t), temporaryFolder(t)]
  const anchor = new MemoryAnchor()
  const { ledger } = await open(folder, anchoredBy(anchor))
  await setManifest(ledger)
  await activate(ledger)
  await ledger.close()
  copyFolder(folder, older)
  const again = await open(folder, anchoredBy(anchor))
  assert.equal(again.ledger.recoveryReason, undefined)
  assert.equal(await activate(again.ledger), 2)
  await again.ledger.close()
  return { folder, older, anchor }
}

/** State 1 with a reason that matches, and not a byte changed. */
async function assertRefused(
  folder: string,
  change: Parameters<typeof open>[1],
  reason: RegExp,
): Promise<void> {
  const before = filesIn(folder)
  const { ledger, sealed } = await open(folder, change)
  assert.match(ledger.recoveryReason ?? 'the state was taken', reason)
  assert.ok(sealed)
  await ledger.close()
  assert.deepEqual(filesIn(folder), before)
}

async function assertOpens(
  folder: string,
  change: Parameters<typeof open>[1],
  activations: number,
): Promise<void> {
  const { ledger } = await open(folder, change)
  assert.equal(ledger.recoveryReason, undefined)
  assert.equal(ledger.state.activations.get('web'), activations)
  await ledger.close()
}

test('an older copy of the whole seal directory is refused, with both numbers', async (t) => {
  const { folder, older, anchor } = await anchoredLedger(t)
  const reason = /the ledger bears (\d+), but the counter stands at (\d+): an older ledger was put back/
  await assertRefused(older, anchoredBy(anchor), reason)
  await assertOpens(folder, anchoredBy(anchor), 2)
})

test('the value that an older copy bears can’t be replaced by the newest one', async (t) => {
  const { older, anchor } = await anchoredLedger(t)
  await forgetDigest(older)
  const newest = optionalUint64(anchor.value)
  const database = new DatabaseSync(path.join(older, 'ledger.db'))
  database.prepare('UPDATE head SET anchored = ?').run(newest)
  database.close()
  await assertRefused(older, anchoredBy(anchor), /the end of the ledger has a wrong MAC/)
})

test('each copy from while it worked is refused once something newer was answered', async (t) => {
  const folder = temporaryFolder(t)
  const anchor = new MemoryAnchor()
  const { ledger } = await open(folder, { ...anchoredBy(anchor), delays: onlyBinding })
  await setManifest(ledger)
  const copies: string[] = []
  for (let count = 0; count < 4; count++) {
    const copy = temporaryFolder(t)
    copyFolder(folder, copy)
    copies.push(copy)
    await (count === 2 ? updateManifest(ledger) : activate(ledger))
  }
  await ledger.close()
  for (const copy of copies) await assertRefused(copy, anchoredBy(anchor), /an older ledger was put back/)
  await assertOpens(folder, anchoredBy(anchor), 3)
})

test('a ledger that bears a value is refused where no anchor, or a new one, is configured', async (t) => {
  const { folder } = await anchoredLedger(t)
  await assertRefused(folder, {}, /the ledger bears \d+ of a rollback anchor, but none is configured/)
  await assertRefused(folder, anchoredBy(new MemoryAnchor()), /which is not there: it was removed/)
  const other = new MemoryAnchor()
  other.value = 7n
  await assertRefused(folder, anchoredBy(other), /it is not the one of this ledger/)
})

/** A ledger from before the anchor, and the hash of its newest entry. */
async function formerLedger(t: TestContext) {
  const [folder, copy] = [temporaryFolder(t), temporaryFolder(t)]
  const { ledger } = await open(folder)
  await setManifest(ledger)
  await activate(ledger)
  await ledger.close()
  copyFolder(folder, copy)
  return { folder, copy, hash: Buffer.from(inspectLedger(folder, () => undefined).headHash, 'hex') }
}

test('a ledger from before the anchor is refused, unless it is the very one that is named', async (t) => {
  const { folder, copy, hash } = await formerLedger(t)
  const anchor = new MemoryAnchor()
  const reason =
    /bears no value of the counter, but is configured to: it is from before the anchor was switched on/
  await assertRefused(folder, anchoredBy(anchor), reason)
  await assertRefused(folder, anchoredBy(anchor, Buffer.alloc(32, 1)), reason)
  assert.equal(anchor.value, undefined, 'a refusal begins no counter')
  await assertOpens(folder, anchoredBy(anchor, hash), 1)
  await assertOpens(folder, anchoredBy(anchor), 1)
  // The setting may still be there: the former copy stays out.
  await assertRefused(
    copy,
    anchoredBy(anchor, hash),
    /the counter stands at \d+ already: it belongs to a ledger/,
  )
  const { ledger } = await open(folder, anchoredBy(anchor))
  assert.equal(await activate(ledger), 2)
  await ledger.close()
  await assertRefused(copy, anchoredBy(anchor), reason)
})

test('a former ledger that can’t be anchored now is as it was, and is anchored later', async (t) => {
  const { folder, hash } = await formerLedger(t)
  const anchor = new MemoryAnchor()
  anchor.worksFor = 1
  await assert.rejects(open(folder, anchoredBy(anchor, hash)), SealDirectoryUnusable)
  anchor.worksFor = undefined
  await assertOpens(folder, anchoredBy(anchor, hash), 1)
  await assertOpens(folder, anchoredBy(anchor), 1)
})

test('an anchor that is out of reach ends the start, and leaves the ledger as it is', async (t) => {
  const { folder, anchor } = await anchoredLedger(t)
  const before = filesIn(folder)
  anchor.worksFor = 0
  await assert.rejects(open(folder, anchoredBy(anchor)), {
    name: 'SealDirectoryUnusable',
    message: /no TPM answers/,
  })
  assert.deepEqual(filesIn(folder), before)
  anchor.worksFor = undefined
  await assertOpens(folder, anchoredBy(anchor), 2)
})

test('while the anchor is out of reach from the start, nothing is written, and work goes on when it is back', async (t) => {
  const { folder, anchor } = await anchoredLedger(t)
  const { ledger } = await open(folder, { ...anchoredBy(anchor), delays: withoutMaintenance })
  anchor.worksFor = 0
  const before = contentsOf(ledger)
  for (let attempt = 0; attempt < 2; attempt++) {
    await assert.rejects(activate(ledger), {
      code: 'storage_unavailable',
      message: /could not be made durable, so it was not made: no TPM answers; send the request again later/,
    })
    assert.equal(contentsOf(ledger), before)
  }
  anchor.worksFor = undefined
  assert.equal(await activate(ledger), 3)
  await ledger.close()
  await assertOpens(folder, anchoredBy(anchor), 3)
})

test('what was written when the anchor failed is shown to nobody before the anchor knows of it', async (t) => {
  const { folder, anchor } = await anchoredLedger(t)
  const { ledger } = await open(folder, { ...anchoredBy(anchor), delays: withoutMaintenance })
  assert.equal(await activate(ledger), 3)
  const before = contentsOf(ledger)
  anchor.worksFor = 0
  const heard: number[] = []
  ledger.onCommit((state) => heard.push(state.activations.get('web') ?? 0))
  await assert.rejects(activate(ledger), {
    code: 'storage_unavailable',
    message: /was written, but not confirmed by the rollback anchor, .* no TPM answers/,
  })
  const refused = {
    code: 'storage_unavailable',
    message: /nothing can be changed before the rollback anchor/,
  }
  await Promise.all([assert.rejects(activate(ledger), refused), assert.rejects(activate(ledger), refused)])
  assert.equal(contentsOf(ledger), before)
  assert.deepEqual(heard, [])

  anchor.worksFor = undefined
  assert.equal(await activate(ledger), 5, 'the one that was refused counts')
  assert.deepEqual(heard, [4, 5])
  assert.equal(ledger.entries(0, 100).length, 6)
  await ledger.close()
  await assertOpens(folder, anchoredBy(anchor), 5)
})

test('what was written when the anchor failed takes effect by itself when the anchor is back', async (t) => {
  const folder = temporaryFolder(t)
  const anchor = new MemoryAnchor()
  const delays = { ...withoutMaintenance, compaction: 0 }
  const { ledger } = await open(folder, { ...anchoredBy(anchor), delays })
  // One use to show that it works, the next one is what fails.
  anchor.worksFor = 1
  await assert.rejects(setManifest(ledger), /was written, but not confirmed by the rollback anchor/)
  assert.equal(ledger.state.manifest, undefined)
  assert.deepEqual(ledger.entries(0, 10), [])
  anchor.worksFor = undefined
  const isSet = (): boolean => ledger.state.manifest !== undefined
  while (!isSet()) await setImmediate()
  assert.equal(await activate(ledger), 1)
  await ledger.close()
  await assertOpens(folder, anchoredBy(anchor), 1)
})

test('what was written when the anchor failed is there after a restart', async (t) => {
  const { folder, anchor } = await anchoredLedger(t)
  const first = await open(folder, { ...anchoredBy(anchor), delays: withoutMaintenance })
  assert.equal(await activate(first.ledger), 3)
  anchor.worksFor = 0
  await assert.rejects(activate(first.ledger), /not confirmed/)
  await first.ledger.close()
  anchor.worksFor = undefined
  await assertOpens(folder, anchoredBy(anchor), 4)
})

test('an update with new recovery keys shows first that the anchor works, since its secrets are given once', async (t) => {
  const { folder, anchor } = await anchoredLedger(t)
  const { ledger } = await open(folder, { ...anchoredBy(anchor), delays: withoutMaintenance })
  await activate(ledger)
  const before = contentsOf(ledger)
  anchor.worksFor = 0
  await assert.rejects(updateManifest(ledger), /was not made: no TPM answers/)
  assert.equal(contentsOf(ledger), before)
  anchor.worksFor = undefined
  assert.equal(await updateManifest(ledger), 'updated')
  await ledger.close()
  await assertOpens(folder, anchoredBy(anchor), 3)
})

test('recovery makes the copy that was recovered the one that counts', async (t) => {
  const { folder, older, anchor } = await anchoredLedger(t)
  const { ledger, ...rest } = await open(older, anchoredBy(anchor))
  await recover({ ledger, ...rest })
  assert.equal(await activate(ledger), 2)
  await ledger.close()
  await assertOpens(older, anchoredBy(anchor), 2)
  await assertRefused(folder, anchoredBy(anchor), /an older ledger was put back/)
})

test('a recovery during which the anchor fails is done when the anchor is back', async (t) => {
  const { folder, anchor } = await anchoredLedger(t)
  rmSync(path.join(folder, 'sealed_key'))
  const opened = await open(folder, { ...anchoredBy(anchor), delays: withoutMaintenance })
  anchor.worksFor = 0
  await assert.rejects(recover(opened), { code: 'storage_unavailable', message: /no TPM answers/ })
  anchor.worksFor = 1
  await assert.rejects(recover(opened), /was written, but not confirmed by the rollback anchor/)
  assert.match(opened.ledger.recoveryReason ?? '', /sealed_key is missing/)
  await assert.rejects(recover(opened), {
    code: 'storage_unavailable',
    message: /waits for the rollback anchor/,
  })
  anchor.worksFor = undefined
  assert.equal(await activate(opened.ledger), 3)
  assert.equal(opened.ledger.recoveryReason, undefined)
  await opened.ledger.close()
  await assertOpens(folder, anchoredBy(anchor), 3)
})

test('what was set aside does not open again', async (t) => {
  const { folder, anchor } = await anchoredLedger(t)
  const { ledger } = await open(folder, anchoredBy(anchor))
  await updateManifest(ledger, 'Disabled')
  const [aside = ''] = readdirSync(folder).filter((name) => name.startsWith('replaced-'))
  const copy = temporaryFolder(t)
  copyFolder(path.join(folder, aside), copy)
  writeFileSync(path.join(copy, 'ledger.lock'), '')
  await assertRefused(copy, anchoredBy(anchor), /an older ledger was put back/)
  await updateManifest(ledger)
  assert.equal(await activate(ledger), 3)
  await ledger.close()
  await assertOpens(folder, anchoredBy(anchor), 3)
})

test('a ledger whose last commit was cut short does not open again after a new manifest took its place', async (t) => {
  const { folder, anchor } = await anchoredLedger(t)
  const first = await open(folder, { ...anchoredBy(anchor), delays: withoutMaintenance })
  await activate(first.ledger)
  anchor.worksFor = 0
  await assert.rejects(activate(first.ledger), /not confirmed/)
  await first.ledger.close()
  anchor.worksFor = undefined
  // It bears one more than the anchor, as a crash may leave it. The host hides the key, and so has it replaced.
  const kept = temporaryFolder(t)
  copyFolder(folder, kept)
  rmSync(path.join(folder, 'sealed_key'))
  const second = await open(folder, anchoredBy(anchor))
  await setManifest(second.ledger)
  await second.ledger.close()
  await assertRefused(kept, anchoredBy(anchor), /an older ledger was put back/)
})

test('a ledger does not open again after a manifest that keeps nothing took its place', async (t) => {
  const { folder, anchor } = await anchoredLedger(t)
  const kept = temporaryFolder(t)
  copyFolder(folder, kept)
  rmSync(path.join(folder, 'sealed_key'))
  const { ledger } = await open(folder, anchoredBy(anchor))
  await setManifest(ledger, 'Disabled')
  await ledger.close()
  await assertRefused(kept, anchoredBy(anchor), /an older ledger was put back/)
})
