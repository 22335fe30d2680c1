import { changedNames } from '../manifest/compare/differences.ts'
import { parseManifest, type PreparedManifest, type Problem } from '../manifest/index.ts'
import { encodeDescription, splitNewKey } from '../recovery/split.ts'
import { Refusal } from '../refusal.ts'
import { generateSharedSecrets } from './shared-secrets.ts'
import type { AnonymousActor } from '../state/audit.ts'
import type { State, StateChange } from '../state/state.ts'
import type { Ports } from './ports.ts'

export interface ManifestSet {
  /** Recovery party → its share, encrypted to its key. */
  readonly recoverySecrets: ReadonlyMap<string, Uint8Array>
  /** What the user should know about the manifest though it was taken. */
  readonly warnings: readonly Problem[]
}

/**
 * Sets the first manifest: makes the shared secrets and the data encryption key, and makes all of it durable.
 *
 * In state 1 it starts anew, and what was sealed is kept aside.
 *
 * @param raw the manifest as uploaded
 * @throws {@link Refusal} `state_mismatch`, `manifest_invalid`, `storage_unavailable`
 */
export async function setManifest(
  raw: Uint8Array,
  actor: AnonymousActor,
  ports: Ports,
): Promise<ManifestSet> {
  requireNoManifest(ports.ledger.state)
  const prepared = parseManifest(raw, ports)
  requireCurve(prepared, ports)
  for (const { path, line, column, message } of prepared.warnings) {
    ports.log.warn({ path, line, column }, `manifest: ${message}`)
  }
  const { state } = ports.ledger
  const secrets = await generateSharedSecrets(prepared.manifest, state.authority, ports)
  const { config, recoveryKeys } = prepared.manifest
  const { dek, recoverySecrets, description } = await splitNewKey(recoveryKeys, config.recoveryThreshold)

  const changed = changedNames(undefined, prepared.manifest)
  await ports.ledger.transact((newest) => {
    requireNoManifest(newest)
    const changes: StateChange[] = [
      { kind: 'authority', authority: newest.authority },
      { kind: 'root-secret', current: newest.rootSecret, previous: undefined },
      { kind: 'manifest', manifest: prepared },
    ]
    for (const [name, value] of secrets) changes.push({ kind: 'secret', generation: 'current', name, value })
    return {
      changes,
      audit: { action: 'manifest-set', actor, fingerprint: prepared.fingerprint, changed },
      result: undefined,
      rekey: { dek, sealMode: config.sealMode, recovery: encodeDescription(description) },
    }
  })
  ports.log.info({ fingerprint: prepared.fingerprint, by: actor.kind }, 'manifest set')
  return { recoverySecrets, warnings: prepared.warnings }
}

function requireNoManifest(state: State): void {
  if (state.manifest === undefined) return
  throw new Refusal(
    'state_mismatch',
    'setting the manifest: one is in force already, and is changed only as it itself allows (manifest update)',
  )
}

/**
 * So that the host, which chooses the curve, can't choose a weaker one than the user wants.
 *
 * @throws {@link Refusal} `manifest_invalid`
 */
export function requireCurve({ manifest }: PreparedManifest, { curve }: Pick<Ports, 'curve'>): void {
  if (manifest.config.minimumCurve !== 'P-384' || curve === 'P-384') return
  throw new Refusal(
    'manifest_invalid',
    'Config.MinimumCurve is "P-384", but this Coordinator has a P-256 PKI; start it with TAW_PKI_CURVE=P-384',
  )
}
