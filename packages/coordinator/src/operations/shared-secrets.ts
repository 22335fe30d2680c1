import { setImmediate } from 'node:timers/promises'
import type { Manifest, SecretDefinition } from '../manifest/model.ts'
import type { Authority } from '../pki/authority.ts'
import { generateCertificateSecret, generateSymmetricKey } from '../secrets/generate.ts'
import type { SecretValue } from '../secrets/value.ts'
import type { Ports } from './ports.ts'

type GeneratingPorts = Pick<Ports, 'issuer' | 'keyPool' | 'now'>

/** Made once, by the Coordinator, for all marbles. */
export const isGeneratedShared = ({ shared, userDefined }: SecretDefinition): boolean =>
  shared && !userDefined

/** Makes the values of all shared secrets that nobody uploads, by name. */
export async function generateSharedSecrets(
  { secrets }: Manifest,
  authority: Authority,
  ports: GeneratingPorts,
): Promise<ReadonlyMap<string, SecretValue>> {
  const generated = [...secrets].filter(([, definition]) => isGeneratedShared(definition))
  const values = new Map<string, SecretValue>()
  for (let start = 0; start < generated.length; start += generatedAtOnce) {
    const batch = generated.slice(start, start + generatedAtOnce)
    const made = batch.map(
      async ([name, definition]) => [name, await generateShared(definition, authority, ports)] as const,
    )
    for (const [name, value] of await Promise.all(made)) values.set(name, value)
    // Others are served in between, however many there are.
    await setImmediate()
  }
  return values
}

/** Secrets made before others get their turn: some 15 ms of work. */
const generatedAtOnce = 100

export async function generateShared(
  definition: SecretDefinition,
  authority: Authority,
  ports: GeneratingPorts,
): Promise<SecretValue> {
  if (definition.type === 'symmetric-key') return generateSymmetricKey(definition.size)
  const issuer = ports.issuer(authority)
  return generateCertificateSecret(definition, { issuer, keyPool: ports.keyPool, now: ports.now() })
}
