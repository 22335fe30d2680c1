import type { PreparedManifest } from '../manifest/index.ts'
import type { Authority } from '../pki/authority.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import type { SecretValue } from '../secrets/value.ts'
import { ByteReader, ByteWriter, CodecError } from './codec-bytes.ts'
import { applyChanges, initialState, type PendingUpdate, type State, type StateChange } from './state.ts'

export { CodecError }

/** First byte of every list of changes. Raised whenever a layout below changes; docs/format.md describes each. */
const codecVersion = 1

/** Second column of the table in docs/format.md. A number that was used once is never given another meaning. */
const kinds = {
  authority: 1,
  'root-secret': 2,
  manifest: 3,
  'package-version': 4,
  secret: 5,
  activations: 6,
  counter: 7,
  'pending-update': 8,
} as const satisfies Record<StateChange['kind'], number>

const generations = ['current', 'previous'] as const

/** A manifest as it is stored. Preparing it costs much, and only the newest one counts. */
interface StoredManifest {
  readonly kind: 'stored-manifest'
  readonly raw: Uint8Array
}

/** What {@link decodeChanges} yields; {@link restoreState} makes a {@link State} of it. */
export type StoredChange = Exclude<StateChange, { kind: 'manifest' }> | StoredManifest

/** One writer for all: encoding is synchronous, and the writer is wiped after each use. */
const writer = new ByteWriter()

/** The bytes of `changes`, in their order (docs/format.md, "Changes"). They hold secrets in clear. */
export function encodeChanges(changes: readonly StateChange[]): Buffer {
  try {
    writer.uint8(codecVersion)
    for (const change of changes) writeChange(writer, change)
    return writer.take()
  } catch (error) {
    writer.reset()
    throw error
  }
}

/** @throws {@link CodecError} on an unknown version, an unknown kind, or bytes that end early */
export function decodeChanges(bytes: Uint8Array): StoredChange[] {
  const reader = new ByteReader(bytes)
  const version = reader.uint8()
  if (version !== codecVersion) {
    throw new CodecError(`the changes have version ${version}; this build reads version ${codecVersion}`)
  }
  const changes: StoredChange[] = []
  while (reader.remaining > 0) changes.push(readChange(reader))
  return changes
}

/** All of a state as changes, for a snapshot. */
export function stateToChanges(state: State): StateChange[] {
  const changes: StateChange[] = [
    { kind: 'authority', authority: state.authority },
    { kind: 'root-secret', current: state.rootSecret, previous: state.previousRootSecret },
  ]
  if (state.manifest !== undefined) changes.push({ kind: 'manifest', manifest: state.manifest })
  for (const [name, securityVersion] of state.packageVersions) {
    changes.push({ kind: 'package-version', name, securityVersion })
  }
  for (const [name, value] of state.secrets) {
    changes.push({ kind: 'secret', generation: 'current', name, value })
  }
  for (const [name, value] of state.previousSecrets) {
    changes.push({ kind: 'secret', generation: 'previous', name, value })
  }
  for (const [marbleType, count] of state.activations)
    changes.push({ kind: 'activations', marbleType, count })
  for (const [key, value] of state.counters) changes.push({ kind: 'counter', key, value })
  if (state.pendingUpdate !== undefined) changes.push({ kind: 'pending-update', update: state.pendingUpdate })
  return changes
}

/**
 * The state that `changes` lead to: those of a snapshot, and of all entries after it.
 *
 * @param prepareManifest called once, for the newest manifest
 * @throws {@link CodecError} when authority or root secret are missing, and whatever `prepareManifest` throws
 */
export function restoreState(
  changes: readonly StoredChange[],
  prepareManifest: (raw: Uint8Array) => PreparedManifest,
): State {
  const authority = changes.find((change) => change.kind === 'authority')
  const rootSecret = changes.find((change) => change.kind === 'root-secret')
  if (authority === undefined || rootSecret === undefined) {
    throw new CodecError('the changes have no authority or no root secret, so no state follows from them')
  }
  const start = initialState(authority.authority, rootSecret.current)
  return applyStored(start, changes, prepareManifest)
}

