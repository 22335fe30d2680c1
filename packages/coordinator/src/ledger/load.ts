import { statSync } from 'node:fs'
import type { PreparedManifest } from '../manifest/index.ts'
import { findGuard, type FoundGuard } from './adoption.ts'
import { type Anchors, checkAnchors, readAnchors } from './anchor.ts'
import { type LedgerBackend, StorageDamaged, StorageUnavailable, type StoredHead } from './backend.ts'
import { SqliteBackend } from './backends/sqlite.ts'
import { loggedPages } from './base-digest.ts'
import { chainStart } from './entry.ts'
import { Epoch } from './epoch.ts'
import { digestOf, type EpochStarterOptions, rewriterOf } from './epochs.ts'
import { sameBytes } from './framing.ts'
import { makeHead } from './head.ts'
import type { OpenedPosition } from './journal.ts'
import type { FoundWork } from './maintenance.ts'
import { type KeyFileContents, openKeyFile, parseKeyFile } from './key-file.ts'
import { entryAt, promptHistory, readFrame, replay, type Replayed } from './replay.ts'
import { RollbackGuard, writeGuarded } from './rollback-anchor.ts'
import { sealSnapshot } from './snapshot.ts'
import { DirectoryStore, type Position } from './store.ts'

/** Bytes of `ledger.db` that are hashed before the start goes on, which takes some 20 ms. */
const promptLength = 32 * 1024 * 1024

export interface LoadOptions extends EpochStarterOptions {
  readonly prepareManifest: (raw: Uint8Array) => PreparedManifest
}

export interface Loaded {
  readonly opened: OpenedPosition
  /** Public records up to here are yet to be verified. */
  readonly unverified: number
}

/**
 * Opens the ledger of a seal directory with the sealed key next to it. Nothing is written before all was verified.
 *
 * @throws {@link StorageDamaged} with what was found; {@link StorageUnavailable} when it can't be read now
 */
export async function loadLedger(options: LoadOptions): Promise<Loaded> {
  const { directory, files, sealing, openBackend, rollback, notices } = options
  const { key, replayed, covered } = await verifyDirectory(options)
  const { epoch, state, head, tail, lingers, unverified } = replayed
  const found = await findGuard(rollback, head)
  const { confirmed } = head
  const guard = await guardOf(found)
  const open = (): LedgerBackend => openBackend(directory.ledgerFile, 'write')
  const store = new DirectoryStore({ open, directory, files, sealing, epoch, confirmed, guard, notices })
  let upgraded: FoundWork | undefined
  try {
    requireSameHead(store.backend, head)
    upgraded = await upgrade(store.backend, replayed)
    if (found.kind === 'to-adopt') await anchorNow({ store, epoch, head })
  } catch (error) {
    await store.close()
    throw error
  }
  if (key.anchors.newest.point.sequence < head.sequence) store.anchor(epoch, head)
  await tidyKeys(store, replayed, key.contents, options)
  const position = { store, epoch, head }
  const isUnsettled = loggedPages(`${directory.ledgerFile}-wal`).length > 0
  const work = upgraded ?? { tail, covered, lingers, isUnsettled }
  return { opened: { position, state, work }, unverified }
}

/** Raises the format to the newest one. @returns undefined: it was */
async function upgrade(
  backend: LedgerBackend,
  { epoch, head, state }: Replayed,
): Promise<FoundWork | undefined> {
  if (backend.format !== 1) return undefined
  const { sequence, confirmed } = head
  const raised = makeHead(epoch, head, { confirmed, anchored: undefined })
  await backend.append(sequence, { entries: [], head: raised, snapshot: sealSnapshot(epoch, head, state) })
  const tail = { entries: 0, bytes: 0, replaces: false }
  return { tail, covered: sequence, lingers: true, isUnsettled: true }
}

async function guardOf(found: FoundGuard): Promise<RollbackGuard | undefined> {
  switch (found.kind) {
    case 'none':
      return undefined
    case 'anchored':
      return found.guard
    case 'to-adopt':
      return await RollbackGuard.begin(found.anchor)
  }
}

/** Has a ledger bear a value of its anchor for the first time. @throws {@link StorageUnavailable} */
async function anchorNow(position: Position): Promise<void> {
  const write = rewriterOf(position)
  const { unconfirmed } = await writeGuarded(position.store.guard, {
    rewrite: () => Promise.resolve(),
    write: async (anchored) => {
      if (anchored !== undefined) await write(anchored)
      return true
    },
    isRare: false,
  })
  if (unconfirmed !== undefined) throw unconfirmed.error
}

