import { setImmediate } from 'node:timers/promises'
import { limits } from '../limits.ts'
import type { Manifest, SecretDefinition } from '../manifest/model.ts'
import type { Authority } from '../pki/authority.ts'
import { generateCertificateSecret, generateSymmetricKey } from '../secrets/generate.ts'
import { Refusal } from '../refusal.ts'
import type { SecretValue } from '../secrets/value.ts'
import type { Ports } from './ports.ts'

type GeneratingPorts = Pick<Ports, 'issuer' | 'keyPool' | 'now'>

/** Made once, by the Coordinator, for all marbles. */
export const isGeneratedShared = ({ shared, userDefined }: SecretDefinition): boolean =>
  shared && !userDefined

/**
 * Makes the values of all shared secrets that nobody uploads, by name.
 *
 * @throws {@link Refusal} `limit_exceeded`
 */
export async function generateSharedSecrets(
  { secrets }: Manifest,
  authority: Authority,
  ports: GeneratingPorts,
): Promise<ReadonlyMap<string, SecretValue>> {
  requireAffordable(secrets.values())
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

/**
 * Looks, before anything is made, at what the shared secrets of a manifest would cost: minutes of computing must not
 * hang on one request, nor gigabytes.
 *
 * @throws {@link Refusal} `limit_exceeded`
 */
export function requireAffordable(definitions: Iterable<SecretDefinition>): void {
  let bytes = 0
  let work = 0
  for (const definition of definitions) {
    if (!isGeneratedShared(definition)) continue
    if (definition.type === 'symmetric-key') bytes += definition.size / 8
    else work += certificateWork(definition)
  }
  const { sharedKeyBytes, sharedCertificateWork } = limits
  if (bytes > sharedKeyBytes) {
    throw new Refusal(
      'limit_exceeded',
      `making the shared secrets: the symmetric keys of the manifest have ${bytes} bytes together; ` +
        `at most ${sharedKeyBytes} are made`,
    )
  }
  if (work > sharedCertificateWork) {
    throw new Refusal(
      'limit_exceeded',
      `making the shared secrets: the certificates of the manifest take as much work as ${Math.ceil(work)} RSA ` +
        `keys of 2048 bits; at most ${sharedCertificateWork} are made. Use smaller keys, or curves`,
    )
  }
}

/** In RSA keys of 2048 bits. Finding primes takes time with the fourth power of their length. */
function certificateWork({ type, size }: SecretDefinition): number {
  return type === 'cert-rsa' ? (size / 2048) ** 4 : curveCertificateWork
}

/** Measured: 0.5 to 1 ms for key and certificate on a curve, against 40 ms. */
const curveCertificateWork = 1 / 50

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
