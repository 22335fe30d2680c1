import { CodecError, decodeChanges, restoreState, type StoredChange } from '../state/codec.ts'
import type { State } from '../state/state.ts'
import type { PreparedManifest } from '../manifest/index.ts'
import { Refusal } from '../refusal.ts'
import {
  type LedgerBackend,
  StorageDamaged,
  type StoredEntry,
  type StoredHead,
  type StoredSnapshot,
} from './backend.ts'
import { type ChainPoint, chainStart, openSealedPart, verifyChain, verifyMac } from './entry.ts'
import { Epoch, type EpochDescription, type EpochKeys } from './epoch.ts'
import { sameBytes } from './framing.ts'
import { verifyHead } from './head.ts'
import { openSnapshot, verifySnapshot } from './snapshot.ts'

/** Entries read at once. */
const pageSize = 1000

/**
 * Entries before the snapshot that are verified before the start goes on, about 10 µs each. Longer histories are
 * verified afterwards, in the background; what they say is verified when it is read, in any case.
 */
export const promptHistory = 8192

/** What a ledger leads to. */
export interface Replayed {
  readonly epoch: Epoch
  readonly state: State
  readonly head: StoredHead
  readonly tail: Tail
  /** Entries up to here are not verified yet. */
  readonly unverified: number
  /** Whether sealed parts may still be there that the snapshot covers: a crash cut their removal short. */
  readonly lingers: boolean
}

/** What came after the snapshot. */
export interface Tail {
  readonly entries: number
  /** Bytes of their sealed parts. */
  readonly bytes: number
  /** Whether something was replaced whose former value is still in a sealed part. */
  readonly replaces: boolean
}

/** Kinds of change of which each makes a former secret obsolete. */
const replacingKinds: ReadonlySet<string> = new Set(['authority', 'root-secret', 'secret'])

export const replacesSecrets = (changes: readonly { readonly kind: string }[]): boolean =>
  changes.some(({ kind }) => replacingKinds.has(kind))

export interface ReplayOptions {
  readonly prepareManifest: (raw: Uint8Array) => PreparedManifest
  /** False: the keys of MACs are lost, and only what the data encryption key authenticates is checked (recovery). */
  readonly verifyMacs: boolean
}

/** What is there before any key is. @throws {@link StorageDamaged} */
export function readFrame(backend: LedgerBackend): {
  readonly head: StoredHead
  readonly snapshot: StoredSnapshot
} {
  const head = backend.head()
  const snapshot = backend.snapshot()
  if (head === undefined) throw new StorageDamaged('the record of where the ledger ends is missing')
  if (snapshot === undefined) throw new StorageDamaged('the snapshot is missing')
  if (snapshot.epoch !== head.epoch) {
    throw new StorageDamaged(
      `the snapshot is of epoch ${snapshot.epoch}, but the ledger is in epoch ${head.epoch}`,
    )
  }
  if (snapshot.sequence > head.sequence) {
    throw new StorageDamaged(
      `the ledger ends at entry ${head.sequence}, before its snapshot at entry ${snapshot.sequence}`,
    )
  }
  return { head, snapshot }
}

/** The epoch in which a ledger ends. */
function epochOf(head: StoredHead, snapshot: StoredSnapshot, keys: EpochKeys): Epoch {
  const { sealMode, recovery } = snapshot
  const description: EpochDescription = {
    number: head.epoch,
    ledgerId: head.ledgerId,
    sealMode,
    recovery,
    keys,
  }
  return new Epoch(description)
}

/**
 * Verifies a ledger and works out the state that it leads to.
 *
 * @throws {@link StorageDamaged} with what was found
 */
export function replay(backend: LedgerBackend, keys: EpochKeys, options: ReplayOptions): Replayed {
  const { head, snapshot } = readFrame(backend)
  const { format } = backend
  const epoch = epochOf(head, snapshot, keys)
  if (options.verifyMacs) verifySnapshot(epoch, snapshot, format)
  const changes = decode(openSnapshot(epoch, snapshot, format), 'the snapshot')
  // After the snapshot, whose error says most when the key is another one.
  verifyHead(epoch, head, format, options.verifyMacs)
  const isPrompt = !options.verifyMacs || snapshot.sequence <= promptHistory
  let lingers = true
  if (isPrompt) {
    const found = verifyHistory(backend, epoch, snapshot.sequence, options.verifyMacs)
    lingers = found.hasSealedParts
    requireSamePoint(found.point, snapshot, 'the snapshot was made after')
  } else {
    requireSamePoint(entryAt(backend, snapshot.sequence), snapshot, 'the snapshot was made after')
  }
  const tail = replayTail(backend, epoch, snapshot, head, options.verifyMacs, changes)
  const state = stateOf(changes, options)
  return { epoch, state, head, tail, unverified: isPrompt ? 0 : snapshot.sequence, lingers }
}

