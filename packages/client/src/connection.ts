import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { RequestOptions } from 'node:https'
import { TLSSocket } from 'node:tls'
import { formatAddress } from './address.ts'
import type { Address } from './address.ts'
import type { CertificateChain } from './certificate-chain.ts'
import { ClientError } from './errors.ts'

/** How a user proves who they are: both PEM, the key not encrypted. */
export interface UserIdentity {
  readonly certificate: string
  readonly privateKey: string
}

/** Whom to talk to: the server that shows exactly this chain's root, or whoever answers. */
export type Trust = { readonly pinned: CertificateChain } | 'unverified'

export interface Request {
  readonly method: 'GET' | 'POST'
  /** Path with query. */
  readonly path: string
  /** JSON text. */
  readonly body?: string
}

export interface Response {
  readonly status: number
  readonly body: string
  /** Header field `Taw-Warnings`; undefined: there is none. */
  readonly warnings: string | undefined
  /** DER of the certificate that the server showed. */
  readonly serverCertificate: Uint8Array
}

/**
 * Bytes of an answer. The largest is a manifest (at most 24 MiB by the Coordinator's own limit, a third more in
 * base64); the update log grows by some 200 bytes an entry, so there is room for 300,000.
 */
const maxAnswerBytes = 64 * 1024 * 1024

/** Milliseconds without a byte. Generating a manifest's RSA keys can keep a Coordinator busy for a minute. */
const idleTimeout = 120_000

/** Codes that Node gives to OpenSSL's X509_V_ERR_* verdicts, and to a failing `checkServerIdentity`. */
const certificateErrors =
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(?:GET|VERIFY|DECRYPT|DECODE)_|INVALID_|PATH_LENGTH_|ERROR_IN_CERT_|HOSTNAME_MISMATCH|ERR_TLS_CERT_)/

/** Thrown by our own `checkServerIdentity`, and recognised again when Node hands it back. */
class NotThePinnedRoot extends Error {}

/**
 * One HTTPS request on a connection of its own, so that no session of a connection with another trust is resumed.
 * Redirects are not followed.
 * @throws ClientError `connection_failed`, `certificate_mismatch`, `answer_invalid` (too large), `identity_invalid`
 */
export async function exchange(
  address: Address,
  trust: Trust,
  identity: UserIdentity | undefined,
  request: Request,
  maxBytes = maxAnswerBytes,
): Promise<Response> {
  const body = request.body === undefined ? undefined : Buffer.from(request.body)
  const options: RequestOptions = {
    host: address.host,
    port: address.port,
    method: request.method,
    path: request.path,
    agent: false,
    timeout: idleTimeout,
    minVersion: 'TLSv1.2',
    ...trustOptions(trust),
    ...(identity && { cert: identity.certificate, key: identity.privateKey }),
    headers: body && { 'content-type': 'application/json', 'content-length': body.length },
  }
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      reject(error instanceof ClientError ? error : connectionError(address, error))
    }
    try {
      const outgoing = httpsRequest(options, (incoming) => {
        readAnswer(incoming, maxBytes).then(resolve, fail)
      })
      outgoing.on('timeout', () => {
        outgoing.destroy(new Error(`no answer for ${idleTimeout / 1000} seconds`))
      })
      outgoing.on('error', fail)
      outgoing.end(body)
    } catch (error) {
      // OpenSSL reads certificate and key before the connection is made.
      reject(
        new ClientError('identity_invalid', "The certificate and key of the user can't be used for TLS", {
          cause: error,
        }),
      )
    }
  })
}

/**
 * The Coordinator shows its root CA certificate itself as the server's. With that certificate as the only trusted
 * one OpenSSL accepts it (a self-signed leaf that is in the trust store, usages digitalSignature and serverAuth), and
 * would also accept what it signed: hence the comparison. Host names are not looked at; the key is what is trusted.
 */
function trustOptions(trust: Trust): RequestOptions {
  if (trust === 'unverified') return { rejectUnauthorized: false }
  const { pinned } = trust
  return {
    rejectUnauthorized: true,
    ca: pinned.rootPem,
    checkServerIdentity: (_host, certificate) =>
      pinned.isRoot(certificate.raw) ? undefined : new NotThePinnedRoot('another certificate'),
  }
}

async function readAnswer(incoming: IncomingMessage, maxBytes: number): Promise<Response> {
  const { socket, statusCode } = incoming
  const serverCertificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined
  if (serverCertificate === undefined || statusCode === undefined) {
    throw new ClientError('connection_failed', 'The server showed no certificate')
  }
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of incoming) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('an answer without encoding comes in buffers')
    length += chunk.length
    if (length > maxBytes) {
      incoming.destroy()
      throw new ClientError('answer_invalid', `The answer is larger than ${maxBytes} bytes`)
    }
    chunks.push(chunk)
  }
  const field = incoming.headers['taw-warnings']
  const warnings = Array.isArray(field) ? field[0] : field
  return { status: statusCode, body: Buffer.concat(chunks).toString('utf8'), warnings, serverCertificate }
}

function connectionError(address: Address, error: Error): ClientError {
  const where = formatAddress(address)
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (error instanceof NotThePinnedRoot || certificateErrors.test(code)) {
    return new ClientError(
      'certificate_mismatch',
      `The server at ${where} does not show the pinned root certificate (${code || error.message}): ` +
        'it is another deployment, or someone in between, or it waits for recovery (state 1), when it has no root of ' +
        'its own yet. Verify it anew before you trust it',
      { cause: error },
    )
  }
  // Several addresses of one name fail together as an AggregateError, whose own message is empty.
  const reason = error.message || code || 'unknown reason'
  return new ClientError('connection_failed', `The Coordinator at ${where} can't be reached: ${reason}`, {
    cause: error,
  })
}