/** Removes what a crash left. */
async function tidyKeys(
  store: DirectoryStore,
  { epoch, head }: Replayed,
  { keys }: KeyFileContents,
  { directory, notices }: LoadOptions,
): Promise<void> {
  try {
    if (keys.size > 1) await store.replaceKey([epoch], head)
    directory.removeLeftovers()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    notices.warn(`removing what a crash left: ${error.message}`)
  }
}

/** The sealed key next to the ledger, opened. */
interface FoundKey {
  readonly contents: KeyFileContents
  readonly anchors: Anchors
}

async function readKey({
  directory,
  sealing,
}: Pick<LoadOptions, 'directory' | 'sealing'>): Promise<FoundKey> {
  if (!directory.hasKey()) throw new StorageDamaged('the file sealed_key is missing')
  let bytes: Uint8Array
  try {
    bytes = directory.readKey()
  } catch (error) {
    if (!(error instanceof StorageUnavailable)) throw error
    throw new StorageDamaged(`sealed_key can't be read: ${error.message}`, { cause: error })
  }
  const layout = parseKeyFile(bytes)
  const contents = await openKeyFile(sealing, layout)
  return { contents, anchors: readAnchors(anyEpochOf(contents), bytes.subarray(layout.anchorsAt)) }
}

/** For its MACs, whose key all epochs of a sealed key share. */
function anyEpochOf({ ledgerId, keys }: KeyFileContents): Epoch {
  const [first] = keys
  if (first === undefined) throw new StorageDamaged('sealed_key holds no key')
  const [number, found] = first
  return new Epoch({ number, ledgerId, sealMode: 'ProductKey', recovery: new Uint8Array(), keys: found })
}

interface VerifiedDirectory {
  readonly key: FoundKey
  readonly replayed: Replayed
  /** The entry that the snapshot covers. */
  readonly covered: number
}

/** The part of {@link loadLedger} that only reads. */
export async function verifyDirectory(
  options: Pick<LoadOptions, 'directory' | 'sealing' | 'prepareManifest'>,
): Promise<VerifiedDirectory> {
  const key = await readKey(options)
  return { key, ...verifyFiles(options, key) }
}

function verifyFiles(
  { directory, prepareManifest }: Pick<LoadOptions, 'directory' | 'prepareManifest'>,
  key: FoundKey,
): Omit<VerifiedDirectory, 'key'> {
  if (directory.hasForeignJournal()) {
    throw new StorageDamaged('there is a file ledger.db-journal, which no Coordinator writes')
  }
  const { anchors } = key
  checkBase(directory.ledgerFile, anchors)
  const backend = new SqliteBackend(directory.ledgerFile, 'read')
  try {
    const { head, snapshot } = readFrame(backend)
    if (snapshot.sequence <= promptHistory) backend.checkStructure()
    const replayed = replay(backend, keysFor(head, key.contents), { prepareManifest, verifyMacs: true })
    checkAnchors(anchors, head, (sequence) =>
      sequence === 0 ? chainStart(head.ledgerId).hash : entryAt(backend, sequence).hash,
    )
    return { replayed, covered: snapshot.sequence }
  } finally {
    void backend.close()
  }
}

/** Before SQLite reads it. A long file is hashed later, in the background. @throws {@link StorageDamaged} */
function checkBase(ledgerFile: string, { newest: { base } }: Anchors): void {
  const file = statSync(ledgerFile, { throwIfNoEntry: false })
  if (file?.isFile() !== true) throw new StorageDamaged('ledger.db is not a file')
  if (base === undefined || file.size > promptLength) return
  if (!sameBytes(digestOf(ledgerFile), base)) {
    throw new StorageDamaged('ledger.db is not the file that sealed_key has seen: it was altered or put back')
  }
}

function keysFor(head: StoredHead, { ledgerId, keys }: KeyFileContents) {
  if (!sameBytes(head.ledgerId, ledgerId)) {
    throw new StorageDamaged('sealed_key belongs to another ledger than the one next to it')
  }
  const found = keys.get(head.epoch)
  if (found !== undefined) return found
  throw new StorageDamaged(
    `sealed_key opens epoch ${[...keys.keys()].join(' and ')}, but the ledger is in epoch ${head.epoch}: ` +
      'they are of different times',
  )
}

/** The file was closed and opened again; appending must go on from what was verified. */
export function requireSameHead(backend: LedgerBackend, verified: StoredHead): void {
  const head = backend.head()
  if (head !== undefined && sameBytes(head.mac, verified.mac) && sameBytes(head.hash, verified.hash)) return
  throw new StorageDamaged('the ledger was changed while it was being opened')
}
