import { randomBytes } from 'node:crypto'
import type { Rekey } from '../ledger/ledger.ts'
import type { PreparedManifest } from '../manifest/index.ts'
import type { Manifest, SecretDefinition } from '../manifest/model.ts'
import { type Authority, renewIntermediate } from '../pki/authority.ts'
import { shownValidFor } from '../pki/secret-certificate.ts'
import { encodeDescription, splitNewKey } from '../recovery/split.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import type { SecretValue } from '../secrets/value.ts'
import type { State, StateChange } from '../state/state.ts'
import type { Ports } from './ports.ts'
import { generateShared, isGeneratedShared, requireAffordable } from './shared-secrets.ts'

/** What putting a new manifest in force changes, all generated and ready to be committed. */
export interface PreparedUpdate {
  readonly changes: readonly StateChange[]
  /** Recovery keys, their threshold or the seal mode changed. */
  readonly rekey: Rekey | undefined
  /** Recovery party → its new share; undefined when recovery stays as it is. */
  readonly recoverySecrets: ReadonlyMap<string, Uint8Array> | undefined
}

/**
 * Works out a full update (spec/secrets.md, "After an update"): everything slow happens here, before the commit.
 *
 * @throws {@link Refusal} when a secret can't be made
 */
export async function prepareManifestUpdate(
  state: State & { readonly manifest: PreparedManifest },
  next: PreparedManifest,
  ports: Ports,
): Promise<PreparedUpdate> {
  requireAffordable(next.manifest.secrets.values())
  const authority = await renewIntermediate(state.authority, ports.names, ports.now())
  const rotates = next.manifest.config.rotateRootSecret
  const changes: StateChange[] = [
    { kind: 'authority', authority },
    { kind: 'manifest', manifest: next },
    { kind: 'pending-update', update: undefined },
    ...[...state.packageVersions.keys()].map((name): StateChange => ({
      kind: 'package-version',
      name,
      securityVersion: undefined,
    })),
  ]
  if (rotates) {
    const current = new SecretBytes(randomBytes(32))
    changes.push({ kind: 'root-secret', current, previous: state.rootSecret })
  }
  changes.push(...(await secretChanges(state, next.manifest, authority, rotates, ports)))
  return { changes, ...(await prepareRecovery(state.manifest.manifest, next.manifest)) }
}

/** Shared certificates are remade whenever their issuer changes; symmetric keys are kept. */
export async function remadeCertificates(
  state: State & { readonly manifest: PreparedManifest },
  authority: Authority,
  ports: Ports,
): Promise<readonly StateChange[]> {
  return secretChanges(state, state.manifest.manifest, authority, false, ports)
}

async function secretChanges(
  state: State & { readonly manifest: PreparedManifest },
  next: Manifest,
  authority: Authority,
  rotates: boolean,
  ports: Ports,
): Promise<readonly StateChange[]> {
  const former = state.manifest.manifest.secrets
  const changes: StateChange[] = []
  const set = (generation: 'current' | 'previous', name: string, value: SecretValue | undefined): void => {
    const stored = generation === 'current' ? state.secrets : state.previousSecrets
    if (value !== undefined || stored.has(name)) changes.push({ kind: 'secret', generation, name, value })
  }
  for (const name of former.keys()) {
    if (next.secrets.has(name)) continue
    set('current', name, undefined)
    set('previous', name, undefined)
  }
  const remade: Promise<void>[] = []
  for (const [name, definition] of next.secrets) {
    const before = former.get(name)
    const isUnchanged = before !== undefined && sameDefinition(before, definition)
    const value = state.secrets.get(name)
    if (!isGeneratedShared(definition)) {
      // Private secrets are derived at each activation; user-defined ones are kept while they mean the same.
      if (!isUnchanged) {
        set('current', name, undefined)
        set('previous', name, undefined)
      }
      continue
    }
    const isKey = definition.type === 'symmetric-key'
    if (isUnchanged && isKey && !rotates) continue
    const keepsFormer = isUnchanged && (isKey || shownValidFor(definition) === definition.validFor)
    remade.push(
      generateShared(definition, authority, ports).then((made) => {
        set('current', name, made)
        set('previous', name, keepsFormer ? value : undefined)
      }),
    )
  }
  await Promise.all(remade)
  return changes
}

/** Equal in what a value depends on: then the value stays. The certificate template does not count. */
function sameDefinition(a: SecretDefinition, b: SecretDefinition): boolean {
  return (
    a.type === b.type &&
    a.size === b.size &&
    a.shared === b.shared &&
    a.userDefined === b.userDefined &&
    a.validFor === b.validFor
  )
}

/** A new key for the state, and new shares, when those who may recover it change. */
async function prepareRecovery(
  former: Manifest,
  next: Manifest,
): Promise<Pick<PreparedUpdate, 'rekey' | 'recoverySecrets'>> {
  const { sealMode, recoveryThreshold } = next.config
  const sameKeys =
    former.recoveryKeys.size === next.recoveryKeys.size &&
    [...next.recoveryKeys].every(([name, key]) => former.recoveryKeys.get(name) === key)
  if (sameKeys && sharesNeeded(former) === sharesNeeded(next)) {
    const rekey = former.config.sealMode === sealMode ? undefined : { sealMode }
    return { rekey, recoverySecrets: undefined }
  }
  const { dek, recoverySecrets, description } = await splitNewKey(next.recoveryKeys, recoveryThreshold)
  return { rekey: { sealMode, dek, recovery: encodeDescription(description) }, recoverySecrets }
}

/** A threshold of 0 asks for all. */
export const sharesNeeded = ({ config, recoveryKeys }: Manifest): number =>
  config.recoveryThreshold || recoveryKeys.size
