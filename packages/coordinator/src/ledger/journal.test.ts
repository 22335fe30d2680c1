import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { loadManifest } from '../manifest/index.ts'
import { Refusal } from '../refusal.ts'
import { simulationSealing } from '../sealing/providers/simulation.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import { type LedgerBackend, type SettledLog, StorageUnavailable } from './backend.ts'
import { MemoryBackend } from './backends/memory.ts'
import { SqliteBackend } from './backends/sqlite.ts'
import { SealDirectory } from './directory.ts'
import { sealEntry } from './entry.ts'
import { Epoch, newMacKey } from './epoch.ts'
import { epochBatch, EpochStarter } from './epochs.ts'
import { nodeFiles } from './files.ts'
import { chainStart } from './entry.ts'
import { Journal } from './journal.ts'
import { temporaryStore } from './store.ts'
import {
  activate,
  activation,
  contentsOf,
  dek,
  freshState,
  manifestSet,
  marble,
  open,
  recovery,
  setManifest,
  temporaryFolder,
  updateManifest,
  withoutMaintenance,
  writeSecret,
} from './test-ledger.ts'
import { applyChanges } from '../state/state.ts'

/** No maintenance but at the end. */
const delays = withoutMaintenance

/** Lets a test fail and hold back appends. */
class Gate {
  readonly appended: number[] = []
  readonly settled: SettledLog[] = []
  fails = false
  #held: PromiseWithResolvers<void> | undefined

  hold(): void {
    this.#held = Promise.withResolvers()
  }

  release(): void {
    this.#held?.resolve()
    this.#held = undefined
  }

  readonly wrapBackend = (backend: LedgerBackend): LedgerBackend => ({
    get format() {
      return backend.format
    },
    head: () => backend.head(),
    snapshot: () => backend.snapshot(),
    entries: (after, limit) => backend.entries(after, limit),
    append: async (expected, batch) => {
      await this.#held?.promise
      if (this.fails) throw new StorageUnavailable('disk I/O error')
      this.appended.push(batch.entries.length)
      await backend.append(expected, batch)
    },
    dropSealedParts: (upTo, limit) => backend.dropSealedParts(upTo, limit),
    settle: async (log) => {
      await backend.settle(log)
      this.settled.push(log)
    },
    close: () => backend.close(),
  })
}

async function gatedLedger(t: Parameters<typeof temporaryFolder>[0]) {
  const gate = new Gate()
  const folder = temporaryFolder(t)
  const { ledger } = await open(folder, { wrapBackend: gate.wrapBackend, delays })
  await setManifest(ledger)
  gate.appended.length = 0
  t.after(() => ledger.close())
  return { gate, ledger, folder }
}

test('transactions that come in together are one commit, each with its own answer', async (t) => {
  const { gate, ledger } = await gatedLedger(t)
  const answers = await Promise.all(Array.from({ length: 100 }, () => activate(ledger)))
  assert.deepEqual(
    answers,
    Array.from({ length: 100 }, (_, index) => index + 1),
  )
  assert.deepEqual(gate.appended, [100])
  assert.equal(ledger.entries(0, 1000).length, 101)
})

test('those that come while a commit is under way are the next one', async (t) => {
  const { gate, ledger } = await gatedLedger(t)
  gate.hold()
  const first = activate(ledger)
  await setImmediate()
  const rest = [activate(ledger), activate(ledger)]
  assert.equal(ledger.state.activations.get('web'), undefined, 'what is not durable is not seen')
  gate.release()
  assert.deepEqual(await Promise.all([first, ...rest]), [1, 2, 3])
  assert.deepEqual(gate.appended, [1, 2])
})

test('a decision that throws changes nothing, and stands in nobody’s way', async (t) => {
  const { ledger } = await gatedLedger(t)
  const results = await Promise.allSettled([
    activate(ledger),
    ledger.transact(() => {
      throw new Refusal('activations_exhausted', 'no more')
    }),
    activate(ledger),
  ])
  assert.deepEqual(
    results.map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason))),
    [1, 'Refusal: no more', 2],
  )
  assert.equal(ledger.entries(0, 10).length, 3)
})