/** The state that follows from `state` by `changes`. */
export function applyStored(
  state: State,
  changes: readonly StoredChange[],
  prepareManifest: (raw: Uint8Array) => PreparedManifest,
): State {
  const newest = changes.findLast((change) => change.kind === 'stored-manifest')
  const resolved: StateChange[] = []
  for (const change of changes) if (change.kind !== 'stored-manifest') resolved.push(change)
  if (newest !== undefined) resolved.push({ kind: 'manifest', manifest: prepareManifest(newest.raw) })
  return applyChanges(state, resolved)
}

function writeChange(to: ByteWriter, change: StateChange): void {
  to.uint8(kinds[change.kind])
  switch (change.kind) {
    case 'authority':
      writeAuthority(to, change.authority)
      break
    case 'root-secret':
      to.bytes(change.current.reveal())
      to.optional(change.previous, (previous) => to.bytes(previous.reveal()))
      break
    case 'manifest':
      to.bytes(change.manifest.raw)
      break
    case 'package-version':
      to.text(change.name).optional(change.securityVersion, (version) => to.count(version))
      break
    case 'secret':
      to.uint8(generations.indexOf(change.generation)).text(change.name)
      to.optional(change.value, (value) => {
        writeSecretValue(to, value)
      })
      break
    case 'activations':
      to.text(change.marbleType).count(change.count)
      break
    case 'counter':
      to.text(change.key).uint64(change.value)
      break
    case 'pending-update':
      to.optional(change.update, (update) => {
        to.bytes(update.raw).uint32(update.acknowledgedBy.size)
        for (const name of update.acknowledgedBy) to.text(name)
      })
      break
  }
}

function readChange(from: ByteReader): StoredChange {
  const kind = from.uint8()
  switch (kind) {
    case kinds.authority:
      return { kind: 'authority', authority: readAuthority(from) }
    case kinds['root-secret']:
      return {
        kind: 'root-secret',
        current: new SecretBytes(from.bytes()),
        previous: from.optional(() => new SecretBytes(from.bytes())),
      }
    case kinds.manifest:
      return { kind: 'stored-manifest', raw: from.bytes() }
    case kinds['package-version']:
      return {
        kind: 'package-version',
        name: from.text(),
        securityVersion: from.optional(() => from.count()),
      }
    case kinds.secret: {
      const generation = generations[from.uint8()]
      if (generation === undefined) throw new CodecError('a secret is neither current nor previous')
      return {
        kind: 'secret',
        generation,
        name: from.text(),
        value: from.optional(() => readSecretValue(from)),
      }
    }
    case kinds.activations:
      return { kind: 'activations', marbleType: from.text(), count: from.count() }
    case kinds.counter:
      return { kind: 'counter', key: from.text(), value: from.uint64() }
    case kinds['pending-update']:
      return { kind: 'pending-update', update: from.optional(() => readPendingUpdate(from)) }
    default:
      throw new CodecError(`a change has the unknown kind ${kind}; a newer build may have written it`)
  }
}

function writeAuthority(to: ByteWriter, authority: Authority): void {
  to.bytes(authority.rootCertificate)
    .bytes(authority.rootKey.reveal())
    .bytes(authority.intermediateCertificate)
    .bytes(authority.intermediateKey.reveal())
    .bytes(authority.marbleRootCertificate)
}

const readAuthority = (from: ByteReader): Authority => ({
  rootCertificate: from.bytes(),
  rootKey: new SecretBytes(from.bytes()),
  intermediateCertificate: from.bytes(),
  intermediateKey: new SecretBytes(from.bytes()),
  marbleRootCertificate: from.bytes(),
})

function writeSecretValue(to: ByteWriter, value: SecretValue): void {
  to.optional(value.certificate, (certificate) => to.bytes(certificate))
    .bytes(value.private.reveal())
    .bytes(value.public.reveal())
}

const readSecretValue = (from: ByteReader): SecretValue => ({
  certificate: from.optional(() => from.bytes()),
  private: new SecretBytes(from.bytes()),
  public: new SecretBytes(from.bytes()),
})

function readPendingUpdate(from: ByteReader): PendingUpdate {
  const raw = from.bytes()
  const count = from.uint32()
  const acknowledgedBy = new Set<string>()
  for (let index = 0; index < count; index++) acknowledgedBy.add(from.text())
  return { raw, acknowledgedBy }
}
