import { X509Certificate, createHash, sign } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { TLSSocket } from 'node:tls'
import type { CoordinatorPki } from './coordinator-pki.ts'

/** What a test sets up, and looks at afterwards. All of it may be changed while the server runs. */
export interface FakeState {
  readonly pki: CoordinatorPki
  /** What TLS shows; the root unless a test wants something wrong. */
  readonly shows?: { readonly cert: string; readonly key: string }
  /** Empty: simulation. */
  quote?: Buffer
  manifest?: Buffer
  readonly log: string[]
  /** By the name of the recovery key, base64. */
  recoverySecrets?: Record<string, string>
  readonly secrets: Record<string, object>
  /** A manifest update that waits. */
  pending?: Buffer | undefined
  /** Users who are said to be missing, and how many of them are needed; each acknowledgement is one less. */
  updaters?: readonly string[]
  missing?: number
  /** PEM of the user's certificate. */
  user?: string
  /** Answers with this instead of what it should, by path. */
  readonly spoiled: Map<string, { status: number; body: string }>
}

export interface FakeRequest {
  readonly method: string
  readonly url: URL
  readonly body: string
}

export interface FakeClientApi extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string
  readonly state: FakeState
  /** In the order of their arrival. */
  readonly requests: FakeRequest[]
}

interface Answer {
  readonly status: number
  readonly data?: unknown
  readonly message?: string
}

/**
 * An HTTPS server that speaks the recorded shapes of the client API's version 2 (golden/rest/README.md). It keeps
 * what it is given and checks the user's certificate, and nothing else.
 */
export async function startFakeClientApi(state: FakeState): Promise<FakeClientApi> {
  const requests: FakeRequest[] = []
  const { cert, key } = state.shows ?? { cert: state.pki.root, key: state.pki.rootKey }
  const server = createServer(
    { cert, key, requestCert: true, rejectUnauthorized: false },
    (incoming, outgoing) => {
      void readRequest(incoming).then((request) => {
        requests.push(request)
        const spoiled = state.spoiled.get(request.url.pathname)
        if (spoiled) outgoing.writeHead(spoiled.status).end(spoiled.body)
        else send(outgoing, answer(state, request, clientCertificate(incoming)))
      })
    },
  )
  // A client that refuses this server's certificate breaks the handshake off.
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
  return {
    host: `127.0.0.1:${address.port}`,
    state,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function readRequest(incoming: IncomingMessage): Promise<FakeRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) if (Buffer.isBuffer(chunk)) chunks.push(chunk)
  return {
    method: incoming.method ?? '',
    url: new URL(incoming.url ?? '', 'https://fake'),
    body: Buffer.concat(chunks).toString('utf8'),
  }
}

function clientCertificate(incoming: IncomingMessage): Buffer | undefined {
  return incoming.socket instanceof TLSSocket ? incoming.socket.getPeerX509Certificate()?.raw : undefined
}

function send(outgoing: ServerResponse, { status, data, message }: Answer): void {
  const kind = status === 200 ? 'success' : status === 500 ? 'error' : 'fail'
  outgoing.writeHead(status, {
    'content-type': status === 500 ? 'text/plain; charset=utf-8' : 'application/json',
  })
  outgoing.end(`${JSON.stringify({ status: kind, data: data ?? null, message })}\n`)
}

