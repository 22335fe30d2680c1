import { createHash, X509Certificate } from 'node:crypto'
import { checkServerIdentity, createSecureContext, type PeerCertificate, type SecureContext } from 'node:tls'
import { inspect } from 'node:util'

import { credentialsFromEnvironment, type MarbleCredentials } from './credentials.ts'
import { requireMarbleCertificate } from './peer.ts'

export interface TlsRules {
  /**
   * Marble types that a server may be, when this marble is the client. Default: anything with a certificate of this
   * deployment. For the other direction see {@link admitOnly}.
   */
  readonly serverTypes?: readonly string[]
  /**
   * Whether a server's certificate must be for the name or address that was connected to; default true. Marbles choose
   * these names themselves, so the marble type says more: with `serverTypes` it can stand alone.
   */
  readonly verifyHostname?: boolean
}

/** Options for `tls.createServer`, `https.createServer`, `http2.createSecureServer`. */
export interface MarbleServerOptions {
  readonly cert: string
  /** In the clear: hide it as you would the key itself. The object prints without it. */
  readonly key: string
  readonly ca: string
  readonly requestCert: true
  readonly rejectUnauthorized: true
  readonly minVersion: 'TLSv1.2'
}

/**
 * Options for `tls.connect`, `https.request`, `https.Agent`, `http2.connect`, connect-node's `nodeOptions`, and the
 * `connect` option of undici's `Agent`.
 */
export interface MarbleClientOptions {
  /** Holds key, certificates and root; doesn't print. */
  readonly secureContext: SecureContext
  readonly rejectUnauthorized: true
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined
  readonly sessionIdContext: string
  /** No resumption, by `https` (whose agent otherwise puts its own session here) … */
  readonly session: undefined
  /** … and by undici: each connection is verified anew, and has a certificate to ask about. */
  readonly maxCachedSessions: 0
}

/** What grpc-js wants: `credentials.createFromSecureContext` and `ServerCredentials.createSsl`. */
export interface MarbleGrpcOptions {
  readonly secureContext: SecureContext
  readonly verifyOptions: { readonly checkServerIdentity: MarbleClientOptions['checkServerIdentity'] }
  readonly rootCerts: Buffer
  readonly keyCertPairs: { private_key: Buffer; cert_chain: Buffer }[]
  readonly checkClientCertificate: true
}

export interface MarbleTls {
  readonly credentials: MarbleCredentials
  readonly client: MarbleClientOptions
  readonly server: MarbleServerOptions
  readonly grpc: MarbleGrpcOptions
}

/**
 * TLS between marbles of one deployment, both sides authenticated, from the environment that the runner made.
 *
 * @param env the process's environment
 * @throws MarbleError `credentials_invalid`
 */
export function tlsOptions(
  env: Readonly<Record<string, string | undefined>>,
  rules: TlsRules = {},
): MarbleTls {
  const credentials = credentialsFromEnvironment(env)
  const cert = credentials.certificateChain
  const key = credentials.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const ca = credentials.root.toString()
  const minVersion = 'TLSv1.2'
  const secureContext = createSecureContext({ cert, key, ca, minVersion })
  const checkIdentity = identityCheck(credentials, rules)
  return {
    credentials,
    client: {
      secureContext,
      rejectUnauthorized: true,
      checkServerIdentity: checkIdentity,
      sessionIdContext: policyName(credentials, rules),
      session: undefined,
      maxCachedSessions: 0,
    },
    server: hidingSecrets({ cert, key, ca, requestCert: true, rejectUnauthorized: true, minVersion }),
    grpc: hidingSecrets({
      secureContext,
      verifyOptions: { checkServerIdentity: checkIdentity },
      rootCerts: Buffer.from(ca),
      keyCertPairs: [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }],
      checkClientCertificate: true,
    }),
  }
}

/** Runs after the chain was verified against the marble root. */
function identityCheck(
  credentials: MarbleCredentials,
  rules: TlsRules,
): MarbleClientOptions['checkServerIdentity'] {
  return (host, certificate) => {
    if (rules.verifyHostname !== false) {
      const mismatch = checkServerIdentity(host, certificate)
      if (mismatch !== undefined) return mismatch
    }
    if (rules.serverTypes === undefined) return undefined
    try {
      requireMarbleCertificate(new X509Certificate(certificate.raw), credentials, rules.serverTypes)
      return undefined
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }
}

/**
 * A name for who connects by which rules. `https.Agent` shares connections between requests whose options
 * look alike to it, and this is the one of ours that it looks at: a connection that was made under other rules, or
 * without this marble's certificate, is never used in its place.
 *
 * @returns 32 characters, the most that OpenSSL takes (SSL_MAX_SID_CTX_LENGTH)
 */
function policyName({ certificate }: MarbleCredentials, { serverTypes, verifyHostname }: TlsRules): string {
  const rules = JSON.stringify([certificate.fingerprint256, serverTypes ?? null, verifyHostname !== false])
  return createHash('sha256').update(rules).digest('base64url').slice(0, 32)
}

/** Makes an object, and copies of it made by spreading, print without their contents. */
function hidingSecrets<T extends object>(options: T): T {
  const hidden = (): string => '[redacted TLS options]'
  return Object.assign(options, { [inspect.custom]: hidden, toJSON: hidden })
}