/** What was verified of the chain. */
export interface Verified {
  readonly point: ChainPoint
  /** Whether an entry still has a sealed part. */
  readonly hasSealedParts: boolean
}

/** Verifies the chain from its start to entry `end`. @throws {@link StorageDamaged} */
function verifyHistory(backend: LedgerBackend, epoch: Epoch, end: number, verifyMacs: boolean): Verified {
  let point = chainStart(epoch.ledgerId)
  let hasSealedParts = false
  while (point.sequence < end) {
    const page = verifyPage(backend, epoch, point, end, verifyMacs)
    point = page.point
    hasSealedParts ||= page.hasSealedParts
  }
  return { point, hasSealedParts }
}

/** Verifies some entries after `point`, at most to `end`. @throws {@link StorageDamaged} */
export function verifyPage(
  backend: LedgerBackend,
  epoch: Epoch,
  point: ChainPoint,
  end: number,
  verifyMacs: boolean,
): Verified {
  let hasSealedParts = false
  for (const entry of pageOf(backend, point, end)) {
    point = verifyChain(point, entry)
    if (verifyMacs) verifyMac(epoch, entry)
    hasSealedParts ||= entry.sealedPart !== undefined && entry.sealedPart.length > 0
  }
  return { point, hasSealedParts }
}

function replayTail(
  backend: LedgerBackend,
  epoch: Epoch,
  snapshot: StoredSnapshot,
  head: StoredHead,
  verifyMacs: boolean,
  changes: StoredChange[],
): Tail {
  let point: ChainPoint = snapshot
  let bytes = 0
  let replaces = false
  while (point.sequence < head.sequence) {
    for (const entry of pageOf(backend, point, head.sequence)) {
      const opened = openEntry(epoch, point, entry, verifyMacs)
      replaces ||= replacesSecrets(opened)
      for (const change of opened) changes.push(change)
      bytes += entry.sealedPart?.length ?? 0
      point = entry
    }
  }
  requireSamePoint(point, head, 'the ledger ends with')
  const [beyond] = backend.entries(head.sequence, 1)
  if (beyond !== undefined) {
    throw new StorageDamaged(
      `the ledger ends at entry ${head.sequence}, but there is an entry ${beyond.sequence}`,
    )
  }
  return { entries: head.sequence - snapshot.sequence, bytes, replaces }
}

/** Verifies an entry that follows `point`, and yields what it changes. @throws {@link StorageDamaged} */
export function openEntry(
  epoch: Epoch,
  point: ChainPoint,
  entry: StoredEntry,
  verifyMacs: boolean,
): readonly StoredChange[] {
  verifyChain(point, entry)
  if (verifyMacs) verifyMac(epoch, entry)
  if (entry.epoch !== epoch.number) {
    throw new StorageDamaged(
      `entry ${entry.sequence} is of epoch ${entry.epoch}; it must be of ${epoch.number}`,
    )
  }
  const opened = openSealedPart(epoch, point, entry)
  return opened.length === 0 ? [] : decode(opened, `entry ${entry.sequence}`)
}

/** @throws {@link StorageDamaged} */
export function entryAt(backend: LedgerBackend, sequence: number): StoredEntry {
  const [entry] = backend.entries(sequence - 1, 1)
  if (entry?.sequence === sequence) return entry
  throw new StorageDamaged(`entry ${sequence} is missing`)
}

/** @throws {@link StorageDamaged} when the next entry is missing */
function pageOf(backend: LedgerBackend, point: ChainPoint, end: number): readonly StoredEntry[] {
  const page = backend.entries(point.sequence, Math.min(pageSize, end - point.sequence))
  if (page.length === 0)
    throw new StorageDamaged(`entry ${point.sequence + 1} is missing: the ledger was cut`)
  return page
}

function requireSamePoint(found: ChainPoint, expected: ChainPoint, what: string): void {
  if (found.sequence === expected.sequence && sameBytes(found.hash, expected.hash)) return
  throw new StorageDamaged(`${what} another entry ${expected.sequence} than the one that is there`)
}

function decode(plaintext: Uint8Array, what: string): StoredChange[] {
  try {
    return decodeChanges(plaintext)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw new StorageDamaged(`${what} can't be read: ${error.message}`)
  } finally {
    plaintext.fill(0)
  }
}

function stateOf(changes: readonly StoredChange[], { prepareManifest }: ReplayOptions): State {
  try {
    return restoreState(changes, prepareManifest)
  } catch (error) {
    if (!(error instanceof CodecError) && !(error instanceof Refusal)) throw error
    throw new StorageDamaged(`the state can't be used: ${error.message}`)
  }
}
