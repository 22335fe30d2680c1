import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { loadManifest } from '../manifest/index.ts'
import type { SealMode } from '../manifest/model.ts'
import { manifestWith } from '../manifest/test-manifests.ts'
import { createAuthority } from '../pki/authority.ts'
import { simulationSealing } from '../sealing/providers/simulation.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import { encodeChanges, stateToChanges } from '../state/codec.ts'
import { initialState, type State, type StateChange } from '../state/state.ts'
import { type Anchor, encodeAnchor, readAnchors } from './anchor.ts'
import { Epoch } from './epoch.ts'
import { openKeyFile, parseKeyFile } from './key-file.ts'
import type { Decision, Ledger } from './ledger.ts'
import { type LedgerOptions, openLedger, type OpenedLedger } from './open.ts'

/** Made once: what tests need of it is only that it is there. */
const authority = await createAuthority(
  'P-256',
  { dnsNames: ['localhost'], ipAddresses: [] },
  new Date('2026-01-01T00:00:00Z'),
)

export const freshState = (): State => initialState(authority, new SecretBytes(Buffer.alloc(32, 7)))

/** In memory where the system has such a folder: what is tested here survives a process, not a power failure. */
const temporaryRoot = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** A folder that goes when the test ends. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(temporaryRoot, 'taw-ledger-'))
  t.after(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

export interface Notes {
  readonly warnings: string[]
  readonly errors: string[]
}

export function optionsFor(
  directory: string,
  change: Partial<LedgerOptions> = {},
): LedgerOptions & { notes: Notes } {
  const notes: Notes = { warnings: [], errors: [] }
  let clock = Date.parse('2026-02-03T04:05:06.789Z')
  return {
    directory,
    sealing: simulationSealing,
    freshState: () => Promise.resolve(freshState()),
    prepareManifest: loadManifest,
    now: () => new Date((clock += 1000)),
    notices: {
      warn: (message) => notes.warnings.push(message),
      error: (message) => notes.errors.push(message),
    },
    notes,
    ...change,
  }
}

export const open = (directory: string, change?: Partial<LedgerOptions>): Promise<OpenedLedger> =>
  openLedger(optionsFor(directory, change))

export const dek = new SecretBytes(Buffer.alloc(32, 1))
export const recovery = Buffer.from('{"parties":"for tests"}')

export const manifestBytes = (members: Record<string, unknown> = {}): Buffer =>
  Buffer.from(JSON.stringify(manifestWith(members)))

/** The first decision: what `set-manifest` does. */
export function manifestSet(
  state: State,
  sealMode: SealMode = 'ProductKey',
  key: SecretBytes = new SecretBytes(Buffer.from(dek.reveal())),
): Decision<string> {
  const manifest = loadManifest(manifestBytes())
  return {
    changes: [
      { kind: 'authority', authority: state.authority },
      { kind: 'root-secret', current: state.rootSecret, previous: undefined },
      { kind: 'manifest', manifest },
    ],
    audit: { action: 'manifest-set', actor: { kind: 'anonymous' }, fingerprint: manifest.fingerprint },
    result: 'set',
    rekey: { dek: key, sealMode, recovery },
  }
}

export const setManifest = (ledger: Ledger, sealMode?: SealMode, key?: SecretBytes): Promise<string> =>
  ledger.transact((state) => manifestSet(state, sealMode, key))

export const marble = {
  kind: 'marble',
  type: 'web',
  uuid: '11111111-2222-4333-8444-555555555555',
  evidence: null,
} as const

/** Counts one activation up; what an activation does. */
export function activation(state: State): Decision<number> {
  const count = (state.activations.get('web') ?? 0) + 1
  return {
    changes: [{ kind: 'activations', marbleType: 'web', count }],
    audit: { action: 'marble-activated', actor: marble, package: 'app', activation: count },
    result: count,
  }
}

export const activate = (ledger: Ledger): Promise<number> => ledger.transact(activation)

/** What an activation without a limit does: it changes nothing but the audit log. */
export const activateUnlimited = (ledger: Ledger): Promise<undefined> =>
  ledger.transact(() => ({
    changes: [],
    audit: { action: 'marble-activated', actor: marble, package: 'app', activation: null },
    result: undefined,
  }))

export function writeSecret(ledger: Ledger, name: string, value: Uint8Array): Promise<undefined> {
  const bytes = new SecretBytes(value)
  const changes: StateChange[] = [
    {
      kind: 'secret',
      generation: 'current',
      name,
      value: { certificate: undefined, private: bytes, public: bytes },
    },
  ]
  return ledger.transact(() => ({
    changes,
    audit: {
      action: 'secrets-written',
      actor: { kind: 'user', name: 'alice', certificate: 'ab'.repeat(32) },
      secrets: [{ name, type: 'plain' }],
    },
    result: undefined,
  }))
}

/** A full update with new recovery keys. */
export function updateManifest(
  ledger: Ledger,
  sealMode: SealMode = 'ProductKey',
  key?: SecretBytes,
): Promise<string> {
  return ledger.transact((state) => {
    assert.ok(state.manifest)
    return {
      changes: [
        { kind: 'root-secret', current: new SecretBytes(randomBytes(32)), previous: state.rootSecret },
      ],
      audit: {
        action: 'update-initiated',
        actor: { kind: 'user', name: 'alice', certificate: 'ab'.repeat(32) },
        fingerprint: state.manifest.fingerprint,
        missingUsers: [],
        missingAcknowledgments: 0,
        outcome: 'applied',
      },
      result: 'updated',
      rekey: { sealMode, dek: key ?? new SecretBytes(randomBytes(32)), recovery },
    }
  })
}

/** No maintenance but binding the sealed key, so that the write-ahead log stays. */
export const onlyBinding = { bind: 0, idle: 1e9, compaction: 1e9 }

/** Nothing but at the end. */
export const withoutMaintenance = { bind: 1e9, idle: 1e9, compaction: 1e9 }

/** What a host can't do: the newest anchor of the sealed key in a folder, and the epoch that vouches for it. */
export async function readAnchor(folder: string): Promise<{ anchor: Anchor; epoch: Epoch; head: Buffer }> {
  const bytes = readFileSync(path.join(folder, 'sealed_key'))
  const layout = parseKeyFile(bytes)
  const { ledgerId, keys } = await openKeyFile(simulationSealing, layout)
  const [[number, found] = assert.fail('no key')] = keys
  const epoch = new Epoch({
    number,
    ledgerId,
    sealMode: 'ProductKey',
    recovery: Buffer.alloc(0),
    keys: found,
  })
  const { newest } = readAnchors(epoch, bytes.subarray(layout.anchorsAt))
  return { anchor: newest, epoch, head: bytes.subarray(0, layout.anchorsAt) }
}

/**
 * Takes the digest of `ledger.db` out of the sealed key, so that what lies beneath has to find what was altered: with
 * long files, and after some crashes, it is all there is.
 */
export async function forgetDigest(folder: string): Promise<string> {
  const { anchor, epoch, head } = await readAnchor(folder)
  const sector = encodeAnchor(epoch, { ...anchor, base: undefined })
  writeFileSync(path.join(folder, 'sealed_key'), Buffer.concat([head, sector, sector]))
  return folder
}

/** Until the sealed key is durably bound to the newest entry, and the ledger knows it. */
export async function untilBound(folder: string, sequence: number): Promise<void> {
  while ((await readAnchor(folder)).anchor.confirmed < sequence) await setImmediate()
}

/** Everything that a client could see of a ledger, to compare. */
export const contentsOf = (ledger: Ledger): string =>
  encodeChanges(stateToChanges(ledger.state)).toString('hex') + JSON.stringify(ledger.entries(0, 100_000))

/** Name → hash of the contents, of all files below a folder. */
export function filesIn(folder: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    const file = path.join(folder, name)
    if (statSync(file).isFile()) found[name] = createHash('sha256').update(readFileSync(file)).digest('hex')
  }
  return found
}

/** Copies the files of a folder, and those of its folders. */
export function copyFolder(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true })
  mkdirSync(to, { recursive: true })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)]
    if (entry.isDirectory()) copyFolder(source, target)
    else copyFileSync(source, target)
  }
}
