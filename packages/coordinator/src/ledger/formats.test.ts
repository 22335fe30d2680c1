import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { simulationSealing } from '../sealing/providers/simulation.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import { ByteWriter } from '../state/codec-bytes.ts'
import type { StoredEntry } from './backend.ts'
import { SqliteBackend } from './backends/sqlite.ts'
import { framed } from './framing.ts'
import { inspectLedger } from './inspect.ts'
import { openKeyFile, parseKeyFile } from './key-file.ts'
import type { OpenedLedger } from './open.ts'
import { readPublicPart } from './public-part.ts'
import {
  activate,
  copyFolder,
  filesIn,
  forgetDigest,
  open,
  setManifest,
  temporaryFolder,
} from './test-ledger.ts'
import { recover } from './test-scenarios.ts'

const fixtures = path.join(import.meta.dirname, 'fixtures')

function fixture(t: TestContext, name: string): string {
  const folder = temporaryFolder(t)
  copyFolder(path.join(fixtures, name), folder)
  return folder
}

const work = ['manifest-set', 'secrets-written', ...Array.from({ length: 3 }, () => 'marble-activated')]

interface Expected {
  readonly activations: number
  readonly actions: readonly string[]
}

/** What `fixtures/make.ts` wrote. */
const formerLedgers: Record<string, Expected> = {
  closed: { activations: 2, actions: work },
  killed: { activations: 2, actions: [...work, 'marble-activated'] },
  'second-epoch': {
    activations: 3,
    actions: [...work, 'update-initiated', 'marble-activated', 'marble-activated'],
  },
  'set-aside': {
    activations: 3,
    actions: [...work, 'update-initiated', 'update-initiated', 'marble-activated'],
  },
}

function assertContents({ ledger }: OpenedLedger, { activations, actions }: Expected): void {
  assert.equal(ledger.recoveryReason, undefined)
  assert.equal(ledger.state.activations.get('web'), activations)
  assert.equal(Buffer.from(ledger.state.secrets.get('token')?.private.reveal() ?? []).toString(), 's3cret')
  assert.deepEqual(
    ledger.entries(0, 100).map(({ audit }) => audit.action),
    actions,
  )
}

function formatOf(folder: string): number {
  const backend = new SqliteBackend(path.join(folder, 'ledger.db'), 'read')
  const { format } = backend
  void backend.close()
  return format
}

for (const format of [1, 2]) {
  for (const [name, expected] of Object.entries(formerLedgers)) {
    test(`a ledger of format ${format} opens, and is of format 2 from then on: ${name}`, async (t) => {
      const folder = fixture(t, `format-${format}/${name}`)
      assert.equal(formatOf(folder), format)
      assert.equal(inspectLedger(folder, () => undefined).problem, undefined)
      const first = await open(folder)
      assertContents(first, expected)
      assert.equal(await first.historyVerified, undefined)
      assert.equal(await activate(first.ledger), expected.activations + 1)
      await first.ledger.close()
      assert.equal(formatOf(folder), 2)
      assert.equal(inspectLedger(folder, () => undefined).problem, undefined)
      const second = await open(folder)
      assertContents(second, {
        activations: expected.activations + 1,
        actions: [...expected.actions, 'marble-activated'],
      })
      await second.ledger.close()
    })
  }
}

for (const name of ['closed', 'killed']) {
  test(`a ledger of format 1 is recovered, and is of format 2 from then on: ${name}`, async (t) => {
    const folder = fixture(t, `format-1/${name}`)
    rmSync(path.join(folder, 'sealed_key'))
    const opened = await open(folder)
    await recover(opened)
    const { activations = 0, actions = [] } = formerLedgers[name] ?? {}
    // The action that recovery has in these tests.
    assertContents(opened, { activations, actions: [...actions, 'manifest-set'] })
    await opened.ledger.close()
    assert.equal(formatOf(folder), 2)
    const again = await open(folder)
    assert.equal(await activate(again.ledger), activations + 1)
    await again.ledger.close()
  })
}

test('what was set aside by format 1 opens in a folder of its own, and its key recovers it', async (t) => {
  const folder = fixture(t, 'format-1/set-aside')
  const [aside = ''] = readdirSync(folder).filter((name) => name.startsWith('replaced-'))
  const before = filesIn(path.join(folder, aside))
  const { ledger } = await open(folder)
  await ledger.close()
  assert.deepEqual(filesIn(path.join(folder, aside)), before)

  const copy = fixture(t, `format-1/set-aside/${aside}`)
  const opened = await open(copy)
  assertContents(opened, { activations: 2, actions: work })
  await opened.ledger.close()
  rmSync(path.join(copy, 'sealed_key'))
  const sealed = await open(copy)
  await recover(sealed)
  assert.equal(sealed.ledger.state.activations.get('web'), 2)
  await sealed.ledger.close()
})

test('a former ledger that was altered is refused as it is, and not raised', async (t) => {
  const folder = fixture(t, 'format-1/killed')
  const log = path.join(folder, 'ledger.db-wal')
  const bytes = readFileSync(log)
  bytes[bytes.length - 100] = (bytes.at(-100) ?? 0) ^ 1
  writeFileSync(log, bytes)
  const before = filesIn(folder)
  const { ledger } = await open(folder)
  assert.match(ledger.recoveryReason ?? '', /the ledger was cut/)
  await ledger.close()
  assert.deepEqual(filesIn(folder), before)
})

function alter(folder: string, sql: string): void {
  const database = new DatabaseSync(path.join(folder, 'ledger.db'))
  database.exec(sql)
  database.close()
}

