import { createHash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** What two people compare to know that they have the same public key: SHA-256 over its DER, hex. */
export const keyFingerprint = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