test('when writing fails, all who wait are refused, the state is the durable one, and work goes on', async (t) => {
  const { gate, ledger, folder } = await gatedLedger(t)
  await activate(ledger)
  const before = contentsOf(ledger)
  gate.hold()
  gate.fails = true
  const waiting = [activate(ledger), activate(ledger)]
  await setImmediate()
  waiting.push(activate(ledger))
  gate.release()
  for (const result of await Promise.allSettled(waiting)) {
    assert.ok(result.status === 'rejected' && result.reason instanceof Refusal)
    assert.equal(result.reason.code, 'storage_unavailable')
    assert.match(result.reason.message, /disk I\/O error/)
  }
  assert.equal(contentsOf(ledger), before)
  gate.fails = false
  assert.equal(await activate(ledger), 2)
  assert.equal(ledger.entries(0, 10).length, 3)
  const after = contentsOf(ledger)
  await ledger.close()
  const again = await open(folder)
  assert.equal(contentsOf(again.ledger), after)
  await again.ledger.close()
})

test('an epoch may start between other transactions that wait', async (t) => {
  const { ledger, folder } = await gatedLedger(t)
  const results = [
    activate(ledger),
    activate(ledger),
    updateManifest(ledger),
    activate(ledger),
    activate(ledger),
  ]
  assert.deepEqual(await Promise.all(results), [1, 2, 'updated', 3, 4])
  const after = contentsOf(ledger)
  await ledger.close()
  const backend = new SqliteBackend(path.join(folder, 'ledger.db'), 'read')
  assert.deepEqual(
    backend.entries(0, 10).map(({ epoch }) => epoch),
    [1, 1, 1, 2, 2, 2],
  )
  await backend.close()
  const again = await open(folder)
  assert.equal(contentsOf(again.ledger), after)
  await again.ledger.close()
})

test('transactions may be waiting already when the first epoch starts', async (t) => {
  const { ledger } = await open(temporaryFolder(t), { delays })
  const results = await Promise.allSettled([
    setManifest(ledger),
    activate(ledger),
    ledger.transact((state) => {
      if (state.manifest !== undefined) throw new Refusal('state_mismatch', 'set already')
      return manifestSet(state)
    }),
  ])
  assert.deepEqual(
    results.map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason))),
    ['set', 1, 'Refusal: set already'],
  )
  await ledger.close()
})

test('listeners hear of each commit once, and one that fails fails nobody else', async (t) => {
  const { ledger } = await gatedLedger(t)
  const heard: string[] = []
  ledger.onCommit(() => {
    throw new Error('a listener’s defect')
  })
  ledger.onCommit((state, former) => {
    heard.push(`${former.activations.get('web') ?? 0} to ${state.activations.get('web') ?? 0}`)
    assert.equal(ledger.state, state)
  })
  await Promise.all([activate(ledger), activate(ledger)])
  await activate(ledger)
  assert.deepEqual(heard, ['0 to 2', '2 to 3'])
})

test('closing waits for what is under way', async (t) => {
  const { gate, ledger } = await gatedLedger(t)
  gate.hold()
  const first = activate(ledger)
  await setImmediate()
  const second = activate(ledger)
  const closed = ledger.close()
  await assert.rejects(activate(ledger), { code: 'storage_unavailable' })
  gate.release()
  assert.deepEqual(await Promise.all([first, second]), [1, 2])
  await closed
})

test('a long tail is replaced by a snapshot, and its sealed parts are dropped', async (t) => {
  const folder = temporaryFolder(t)
  const { ledger } = await open(folder, { delays: { bind: 0, idle: 0, compaction: 0 } })
  await setManifest(ledger)
  for (let round = 0; round < 10; round++)
    await Promise.all(Array.from({ length: 500 }, () => activate(ledger)))
  await ledger.close()
  const backend = new SqliteBackend(path.join(folder, 'ledger.db'), 'read')
  const snapshot = backend.snapshot()
  assert.ok((snapshot?.sequence ?? 0) > 4000, String(snapshot?.sequence))
  const entries = backend.entries(0, 10_000)
  assert.equal(entries.length, 5001)
  assert.ok(entries.filter(({ sealedPart }) => sealedPart !== undefined).length < 1000)
  await backend.close()

  const again = await open(folder)
  assert.equal(again.ledger.state.activations.get('web'), 5000)
  assert.equal(again.ledger.entries(0, 10_000).length, 5001)
  await again.ledger.close()
})

test('a long tail that is found at the start is compacted soon after, though nothing is written', async (t) => {
  const folder = temporaryFolder(t)
  const length = 4000
  {
    const { ledger } = await open(folder, { delays })
    await setManifest(ledger)
    for (let made = 0; made < length; made += 1000)
      await Promise.all(Array.from({ length: 1000 }, () => activate(ledger)))
    await ledger.close()
  }
  const gate = new Gate()
  const { ledger } = await open(folder, {
    wrapBackend: gate.wrapBackend,
    delays: { bind: 0, idle: 1e9, compaction: 1e9 },
  })
  while (!gate.settled.includes('empty')) await setImmediate()
  await ledger.close()

  const backend = new SqliteBackend(path.join(folder, 'ledger.db'), 'read')
  assert.equal(backend.snapshot()?.sequence, length + 1)
  for (const { sealedPart } of backend.entries(1, length)) assert.equal(sealedPart, undefined)
  await backend.close()
  const again = await open(folder)
  assert.equal(again.ledger.state.activations.get('web'), length)
  await again.ledger.close()
})

