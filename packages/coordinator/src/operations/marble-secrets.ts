import type { MarbleDefinition, SecretDefinition } from '../manifest/model.ts'
import type { PreparedManifest, PreparedMarble } from '../manifest/index.ts'
import { deriveSymmetricKey, generateCertificateSecret } from '../secrets/generate.ts'
import type { SecretBytes } from '../secrets/secret-bytes.ts'
import type { SecretValue } from '../secrets/value.ts'
import type { State } from '../state/state.ts'
import type { Ports } from './ports.ts'

/** The secrets that one marble's templates and TLS tags name; one that has no value is named, and in no map. */
export interface MarbleSecrets {
  readonly names: readonly string[]
  readonly current: ReadonlyMap<string, SecretValue>
  readonly previousNames: readonly string[]
  readonly previous: ReadonlyMap<string, SecretValue>
}

export interface SecretsGrant {
  readonly marbleType: string
  readonly manifest: PreparedManifest
  readonly definition: MarbleDefinition
  readonly prepared: PreparedMarble
}

/**
 * Collects what the marble's templates and TLS tags name, and makes its private secrets: nothing else is generated,
 * so a secret that the marble does not name costs it nothing.
 */
export async function secretsForMarble(
  state: State,
  grant: SecretsGrant,
  uuid: string,
  ports: Ports,
): Promise<MarbleSecrets> {
  const { secrets: definitions } = grant.manifest.manifest
  const { references, tlsSecrets } = grant.prepared
  const named = references.allSecrets ? definitions.keys() : new Set([...references.secrets, ...tlsSecrets])
  const previouslyNamed = references.allPreviousSecrets ? definitions.keys() : references.previousSecrets
  const names = [...named].filter((name) => definitions.has(name))
  const previousNames = [...previouslyNamed].filter((name) => definitions.has(name))

  const current = new Map<string, SecretValue>()
  for (const name of names) {
    const definition = definitions.get(name)
    if (definition === undefined) continue
    const value = isPrivate(definition)
      ? await makePrivate(name, definition, state.rootSecret, state, grant, uuid, ports)
      : state.secrets.get(name)
    if (value !== undefined) current.set(name, value)
  }

  const previous = new Map<string, SecretValue>()
  for (const name of previousNames) {
    const definition = definitions.get(name)
    // A user-defined secret has no former value: what was uploaded before is gone (spec/secrets.md).
    if (definition === undefined || definition.userDefined) continue
    const value = await previousValue(name, definition, current.get(name), state, grant, uuid, ports)
    if (value !== undefined) previous.set(name, value)
  }
  return { names, current, previousNames, previous }
}

const isPrivate = (definition: SecretDefinition): boolean => !definition.shared && !definition.userDefined

/** Before any rotation the former value is the current one. */
async function previousValue(
  name: string,
  definition: SecretDefinition,
  current: SecretValue | undefined,
  state: State,
  grant: SecretsGrant,
  uuid: string,
  ports: Ports,
): Promise<SecretValue | undefined> {
  if (!isPrivate(definition)) return state.previousSecrets.get(name) ?? state.secrets.get(name)
  if (definition.type !== 'symmetric-key' && current !== undefined) return current
  const rootSecret = state.previousRootSecret ?? state.rootSecret
  return makePrivate(name, definition, rootSecret, state, grant, uuid, ports)
}

async function makePrivate(
  name: string,
  definition: SecretDefinition,
  rootSecret: SecretBytes,
  state: State,
  grant: SecretsGrant,
  uuid: string,
  ports: Ports,
): Promise<SecretValue> {
  if (definition.type === 'symmetric-key') {
    const marbleType = grant.definition.disableSecretBinding ? '' : grant.marbleType
    return deriveSymmetricKey({ rootSecret, uuid, name, marbleType, bits: definition.size })
  }
  return generateCertificateSecret(definition, {
    issuer: ports.issuer(state.authority),
    keyPool: ports.keyPool,
    now: ports.now(),
  })
}
