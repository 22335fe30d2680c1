import { advanceCounter, requireCountingMarble } from '../../operations/advance-counter.ts'
import { readAuditLog } from '../../operations/read-audit-log.ts'
import { planUpdate } from '../../operations/plan-update.ts'
import { readManifest } from '../../operations/read-manifest.ts'
import { packEvidence } from '@taw/evidence'
import { readQuote } from '../../operations/read-quote.ts'
import { readSecrets } from '../../operations/read-secrets.ts'
import type { UpdateLog } from '../../operations/read-update-log.ts'
import { requireUser } from '../../operations/callers.ts'
import { requireGate } from '../../operations/feature-gates.ts'
import { Recovery } from '../../operations/recover.ts'
import { setManifest } from '../../operations/set-manifest.ts'
import { signQuote } from '../../operations/sign-quote.ts'
import { readStatus } from '../../operations/status.ts'
import {
  acknowledgeUpdate,
  cancelUpdate,
  proposeUpdate,
  readPendingUpdate,
} from '../../operations/update-manifest.ts'
import { writeSecrets } from '../../operations/write-secrets.ts'
import type { Ports } from '../../operations/ports.ts'
import { decodeBase64 } from '../../manifest/text-encodings.ts'
import { Refusal } from '../../refusal.ts'
import {
  type Answer,
  type ApiVersion,
  errorAnswer,
  failure,
  isAnswer,
  success,
  successText,
  withWarnings,
} from './answers.ts'
import { auditRange, presentAudit } from './audit.ts'
import {
  base64,
  describeProgress,
  presentChain,
  presentCollateral,
  presentEvidence,
  presentProgress,
  presentRecoverySecrets,
  presentSecrets,
} from './present.ts'
import {
  counterRequest,
  manifestRequest,
  recoveryRequest,
  secretsMapRequest,
  secretsRequest,
  signQuoteRequest,
} from './requests.ts'
import { asksForDryRun, refuseDryRun } from './dry-run.ts'
import type { RestRequest, Route, Routes } from './routes.ts'

/** Gives the `data` of the answer, or an {@link Answer} as it is. */
type Handle = (request: RestRequest) => Promise<unknown>

/** All paths of the client API. v1 and v2 call the same operations; only wrapping and names differ. */
export function clientApiRoutes(ports: Ports, updateLog: UpdateLog): Routes {
  const routes = new Map<string, Map<string, Route>>()
  const add = (
    version: ApiVersion,
    method: string,
    path: string,
    handle: Handle,
    refused: 400 | 500 = 500,
  ): void => {
    const fullPath = version === 2 ? `/api/v2${path}` : path
    const methods = routes.get(fullPath) ?? new Map<string, Route>()
    routes.set(fullPath, methods)
    methods.set(method, {
      version,
      refusedStatus: version === 2 ? 500 : refused,
      handle: async (request) => {
        const result = await handle(request)
        return isAnswer(result) ? result : success(result)
      },
    })
  }
  addReading(add, ports, updateLog)
  addSecrets(add, ports)
  addManifest(add, ports)
  addUpdates(add, ports)
  addCounters(routes, ports)
  addSignQuote(add, ports)
  addRecovery(add, new Recovery(ports), routes)
  return routes
}

type Add = (version: ApiVersion, method: string, path: string, handle: Handle, refused?: 400 | 500) => void