function answer(state: FakeState, request: FakeRequest, user: Buffer | undefined): Answer {
  const { method, url, body } = request
  switch (`${method} ${url.pathname}`) {
    case 'GET /api/v2/status':
      return { status: 200, data: { code: state.manifest ? 3 : 2, message: 'a message of the Coordinator' } }
    case 'GET /api/v2/quote': {
      const cert = state.pki.intermediate + state.pki.root
      return { status: 200, data: { cert, quote: state.quote?.toString('base64') ?? null } }
    }
    case 'GET /api/v2/manifest':
      return state.manifest
        ? manifestAnswer(state.pki, state.manifest)
        : { status: 500, message: 'no manifest is set' }
    case 'POST /api/v2/manifest':
      return setManifest(state, body)
    case 'GET /api/v2/update':
      return { status: 200, data: { updateLog: state.log } }
    case 'GET /api/v2/update-manifest':
      return state.pending
        ? {
            status: 200,
            data: {
              manifest: state.pending.toString('base64'),
              message: 'a message of the Coordinator',
              missingUsers: state.updaters ?? [],
            },
          }
        : { status: 404, message: 'no update is pending' }
    case 'POST /api/v2/update':
    case 'POST /api/v2/update-manifest':
    case 'POST /api/v2/update-cancel':
      return isUser(state, user)
        ? update(state, url.pathname, body)
        : { status: 401, message: 'no user has this certificate' }
    case 'GET /api/v2/secrets':
    case 'POST /api/v2/secrets':
      return isUser(state, user)
        ? secrets(state, request)
        : { status: 401, message: 'no user has this certificate' }
    default:
      return { status: 405 }
  }
}

function manifestAnswer(pki: CoordinatorPki, manifest: Buffer): Answer {
  return {
    status: 200,
    data: {
      manifestSignatureRootECDSA: sign('sha256', manifest, pki.rootKey).toString('base64'),
      manifestFingerprint: createHash('sha256').update(manifest).digest('hex'),
      manifest: manifest.toString('base64'),
    },
  }
}

function setManifest(state: FakeState, body: string): Answer {
  const request: unknown = JSON.parse(body)
  if (state.manifest !== undefined) return { status: 500, message: 'a manifest is set already' }
  if (typeof request !== 'object' || request === null || !('manifest' in request))
    return { status: 400, message: 'shape' }
  state.manifest = Buffer.from(String(request.manifest), 'base64')
  return { status: 200, data: { RecoverySecrets: state.recoverySecrets ?? {} } }
}

function update(state: FakeState, path: string, body: string): Answer {
  const isUpload = path === '/api/v2/update'
  if (!isUpload && state.pending === undefined) return { status: 404, message: 'no update is pending' }
  if (path === '/api/v2/update-cancel') {
    state.pending = undefined
    return { status: 200, data: { message: 'a message of the Coordinator' } }
  }
  const { manifest } = JSON.parse(body) as { manifest: string }
  const sent = Buffer.from(manifest, 'base64')
  if (!isUpload && state.pending?.equals(sent) !== true) return { status: 500, message: 'another manifest' }
  const missing = Math.max(0, (state.missing ?? 0) - (isUpload ? 0 : 1))
  state.missing = missing
  if (missing > 0) state.pending = sent
  else [state.manifest, state.pending] = [sent, undefined]
  const agreement = {
    missingAcknowledgments: missing,
    missingUsers: missing > 0 ? (state.updaters ?? []) : null,
    ...(missing === 0 && state.recoverySecrets !== undefined && { recoverySecrets: state.recoverySecrets }),
  }
  return { status: 200, data: isUpload ? agreement : { message: 'a message', ...agreement } }
}

function isUser(state: FakeState, certificate: Buffer | undefined): boolean {
  return state.user !== undefined && certificate?.equals(new X509Certificate(state.user).raw) === true
}

function secrets(state: FakeState, { method, url, body }: FakeRequest): Answer {
  if (method === 'POST') {
    const request: unknown = JSON.parse(body)
    const valid = typeof request === 'object' && request !== null && 'secrets' in request
    return valid ? { status: 200 } : { status: 400, message: 'shape' }
  }
  const names = url.searchParams.getAll('s')
  const unknown = names.find((name) => !(name in state.secrets))
  if (unknown !== undefined) return { status: 500, message: `secret ${unknown} does not exist` }
  return {
    status: 200,
    data: { secrets: Object.fromEntries(names.map((name) => [name, state.secrets[name]])) },
  }
}
