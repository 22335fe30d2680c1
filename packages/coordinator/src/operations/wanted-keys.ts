import type { PreparedManifest } from '../manifest/index.ts'
import type { Curve } from '../pki/curve.ts'
import type { KeyKind } from '../pki/key-pair.ts'
import { keyKindOf } from '../secrets/size.ts'

/**
 * The kinds of key pairs that activations will ask for: the marbles' own, and those of private certificates that at
 * least one marble names. Others need not be made ahead.
 */
export function wantedKeyKinds(prepared: PreparedManifest | undefined, curve: Curve): readonly KeyKind[] {
  const kinds = new Set<KeyKind>([curve])
  if (prepared === undefined) return [...kinds]
  const { secrets } = prepared.manifest
  for (const { references, tlsSecrets } of prepared.marbles.values()) {
    const names = references.allSecrets ? secrets.keys() : [...references.secrets, ...tlsSecrets]
    for (const name of names) {
      const definition = secrets.get(name)
      if (definition === undefined || definition.shared || definition.userDefined) continue
      const kind = keyKindOf(definition)
      if (kind !== undefined) kinds.add(kind)
    }
  }
  return [...kinds]
}