function addReading(add: Add, ports: Ports, updateLog: UpdateLog): void {
  add(2, 'GET', '/status', () => Promise.resolve(readStatus(ports)))
  add(1, 'GET', '/status', () => {
    const { code, message } = readStatus(ports)
    return Promise.resolve({ StatusCode: code, StatusMessage: message })
  })
  add(2, 'GET', '/quote', async ({ query }) => {
    const { chain, evidence } = await readQuote(ports, parseNonce(query.get('nonce')))
    const collateral = evidence && (await ports.collateral.for(evidence))
    return { cert: presentChain(chain), ...presentEvidence(evidence), ...presentCollateral(collateral) }
  })
  add(1, 'GET', '/quote', async () => {
    const { chain, evidence } = await readQuote(ports, new Uint8Array())
    return {
      Cert: presentChain(chain),
      Quote: evidence === undefined ? null : base64(packEvidence(evidence)),
    }
  })
  add(2, 'GET', '/update', async () => ({ updateLog: await updateLog.lines() }))
  add(1, 'GET', '/update', async () => {
    const lines = await updateLog.lines()
    return lines.map((line) => `${line}\n`).join('')
  })
  add(2, 'GET', '/audit', ({ query }) => settle(() => presentAudit(readAuditLog(ports, auditRange(query)))))
}

/** Padded base64url, as Go's `base64.URLEncoding` reads it: line breaks are skipped. */
function parseNonce(text: string | null): Uint8Array {
  if (text === null) return new Uint8Array()
  const nonce = /[+/]/.test(text) ? undefined : decodeBase64(text.replaceAll('-', '+').replaceAll('_', '/'))
  if (nonce === undefined) {
    throw new Refusal('request_malformed', 'reading the quote: the nonce must be base64url with padding')
  }
  return nonce
}

function addManifest(add: Add, ports: Ports): void {
  add(2, 'GET', '/manifest', () =>
    settle(() => {
      const signed = readManifest(ports)
      if (signed === undefined) throw new Refusal('state_mismatch', 'no manifest is set yet')
      return {
        manifestSignatureRootECDSA: base64(signed.signature),
        manifestFingerprint: signed.fingerprint,
        manifest: base64(signed.raw),
      }
    }),
  )
  add(1, 'GET', '/manifest', () =>
    settle(() => {
      const signed = readManifest(ports)
      return {
        ManifestSignatureRootECDSA: signed === undefined ? null : base64(signed.signature),
        ManifestSignature: signed?.fingerprint ?? '',
        Manifest: signed === undefined ? null : base64(signed.raw),
      }
    }),
  )
  add(2, 'POST', '/manifest', async ({ body }) => {
    const set = await setManifest(manifestRequest(await body()), { kind: 'anonymous' }, ports)
    return withWarnings({ RecoverySecrets: presentRecoverySecrets(set.recoverySecrets) }, set.warnings)
  })
  add(
    1,
    'POST',
    '/manifest',
    async ({ body }) => {
      const { recoverySecrets, warnings } = await setManifest(await body(), { kind: 'anonymous' }, ports)
      const data =
        recoverySecrets.size === 0 ? null : { RecoverySecrets: presentRecoverySecrets(recoverySecrets) }
      return withWarnings(data, warnings)
    },
    400,
  )
}

function addSecrets(add: Add, ports: Ports): void {
  const read = ({ query, certificate }: RestRequest): Promise<Record<string, unknown>> =>
    settle(() => presentSecrets(readSecrets(ports, certificate, query.getAll('s'))))
  add(2, 'GET', '/secrets', async (request) => ({ secrets: await read(request) }))
  add(1, 'GET', '/secrets', read, 400)

  add(2, 'POST', '/secrets', async ({ certificate, body }) => {
    requireUser(ports.ledger.state, certificate)
    return withWarnings(null, await writeSecrets(certificate, secretsRequest(await body()), ports))
  })
  add(
    1,
    'POST',
    '/secrets',
    async ({ certificate, body }) => {
      requireUser(ports.ledger.state, certificate)
      return withWarnings(null, await writeSecrets(certificate, secretsMapRequest(await body()), ports))
    },
    400,
  )
}