async function newLedger(t: TestContext): Promise<string> {
  const folder = temporaryFolder(t)
  const { ledger } = await open(folder)
  await setManifest(ledger)
  await activate(ledger)
  await ledger.close()
  return folder
}

/** The head of format 1 in the words of its schema, so that only what it says is left to tell. */
const headOfFormat1 =
  'CREATE TABLE former AS SELECT * FROM head; DROP TABLE head; CREATE TABLE head (\n' +
  '  id INTEGER PRIMARY KEY CHECK (id = 1),\n  ledger_id BLOB NOT NULL,\n  epoch INTEGER NOT NULL,\n' +
  '  sequence INTEGER NOT NULL,\n  hash BLOB NOT NULL,\n  confirmed INTEGER NOT NULL,\n  mac BLOB NOT NULL\n) STRICT; ' +
  'INSERT INTO head SELECT id, ledger_id, epoch, sequence, hash, confirmed, mac FROM former; DROP TABLE former; ' +
  'PRAGMA user_version = 1'

test('a ledger is not taken for one of another format, with its key or without', async (t) => {
  const folder = await forgetDigest(await newLedger(t))
  alter(folder, headOfFormat1)
  const { ledger } = await open(folder)
  assert.match(ledger.recoveryReason ?? '', /the snapshot has a wrong MAC/)
  await ledger.close()
  rmSync(path.join(folder, 'sealed_key'))
  const sealed = await open(folder)
  await assert.rejects(recover(sealed), /the snapshot does not authenticate/)
  await sealed.ledger.close()
})

/** State 1 with a reason that matches, and not a byte changed. */
async function assertRefused(folder: string, reason: RegExp): Promise<void> {
  const before = filesIn(folder)
  const { ledger } = await open(folder)
  assert.match(ledger.recoveryReason ?? 'the state was taken', reason)
  await ledger.close()
  assert.deepEqual(filesIn(folder), before)
}

test('a version of ledger.db that this build does not know is refused', async (t) => {
  const folder = await forgetDigest(await newLedger(t))
  for (const version of [0, 3, 9]) {
    alter(folder, `PRAGMA user_version = ${version}`)
    await assertRefused(folder, new RegExp(`format version ${version}; this build reads versions 1 and 2`))
  }
})

test('a version of sealed_key that this build does not know is refused, and so is one of what is sealed in it', async (t) => {
  const folder = await newLedger(t)
  const file = path.join(folder, 'sealed_key')
  const genuine = readFileSync(file)
  const { binding, ledgerId, anchorsAt } = parseKeyFile(genuine)
  writeFileSync(file, Buffer.concat([genuine.subarray(0, 8), Buffer.of(2), genuine.subarray(9)]))
  await assertRefused(folder, /sealed_key is no sealed key: it has version 2; this build reads version 1/)

  const associatedData = framed(
    'taw sealed_key v1',
    Buffer.from('simulation'),
    Buffer.from(binding),
    ledgerId,
  )
  const seal = async (contents: Uint8Array): Promise<void> => {
    const sealed = await simulationSealing.seal(new SecretBytes(contents), { binding, associatedData })
    const writer = new ByteWriter().raw(Buffer.from('taw-key\n')).uint8(1).text('simulation').text(binding)
    const head = writer.raw(ledgerId).bytes(sealed).take()
    const padding = Buffer.alloc(anchorsAt - head.length)
    writeFileSync(file, Buffer.concat([head, padding, genuine.subarray(anchorsAt)]))
  }
  const { keys } = await openKeyFile(simulationSealing, parseKeyFile(genuine))
  const contents = (version: number): Uint8Array => {
    const writer = new ByteWriter().uint8(version).uint8(keys.size)
    for (const [epoch, { dek: key, macKey }] of keys)
      writer.count(epoch).raw(key.reveal()).raw(macKey.reveal())
    return writer.take()
  }
  await seal(contents(2))
  await assertRefused(folder, /what is sealed has version 2; this build reads version 1/)
  await seal(contents(1))
  const { ledger } = await open(folder)
  assert.equal(ledger.recoveryReason, undefined, 'so only the version was wrong')
  await ledger.close()
})

test('a version of a box that this build does not know is refused, and named', async (t) => {
  const folder = await forgetDigest(await newLedger(t))
  alter(folder, "UPDATE snapshot SET sealed = CAST(x'09' || substr(sealed, 2) AS BLOB)")
  await assertRefused(folder, /the snapshot has a wrong MAC/)
  rmSync(path.join(folder, 'sealed_key'))
  const sealed = await open(folder)
  await assert.rejects(recover(sealed), /the snapshot has version 9; this build reads version 1/)
  await sealed.ledger.close()
})

test('a version of a public part that this build does not know is refused, and so are those that name none', () => {
  const entry = (text: string): Pick<StoredEntry, 'sequence' | 'publicPart'> => ({
    sequence: 7,
    publicPart: Buffer.from(text),
  })
  const time = '"time":"2026-11-22T13:53:35.123Z"'
  assert.equal(readPublicPart(entry(`{"v":1,${time},"audit":{"action":"x"}}`)).sequence, 7)
  const refusals: [string, RegExp][] = [
    [`{"v":2,${time}}`, /public part of entry 7 has version 2; this build reads version 1/],
    [`{"v":"1",${time}}`, /has version "1"/],
    [`{${time}}`, /names no version/],
    ['7', /names no version/],
    ['{', /is not JSON/],
    ['{"v":1,"audit":{"action":"x"}}', /has no time/],
    [`{"v":1,${time}}`, /has no audit record/],
  ]
  for (const [text, reason] of refusals) assert.throws(() => readPublicPart(entry(text)), reason)
})
