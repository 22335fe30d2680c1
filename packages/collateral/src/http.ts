import { Agent, request } from 'node:https'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { FetchFailure } from './failure.ts'
import type { FailureReason } from './failure.ts'

/** How a service is reached. */
export interface ConnectionOptions {
  /** PEM of the CAs that may have issued the service's certificate, instead of the public ones. */
  readonly ca?: string | undefined
  /**
   * Accept any TLS certificate, for a PCCS that made its own. Default false. Whoever sits in between then sees which
   * platforms are asked about, and can withhold documents, but not forge any: all of them are signed by the CPU's vendor.
   */
  readonly acceptAnyTlsCertificate?: boolean | undefined
  readonly proxy?:
    | {
        /** URL of a proxy that understands CONNECT. */
        readonly httpsProxy?: string | undefined
        /** Hosts that are reached directly, in the form of NO_PROXY. */
        readonly noProxy?: string | undefined
      }
    | undefined
  /** Further headers, for example a key for Intel's service. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

export interface HttpAnswer {
  readonly headers: IncomingHttpHeaders
  readonly body: Uint8Array
}

/** Issuer chains come in headers: two certificates, percent-encoded, have some 4 KB. */
const MAX_HEADER_BYTES = 64 * 1024
/** Connections to one service. */
const MAX_SOCKETS = 8

/** Gets documents from one service, over TLS. No trust comes from that: it keeps observers and meddlers out. */
export class HttpClient {
  readonly #agent: Agent
  readonly #headers: Readonly<Record<string, string>>

  constructor({ ca, acceptAnyTlsCertificate = false, proxy, headers = {} }: ConnectionOptions) {
    this.#headers = headers
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: MAX_SOCKETS,
      rejectUnauthorized: !acceptAnyTlsCertificate,
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...(proxy?.httpsProxy === undefined
        ? {}
        : { proxyEnv: { HTTPS_PROXY: proxy.httpsProxy, NO_PROXY: proxy.noProxy } }),
    })
  }

  /**
   * One attempt.
   *
   * @param maxBytes of the body
   * @throws FetchFailure
   */
  async get(url: URL, maxBytes: number, timeoutMs: number): Promise<HttpAnswer> {
    const signal = AbortSignal.timeout(timeoutMs)
    let response: IncomingMessage | undefined
    try {
      response = await this.#send(url, signal)
      requireStatus(response)
      return { headers: response.headers, body: await readBody(response, maxBytes) }
    } catch (error) {
      if (error instanceof FetchFailure) throw error
      if (signal.aborted) {
        throw new FetchFailure('timeout', `no whole answer within ${timeoutMs} ms`, undefined, {
          cause: error,
        })
      }
      throw connectionFailure(error, response !== undefined)
    } finally {
      // What is left of a refused answer is not read, and its connection not used again.
      if (response?.complete === false) response.destroy()
      else response?.resume()
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  #send(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      request(
        url,
        {
          agent: this.#agent,
          signal,
          maxHeaderSize: MAX_HEADER_BYTES,
          // A compressed bomb is not opened: no compression.
          headers: { ...this.#headers, accept: '*/*', 'accept-encoding': 'identity' },
        },
        resolve,
      )
        .on('error', reject)
        .end()
    })
  }
}

function requireStatus({ statusCode: status = 0, headers }: IncomingMessage): void {
  if (status === 200) return
  const reason = reasonOfStatus(status)
  const message = reason === 'redirected' ? `status ${status}, a redirect` : `status ${status} instead of 200`
  throw new FetchFailure(reason, message, retryAfter(headers['retry-after']))
}

function reasonOfStatus(status: number): FailureReason {
  switch (status) {
    case 400:
      return 'bad-request'
    case 401:
    case 403:
      return 'unauthorized'
    case 404:
      return 'not-found'
    case 429:
      return 'rate-limited'
    default:
      if (status >= 300 && status <= 399) return 'redirected'
      return status >= 500 && status <= 599 ? 'service-error' : 'unexpected-status'
  }
}

/** Seconds (RFC 9110, 10.2.3); its other form, a date, would need a clock in common, and is ignored. */
function retryAfter(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : undefined
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const encoding = response.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw new FetchFailure(
      'malformed',
      `content-encoding '${encoding.slice(0, 40)}', which was not asked for`,
    )
  }
  const tooLarge = (): FetchFailure =>
    new FetchFailure('too-large', `the answer has more than ${maxBytes} bytes`)
  if (Number(response.headers['content-length'] ?? 0) > maxBytes) throw tooLarge()
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('an answer without an encoding gives bytes')
    length += chunk.length
    if (length > maxBytes) throw tooLarge()
    chunks.push(chunk)
  }
  if (!response.complete)
    throw new FetchFailure('interrupted', 'the connection ended in the middle of the answer')
  return Uint8Array.from(Buffer.concat(chunks))
}

/** Codes of OpenSSL's certificate errors and of Node's own (ERR_TLS_CERT_ALTNAME_INVALID). */
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY)_|HOSTNAME_MISMATCH)/

function connectionFailure(error: unknown, hasAnswer: boolean): FetchFailure {
  const message = error instanceof Error ? error.message : String(error)
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const cause = { cause: error }
  if (TLS_CODE.test(code)) return new FetchFailure('tls', `${message} (${code})`, undefined, cause)
  if (code.startsWith('HPE_'))
    return new FetchFailure('malformed', `no HTTP answer: ${message}`, undefined, cause)
  if (hasAnswer) return new FetchFailure('interrupted', message, undefined, cause)
  return new FetchFailure('unreachable', message || code, undefined, cause)
}
