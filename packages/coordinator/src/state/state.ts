import type { PreparedManifest } from '../manifest/index.ts'
import type { Authority } from '../pki/authority.ts'
import type { SecretBytes } from '../secrets/secret-bytes.ts'
import type { SecretValue } from '../secrets/value.ts'
import { PersistentMap } from './persistent-map.ts'

/**
 * Everything that the Coordinator decides on: one immutable snapshot. Operations read it and return
 * {@link StateChange}s; {@link applyChanges} is the only way from one snapshot to the next, at run time and at replay.
 */
export interface State {
  readonly authority: Authority
  /** 32 bytes: the key from which private symmetric keys are derived. */
  readonly rootSecret: SecretBytes
  readonly previousRootSecret: SecretBytes | undefined
  /** Undefined until a manifest is set: the Coordinator is then in state 2, else in state 3. */
  readonly manifest: PreparedManifest | undefined
  /** `SecurityVersion` of packages raised by package updates since the manifest was set. */
  readonly packageVersions: ReadonlyMap<string, number>
  /** Values of shared and of user-defined secrets. */
  readonly secrets: ReadonlyMap<string, SecretValue>
  readonly previousSecrets: ReadonlyMap<string, SecretValue>
  /** Successful activations by marble type, counted while the type has `MaxActivations`. */
  readonly activations: ReadonlyMap<string, number>
  /** Monotonic counters by {@link counterKey}; unsigned 64-bit. */
  readonly counters: PersistentMap<bigint>
  /** A full update that waits for acknowledgements. */
  readonly pendingUpdate: PendingUpdate | undefined
}

export interface PendingUpdate {
  /** The new manifest as uploaded. It is prepared when it is put in force. */
  readonly raw: Uint8Array
  /** Names of the users who agree; the uploader is one. */
  readonly acknowledgedBy: ReadonlySet<string>
}

/** A counter belongs to one marble (type and UUID) and has a name there. */
export const counterKey = (marbleType: string, uuid: string, name: string): string =>
  JSON.stringify([marbleType, uuid, name])

/** One step from a {@link State} to the next. An undefined value removes the entry. */
export type StateChange =
  | { readonly kind: 'authority'; readonly authority: Authority }
  | {
      readonly kind: 'root-secret'
      readonly current: SecretBytes
      readonly previous: SecretBytes | undefined
    }
  | { readonly kind: 'manifest'; readonly manifest: PreparedManifest }
  | { readonly kind: 'package-version'; readonly name: string; readonly securityVersion: number | undefined }
  | {
      readonly kind: 'secret'
      readonly generation: 'current' | 'previous'
      readonly name: string
      readonly value: SecretValue | undefined
    }
  | { readonly kind: 'activations'; readonly marbleType: string; readonly count: number }
  | { readonly kind: 'counter'; readonly key: string; readonly value: bigint }
  | { readonly kind: 'pending-update'; readonly update: PendingUpdate | undefined }

/** A snapshot before anything was set: state 2. */
export function initialState(authority: Authority, rootSecret: SecretBytes): State {
  return {
    authority,
    rootSecret,
    previousRootSecret: undefined,
    manifest: undefined,
    packageVersions: new Map(),
    secrets: new Map(),
    previousSecrets: new Map(),
    activations: new Map(),
    counters: PersistentMap.empty(),
    pendingUpdate: undefined,
  }
}

/** The snapshot that follows from `state` by `changes`, in their order. `state` itself stays as it is. */
export function applyChanges(state: State, changes: readonly StateChange[]): State {
  const next = new Draft(state)
  for (const change of changes) next.apply(change)
  return next.finish()
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Copies each map at most once, and only when a change touches it. */
class Draft {
  readonly #next: Mutable<State>
  readonly #copied = new Set<object>()

  constructor(state: State) {
    this.#next = { ...state }
  }

  finish(): State {
    return this.#next
  }

  apply(change: StateChange): void {
    switch (change.kind) {
      case 'authority':
        this.#next.authority = change.authority
        break
      case 'root-secret':
        this.#next.rootSecret = change.current
        this.#next.previousRootSecret = change.previous
        break
      case 'manifest':
        this.#next.manifest = change.manifest
        break
      case 'package-version':
        this.#next.packageVersions = this.#put(
          this.#next.packageVersions,
          change.name,
          change.securityVersion,
        )
        break
      case 'secret':
        if (change.generation === 'current') {
          this.#next.secrets = this.#put(this.#next.secrets, change.name, change.value)
        } else {
          this.#next.previousSecrets = this.#put(this.#next.previousSecrets, change.name, change.value)
        }
        break
      case 'activations':
        this.#next.activations = this.#put(this.#next.activations, change.marbleType, change.count)
        break
      case 'counter':
        this.#next.counters = this.#next.counters.with(change.key, change.value)
        break
      case 'pending-update':
        this.#next.pendingUpdate = change.update
        break
    }
  }

  #put<V>(map: ReadonlyMap<string, V>, key: string, value: V | undefined): ReadonlyMap<string, V> {
    const copy = this.#copied.has(map) ? (map as Map<string, V>) : new Map(map)
    this.#copied.add(copy)
    if (value === undefined) copy.delete(key)
    else copy.set(key, value)
    return copy
  }
}
