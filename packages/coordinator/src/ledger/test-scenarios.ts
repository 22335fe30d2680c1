/** What crashes and failures of the storage are tried on: see `crash.slow.test.ts` and `storage-failure.slow.test.ts`. */
import assert from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Refusal } from '../refusal.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import type { Ledger } from './ledger.ts'
import type { MaintenanceDelays } from './maintenance.ts'
import { type OpenedLedger, SealDirectoryUnusable } from './open.ts'
import type { RollbackAnchor } from './rollback-anchor.ts'
import { Crash, type Fault, FaultyStorage } from './test-faults.ts'
import {
  activate,
  copyFolder,
  dek,
  open,
  setManifest,
  temporaryFolder,
  updateManifest,
  withoutMaintenance,
  writeSecret,
} from './test-ledger.ts'

/** No maintenance but at the end, or when a step waits for it, so that each run has the same effects in the same order. */
const delaysOf = ({ compactsAtOnce }: Scenario): MaintenanceDelays =>
  compactsAtOnce === true ? { ...withoutMaintenance, compaction: 0 } : withoutMaintenance

/** What a compaction does last. */
const compacted = 'settle, write in place, flush'

/** Replaces a secret, and waits until a snapshot was made and what it covers is gone; or until the storage fails. */
async function writeAndCompact(ledger: Ledger, value: string, storage: FaultyStorage): Promise<void> {
  await writeSecret(ledger, 'token', Buffer.from(value))
  const isOver = (): boolean => storage.isDead || storage.failures > 0
  while (storage.effects.slice(-3).join(', ') !== compacted && !isOver()) await setImmediate()
}

/** What a client can tell of a state. */
export const describe = (ledger: Ledger): string =>
  JSON.stringify({
    isSet: ledger.state.manifest !== undefined,
    activations: ledger.state.activations.get('web') ?? 0,
    secrets: [...ledger.state.secrets.keys()],
    isRotated: ledger.state.previousRootSecret !== undefined,
    entries: ledger.entries(0, 100).map(({ audit }) => audit.action),
  })

export interface Scenario {
  /** What is on the disk before; undefined: nothing. */
  readonly prepare?: (folder: string) => Promise<void>
  readonly steps: readonly ((opened: OpenedLedger, storage: FaultyStorage) => Promise<unknown>)[]
  /** Whether a replaced secret leads to a snapshot at once, and not only at the end. */
  readonly compactsAtOnce?: boolean
  /** Whether the prepared ledger is one that no anchor knows, so that one with an anchor refuses it. */
  readonly isNeverAnchored?: boolean
  /** Whether a start may find the prepared state instead, in state 1. */
  readonly startsInRecovery?: boolean
}

const rekeyed = new SecretBytes(Buffer.alloc(32, 2))

export const recover = ({ sealed }: OpenedLedger): Promise<unknown> => {
  assert.ok(sealed)
  return sealed.recover(new SecretBytes(Buffer.from(dek.reveal())), (state) => ({
    changes: [],
    audit: {
      action: 'manifest-set',
      actor: { kind: 'anonymous' },
      fingerprint: state.manifest?.fingerprint ?? '',
    },
    result: undefined,
  }))
}

/** A ledger of three entries whose sealed key is gone. */
async function sealedLedger(folder: string): Promise<void> {
  const { ledger } = await open(folder)
  await setManifest(ledger)
  await activate(ledger)
  await activate(ledger)
  await ledger.close()
  rmSync(path.join(folder, 'sealed_key'))
}

/** What a crash left in the middle of an update: a sealed key that opens both epochs. */
async function halfUpdated(folder: string): Promise<void> {
  const scenario = scenarios['an update with another key']
  assert.ok(scenario)
  const effects: string[] = []
  await actOn(folder, scenario, new FaultyStorage(undefined), effects)
  const lastRename = effects.lastIndexOf('rename') + 1
  rmSync(folder, { recursive: true })
  const crashed = `${folder}-crashed`
  const storage = new FaultyStorage({ at: lastRename, kind: 'crash' }, () => {
    copyFolder(folder, crashed)
  })
  await actOn(folder, scenario, storage, [])
  copyFolder(crashed, folder)
  rmSync(crashed, { recursive: true })
}

/** Takes the steps of a scenario until it is through or the process is dead. */
async function actOn(
  folder: string,
  scenario: Scenario,
  storage: FaultyStorage,
  effects: string[],
): Promise<void> {
  const opened = await open(folder, {
    files: storage.files,
    wrapBackend: storage.wrapBackend,
    delays: delaysOf(scenario),
  })
  try {
    for (const step of scenario.steps) await step(opened, storage)
  } catch (error) {
    assert.ok(error instanceof Crash, String(error))
  }
  await opened.ledger.close().catch(() => undefined)
  effects.push(...storage.effects)
}

