import { SealingError, type SealingProvider } from '../provider.ts'

/**
 * For a TEE that gives no key of its own: what is sealed here never opens again, not even for this Coordinator. Every
 * start after the first ends in state 1, and the state comes back only through recovery or from a running peer.
 *
 * Protects against everything that the TEE protects against: no key rests anywhere.
 */
export const noSealing: SealingProvider = {
  kind: 'none',
  seal: () => Promise.resolve(new Uint8Array()),
  unseal: () =>
    Promise.reject(
      new SealingError('this TEE has no sealing key, so the state needs recovery after every start'),
    ),
}
