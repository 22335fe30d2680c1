import { isIP, type Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'

import { create } from '@bufbuild/protobuf'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import { ActivationReqSchema, Marble, type Parameters } from '@taw/protocol'

import { oneLine, reasonOf, systemCodeOf } from '../errors.ts'
import type { ActivationIdentity } from '../identity/identity.ts'
import { formatAddress, type Address } from './address.ts'

/** What one attempt sends. */
export interface ActivationCall {
  readonly address: Address
  readonly identity: ActivationIdentity
  readonly quote: Uint8Array
  readonly marbleType: string
  readonly uuid: string
}

/** Why one attempt failed, and whether another one may succeed without anybody changing anything here. */
export class AttemptFailure extends Error {
  override readonly name = 'AttemptFailure'
  readonly mayPass: boolean

  constructor(message: string, mayPass: boolean, options?: ErrorOptions) {
    super(message, options)
    this.mayPass = mayPass
  }
}

/** The largest answer that is taken, in bytes. The original's client takes 4 MiB. */
const answerLimit = 16 * 1024 * 1024

/**
 * One connection, one activation.
 *
 * @param signal ends the attempt; its reason is then thrown
 * @throws {@link AttemptFailure}
 */
export async function attemptActivation(
  call: ActivationCall,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Parameters> {
  const deadline = AbortSignal.timeout(timeoutMs)
  const ends = signal === undefined ? deadline : AbortSignal.any([deadline, signal])
  try {
    const socket = await connectTls(call, ends)
    return await requestActivation(call, socket, ends)
  } catch (error) {
    signal?.throwIfAborted()
    if (deadline.aborted) {
      throw new AttemptFailure(`no answer within ${timeoutMs / 1000} s`, true, { cause: error })
    }
    throw error
  }
}

/** Causes that pass by themselves: a Coordinator, its host or its name that isn't there yet. */
const passing = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'EHOSTDOWN'],
  ...['ENETUNREACH', 'ENETDOWN', 'ENOTFOUND', 'EAI_AGAIN', 'ERR_STREAM_PREMATURE_CLOSE'],
])

/**
 * Opens the connection, showing the certificate that the evidence is over.
 *
 * The server's certificate isn't verified: a marble has nothing to verify it with. Trust runs the other way. The
 * Coordinator verifies the marble, and gives secrets only to one that its manifest names; and whoever relies on the
 * deployment verifies the Coordinator, and then trusts marbles by the root that this very Coordinator signs with. A
 * false Coordinator gets from a marble what isn't secret, and can only hand it credentials that nobody else trusts.
 */
function connectTls({ address, identity }: ActivationCall, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      socket.destroy()
      const passes = passing.has(systemCodeOf(error) ?? '')
      reject(new AttemptFailure(`connecting failed: ${reasonOf(error)}`, passes, { cause: error }))
    }
    const socket = connect({
      host: address.host,
      port: address.port,
      ...(isIP(address.host) === 0 && { servername: address.host }),
      cert: pem(identity.certificate),
      key: identity.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['h2'],
    })
    const onAbort = (): void => {
      fail(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('error', fail)
    socket.once('secureConnect', () => {
      signal.removeEventListener('abort', onAbort)
      if (socket.alpnProtocol !== 'h2') {
        fail(
          new Error(
            'the server speaks TLS but not HTTP/2; the mesh API is on port 2001 unless configured otherwise',
          ),
        )
        return
      }
      socket.off('error', fail)
      resolve(socket)
    })
    if (signal.aborted) onAbort()
  })
}

const pem = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der)
    .toString('base64')
    .replaceAll(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`

async function requestActivation(
  call: ActivationCall,
  socket: Socket,
  signal: AbortSignal,
): Promise<Parameters> {
  const baseUrl = `https://${formatAddress(call.address)}`
  const sessionManager = new Http2SessionManager(baseUrl, {}, { createConnection: () => socket })
  const client = createClient(
    Marble,
    // No compression: an answer of at most `answerLimit` bytes must not unpack to more.
    createGrpcTransport({ baseUrl, sessionManager, readMaxBytes: answerLimit, acceptCompression: [] }),
  )
  const request = create(ActivationReqSchema, {
    Quote: call.quote,
    CSR: call.identity.certificateRequest,
    MarbleType: call.marbleType,
    UUID: call.uuid,
  })
  try {
    const answer = await client.activate(request, { signal })
    if (answer.Parameters !== undefined) return answer.Parameters
    throw new AttemptFailure('the answer has no Parameters, so it is not a Coordinator that answers', false)
  } catch (error) {
    throw error instanceof AttemptFailure ? error : failureOfCall(error)
  } finally {
    sessionManager.abort()
    socket.destroy()
  }
}

/**
 * Not ready: no manifest yet or recovery (FAILED_PRECONDITION), or the connection broke (UNAVAILABLE, ABORTED,
 * CANCELED by the server, DEADLINE_EXCEEDED). Everything else is an answer about this marble. So is INTERNAL: the
 * Coordinator says it for a certificate request, a secret or a template that fails, which time doesn't change.
 */
const notReady = new Set([
  Code.FailedPrecondition,
  Code.Unavailable,
  Code.Aborted,
  Code.Canceled,
  Code.DeadlineExceeded,
])

function failureOfCall(error: unknown): AttemptFailure {
  if (!(error instanceof ConnectError)) return new AttemptFailure(reasonOf(error), false, { cause: error })
  const broken = passing.has(systemCodeOf(error.cause) ?? '')
  return new AttemptFailure(
    `${grpcName(error.code)}: ${oneLine(error.rawMessage)}`,
    broken || notReady.has(error.code),
    { cause: error },
  )
}

/** The code as gRPC writes it: `PermissionDenied` is PERMISSION_DENIED, and `Canceled` has two L. */
const grpcName = (code: Code): string =>
  code === Code.Canceled ? 'CANCELLED' : Code[code].replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()