test('a secret that was replaced is in no sealed part soon after', async (t) => {
  const folder = temporaryFolder(t)
  const { ledger } = await open(folder, { delays: { bind: 0, idle: 0, compaction: 0 } })
  await setManifest(ledger)
  await writeSecret(ledger, 'token', Buffer.from('first'))
  await writeSecret(ledger, 'token', Buffer.from('second'))
  const hasParts = (): boolean => {
    const backend = new SqliteBackend(path.join(folder, 'ledger.db'), 'read')
    const found = backend
      .entries(0, 10)
      .some(({ sealedPart }) => sealedPart !== undefined && sealedPart.length > 0)
    void backend.close()
    return found
  }
  await ledger.close()
  assert.equal(hasParts(), false)
})

/** Two writers of one ledger, as two Coordinators with a shared backend would be. */
async function sharedLedger(t: Parameters<typeof temporaryFolder>[0]) {
  const backend = new MemoryBackend()
  const ledgerId = Buffer.alloc(16, 5)
  const epoch = new Epoch({
    number: 1,
    ledgerId,
    sealMode: 'ProductKey',
    recovery,
    keys: { dek, macKey: newMacKey() },
  })
  const decision = manifestSet(freshState())
  const state = applyChanges(freshState(), decision.changes)
  const { audit } = decision
  const entry = sealEntry(epoch, chainStart(ledgerId), {
    time: new Date(0),
    audit,
    changes: new Uint8Array(),
  })
  const batch = epochBatch(epoch, entry, state, { confirmed: 0, anchored: undefined })
  await backend.append(0, batch)
  const folder = temporaryFolder(t)
  const create = (): Journal => {
    const notices = { warn: () => undefined, error: () => undefined }
    const now = (): Date => new Date(0)
    const directory = new SealDirectory(folder, nodeFiles)
    const sealing = simulationSealing
    const openBackend = (): LedgerBackend => assert.fail('nothing is opened')
    const rollback = undefined
    const storage = { directory, files: nodeFiles, sealing, openBackend, rollback, now, notices }
    const starter = new EpochStarter(storage)
    const release = (): void => undefined
    const journal = new Journal(state, undefined, {
      starter,
      prepareManifest: loadManifest,
      now,
      notices,
      delays,
      release,
    })
    const work = {
      tail: { entries: 0, bytes: 0, replaces: false },
      covered: 1,
      lingers: false,
      isUnsettled: false,
    }
    journal.open({ position: { store: temporaryStore(backend), epoch, head: batch.head }, state, work })
    return journal
  }
  return { backend, one: create(), other: create() }
}

test('two writers of one ledger: who comes second decides again on what the first one did', async (t) => {
  const { backend, one, other } = await sharedLedger(t)
  const counts = await Promise.all([
    ...Array.from({ length: 5 }, () => activate(one)),
    ...Array.from({ length: 5 }, () => activate(other)),
  ])
  assert.deepEqual(
    counts.toSorted((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  )
  assert.equal(backend.entries(0, 100).length, 11)
  assert.equal(await activate(one), 11)
  assert.equal(one.entries(0, 100).length, 12)
  // A decision that no longer holds is refused.
  await assert.rejects(
    other.transact((state) => {
      if ((state.activations.get('web') ?? 0) > 10) throw new Refusal('activations_exhausted', 'spent')
      return activation(state)
    }),
    { code: 'activations_exhausted' },
  )
})

test('what a stranger appended is not taken over', async (t) => {
  const { backend, one } = await sharedLedger(t)
  const head = backend.head()
  assert.ok(head)
  const keys = { dek: new SecretBytes(Buffer.from(dek.reveal())), macKey: newMacKey() }
  const forger = new Epoch({ number: 1, ledgerId: head.ledgerId, sealMode: 'ProductKey', recovery, keys })
  const audit = { action: 'marble-activated', actor: marble, package: 'app', activation: 1 } as const
  const entry = sealEntry(forger, head, { time: new Date(0), audit, changes: new Uint8Array() })
  await backend.append(1, epochBatch(forger, entry, freshState(), { confirmed: 0, anchored: undefined }))
  await assert.rejects(activate(one), { code: 'storage_unavailable', message: /wrong MAC/ })
})