export const scenarios: Record<string, Scenario> = {
  'setting the manifest, working, ending': {
    steps: [
      ({ ledger }) => setManifest(ledger),
      ({ ledger }) => activate(ledger),
      ({ ledger }) => writeSecret(ledger, 'token', Buffer.from('s3cret')),
      ({ ledger }) => activate(ledger),
      ({ ledger }) => ledger.close(),
    ],
  },
  'an update with another key': {
    steps: [
      ({ ledger }) => setManifest(ledger),
      ({ ledger }) => activate(ledger),
      ({ ledger }) => updateManifest(ledger, 'UniqueKey', new SecretBytes(Buffer.from(rekeyed.reveal()))),
      ({ ledger }) => activate(ledger),
      ({ ledger }) => ledger.close(),
    ],
  },
  'setting a manifest over sealed state': {
    prepare: sealedLedger,
    startsInRecovery: true,
    steps: [
      ({ ledger }) => setManifest(ledger),
      ({ ledger }) => activate(ledger),
      ({ ledger }) => ledger.close(),
    ],
  },
  recovery: {
    prepare: sealedLedger,
    startsInRecovery: true,
    steps: [recover, ({ ledger }) => activate(ledger), ({ ledger }) => ledger.close()],
  },
  'starting after a crash in the middle of an update': {
    prepare: halfUpdated,
    isNeverAnchored: true,
    steps: [({ ledger }) => activate(ledger), ({ ledger }) => ledger.close()],
  },
  'starting with a ledger of format 1': {
    prepare: (folder) => {
      copyFolder(path.join(import.meta.dirname, 'fixtures', 'format-1', 'killed'), folder)
      return Promise.resolve()
    },
    isNeverAnchored: true,
    steps: [({ ledger }) => activate(ledger), ({ ledger }) => ledger.close()],
  },
  'a replaced secret, a snapshot in the middle, and work after it': {
    compactsAtOnce: true,
    steps: [
      ({ ledger }) => setManifest(ledger),
      ({ ledger }, storage) => writeAndCompact(ledger, 'first', storage),
      ({ ledger }) => activate(ledger),
      ({ ledger }, storage) => writeAndCompact(ledger, 'second', storage),
      ({ ledger }) => activate(ledger),
      ({ ledger }) => ledger.close(),
    ],
  },
  'from the disk to Disabled': {
    steps: [
      ({ ledger }) => setManifest(ledger),
      ({ ledger }) => updateManifest(ledger, 'Disabled'),
      ({ ledger }) => activate(ledger),
      ({ ledger }) => ledger.close(),
    ],
  },
  'from Disabled to the disk': {
    steps: [
      ({ ledger }) => setManifest(ledger, 'Disabled'),
      ({ ledger }) => activate(ledger),
      ({ ledger }) => updateManifest(ledger, 'ProductKey', new SecretBytes(Buffer.from(rekeyed.reveal()))),
      ({ ledger }) => activate(ledger),
      ({ ledger }) => ledger.close(),
    ],
  },
}

interface Run {
  /** {@link describe} of what was durable when each step had been answered; the first one: before all. */
  readonly durable: string[]
  /** Steps that were answered. */
  readonly answered: number
  readonly storage: FaultyStorage
  readonly folder: string
  /** The disk at the moment of the crash. */
  readonly crashed: string
}

/** What each run of a scenario begins with. */
interface RunOptions {
  /** A folder. */
  readonly prepared: string
  readonly fault: Fault | undefined
  /** Undefined: there is none. */
  readonly anchor?: RollbackAnchor | undefined
}

export async function run(
  t: TestContext,
  scenario: Scenario,
  { prepared, fault, anchor }: RunOptions,
): Promise<Run> {
  const base = temporaryFolder(t)
  const [folder, crashed] = [path.join(base, 'seal'), path.join(base, 'crashed')]
  copyFolder(prepared, folder)
  const storage = new FaultyStorage(fault, () => {
    copyFolder(folder, crashed)
  })
  const durable: string[] = []
  let answered = 0
  try {
    const opened = await start(folder, scenario, storage, anchor)
    durable.push(describe(opened.ledger))
    try {
      for (const step of scenario.steps) {
        await taken(step, opened, storage)
        if (storage.isDead) break
        answered++
        durable.push(durableState(folder, opened.ledger, durable))
      }
    } finally {
      await opened.ledger.close().catch(() => undefined)
    }
  } catch (error) {
    assert.ok(error instanceof Crash, String(error instanceof Error ? error.stack : error))
  }
  return { durable, answered, storage, folder, crashed }
}

/** A start that has to write ends with the reason when it can't, and may be tried again. */
async function start(
  folder: string,
  scenario: Scenario,
  storage: FaultyStorage,
  anchor: RollbackAnchor | undefined,
): Promise<OpenedLedger> {
  const { files, wrapBackend } = storage
  const rollback = anchor && { anchor: storage.wrapAnchor(anchor), adopt: undefined }
  const change = { files, wrapBackend, rollback, delays: delaysOf(scenario) }
  try {
    return await open(folder, change)
  } catch (error) {
    if (!(error instanceof SealDirectoryUnusable)) throw error
    assert.match(error.message, /no space left on device/)
    storage.heal()
    // As the next process finds it: in this one SQLite's file may still be open.
    copyFolder(folder, `${folder}-again`)
    copyFolder(`${folder}-again`, folder)
    return await open(folder, change)
  }
}

/** Takes a step; when the storage fails, it must have changed nothing, and work when the trouble is over. */
async function taken(
  step: Scenario['steps'][number],
  opened: OpenedLedger,
  storage: FaultyStorage,
): Promise<void> {
  const before = describe(opened.ledger)
  try {
    await step(opened, storage)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    assert.equal(error.code, 'storage_unavailable', error.stack)
    assert.match(error.message, /no space left on device/)
    assert.ok(storage.failures > 0)
    assert.equal(describe(opened.ledger), before)
    storage.heal()
    await step(opened, storage)
  }
}

/** With seal mode Disabled that is what was there before; when the ledger has closed, the one before. */
function durableState(folder: string, ledger: Ledger, former: readonly string[]): string {
  const isGoing = existsSync(path.join(folder, 'switch', 'nothing'))
  if (isGoing || !existsSync(path.join(folder, 'ledger.db'))) return former[0] ?? ''
  try {
    return describe(ledger)
  } catch {
    return former.at(-1) ?? ''
  }
}
