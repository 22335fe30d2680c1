import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'

import { MarbleError, reasonOf } from '../errors.ts'

/** What a runner sets, ours or any other of the field (PEM texts). */
const variable = {
  rootCa: 'MARBLE_PREDEFINED_ROOT_CA',
  chain: 'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN',
  privateKey: 'MARBLE_PREDEFINED_PRIVATE_KEY',
  coordinatorRootCa: 'MARBLE_PREDEFINED_COORDINATOR_ROOT_CA',
} as const

/** The identity of this marble, and what it trusts. */
export interface MarbleCredentials {
  /** This marble's certificate. */
  readonly certificate: X509Certificate
  /** The marble's certificate and the intermediate, as TLS sends them; PEM. */
  readonly certificateChain: string
  /** Prints without its bytes. */
  readonly privateKey: KeyObject
  /** The marble root: who else is a marble of this deployment, until the next update. */
  readonly root: X509Certificate
  /** The root that clients of the deployment verify and pin; undefined where a runner doesn't set it. */
  readonly coordinatorRoot: X509Certificate | undefined
}

/**
 * Reads this marble's credentials from the environment that its runner made.
 *
 * @throws {@link MarbleError} `credentials_invalid` when a variable is missing or unreadable, the key isn't that of
 * the certificate, or the root hasn't signed the certificate
 */
export function credentialsFromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): MarbleCredentials {
  const certificateChain = textOf(env, variable.chain)
  const certificate = readCertificate(variable.chain, certificateChain)
  const root = readCertificate(variable.rootCa, textOf(env, variable.rootCa))
  const privateKey = readPrivateKey(textOf(env, variable.privateKey))
  if (!certificate.checkPrivateKey(privateKey)) {
    throw invalid(variable.privateKey, `the key is not that of the certificate in ${variable.chain}`)
  }
  if (!certificate.verify(root.publicKey)) {
    throw invalid(variable.chain, `the marble's certificate is not signed by the one in ${variable.rootCa}`)
  }
  const coordinatorRoot = env[variable.coordinatorRootCa]
  return {
    certificate,
    certificateChain,
    privateKey,
    root,
    coordinatorRoot: coordinatorRoot
      ? readCertificate(variable.coordinatorRootCa, coordinatorRoot)
      : undefined,
  }
}

function textOf(env: Readonly<Record<string, string | undefined>>, name: string): string {
  const text = env[name]
  if (text !== undefined && text !== '') return text
  throw invalid(name, 'it is not set; start the service as a marble, for example with taw run')
}

/** The first certificate of a PEM text. */
function readCertificate(name: string, text: string): X509Certificate {
  try {
    return new X509Certificate(text)
  } catch (error) {
    throw invalid(name, `it should be a certificate in PEM: ${reasonOf(error)}`, { cause: error })
  }
}

function readPrivateKey(text: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch {
    // Without the cause: OpenSSL's errors are about the key's bytes.
    throw invalid(variable.privateKey, 'it should be a PKCS #8 private key in PEM')
  }
}

const invalid = (name: string, why: string, options?: ErrorOptions): MarbleError =>
  new MarbleError('credentials_invalid', `reading the marble's credentials from ${name}: ${why}`, options)