function addUpdates(add: Add, ports: Ports): void {
  add(2, 'POST', '/update', async ({ certificate, body, query }) => {
    requireUser(ports.ledger.state, certificate)
    if (asksForDryRun(query)) return await planUpdate(certificate, manifestRequest(await body()), ports)
    const progress = await proposeUpdate(certificate, manifestRequest(await body()), ports)
    return withWarnings(presentProgress(progress), progress.warnings)
  })
  add(
    1,
    'POST',
    '/update',
    async ({ certificate, body, query }) => {
      requireUser(ports.ledger.state, certificate)
      refuseDryRun(query)
      const { warnings } = await proposeUpdate(certificate, await body(), ports)
      return withWarnings(null, warnings)
    },
    400,
  )
  for (const version of [1, 2] as const) {
    add(version, 'GET', '/update-manifest', () =>
      settle(() => {
        const { raw, missingUsers } = readPendingUpdate(ports)
        return {
          manifest: base64(raw),
          message: 'This manifest update waits for users to agree.',
          missingUsers,
        }
      }),
    )
  }
  add(2, 'POST', '/update-manifest', async ({ certificate, body, query }) => {
    requireUser(ports.ledger.state, certificate)
    refuseDryRun(query)
    const progress = await acknowledgeUpdate(certificate, manifestRequest(await body()), ports)
    const { missingAcknowledgments, missingUsers, ...rest } = presentProgress(progress)
    const data = { message: describeProgress(progress), missingUsers, missingAcknowledgments, ...rest }
    return withWarnings(data, progress.warnings)
  })
  add(1, 'POST', '/update-manifest', async ({ certificate, body, query }) => {
    requireUser(ports.ledger.state, certificate)
    refuseDryRun(query)
    const progress = await acknowledgeUpdate(certificate, await body(), ports)
    return withWarnings(describeProgress(progress), progress.warnings)
  })
  add(2, 'POST', '/update-cancel', async ({ certificate, query }) => {
    refuseDryRun(query)
    await cancelUpdate(certificate, ports)
    return { message: cancelled }
  })
  add(1, 'POST', '/update-cancel', async ({ certificate, query }) => {
    refuseDryRun(query)
    await cancelUpdate(certificate, ports)
    return cancelled
  })
}

const cancelled = 'The pending manifest update was cancelled.'

function addCounters(routes: Map<string, Map<string, Route>>, ports: Ports): void {
  routes.set(
    '/api/v2/monotonic-counter',
    new Map([['POST', { version: 2, refusedStatus: 500, handle: (request) => counter(request, ports) }]]),
  )
}

async function counter({ certificate, body }: RestRequest, ports: Ports): Promise<Answer> {
  const marble = requireCountingMarble(ports.ledger.state, certificate)
  const former = await advanceCounter(marble, counterRequest(await body()), ports)
  return successText(`{"value":${former}}`)
}

function addRecovery(add: Add, recovery: Recovery, routes: Map<string, Map<string, Route>>): void {
  add(2, 'GET', '/recover/public-key', async () => ({
    algorithm: 'RSA',
    ephemeralPublicKey: base64(await recovery.ephemeralPublicKey()),
  }))
  add(2, 'POST', '/recover', async ({ body }) => {
    const { remaining } = await recovery.upload(recoveryRequest(await body()))
    const message =
      remaining === 0
        ? 'The state is recovered.'
        : 'The secret was taken; further parties must upload theirs.'
    return { remaining, message }
  })
  const gone: Answer = errorAnswer(410, 'recovery moved to /api/v2/recover')
  routes.set('/recover', new Map([['POST', { version: 1, refusedStatus: 500, handle: () => gone }]]))
}

function addSignQuote(add: Add, ports: Ports): void {
  add(2, 'POST', '/sign-quote', async ({ body }) => {
    requireGate(ports.ledger.state, 'SignQuoteEndpoint')
    try {
      const { tcbStatus, signature } = await signQuote(signQuoteRequest(await body()), ports)
      return { tcbStatus, verificationSignature: base64(signature) }
    } catch (error) {
      if (!(error instanceof Refusal) || error.code === 'collateral_unavailable') throw error
      return failure(`the quote can't be signed: ${error.message}`, { sgxQuote: error.message })
    }
  })
}

/** Runs a synchronous operation as a promise, so that what it throws becomes a rejection. */
const settle = <T>(operation: () => T): Promise<T> => Promise.resolve().then(operation)
