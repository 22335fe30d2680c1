import { openBox, sealBox } from '../authenticated-box.ts'
import type { SealingProvider } from '../provider.ts'

/**
 * NO PROTECTION: the key stands in this source file, so whoever can read the seal directory can read every secret in
 * it, and can forge it. For trying things out only; `main.ts` picks it only when the user asked for simulation.
 *
 * What remains is what needs no secret: damage is noticed, and a key sealed in simulation opens in no TEE, since
 * providers open nothing of another kind.
 */
export const simulationSealing: SealingProvider = {
  kind: 'simulation',
  seal: (plaintext, context) => Promise.resolve(sealBox(publicKey, plaintext, context)),
  unseal: (sealed, context) =>
    new Promise((resolve) => {
      resolve(openBox(publicKey, sealed, context))
    }),
}

/** Not a secret. 32 bytes, for HKDF. */
const publicKey = Buffer.from('INSECURE: simulation, no secret!')
