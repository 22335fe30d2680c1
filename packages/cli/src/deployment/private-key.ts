import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { CliError } from '../errors.ts'

/** A private key in PEM, in any form that OpenSSL reads. @throws CliError also for an encrypted one */
export function parsePrivateKey(pem: string, file: string): KeyObject {
  // PKCS #8 names it in the block's label, the older forms in a header (RFC 1421).
  if (pem.includes('BEGIN ENCRYPTED PRIVATE KEY') || /^Proc-Type:.*ENCRYPTED/m.test(pem)) {
    throw new CliError(
      `The private key in ${JSON.stringify(file)} is encrypted, which is not supported: decrypt it with 'openssl pkey'`,
    )
  }
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw new CliError(`The file ${JSON.stringify(file)} holds no PEM private key that can be read`, {
      cause: error,
    })
  }
}
