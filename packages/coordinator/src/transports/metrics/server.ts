import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Counter, Gauge, type Registry } from '@prometheus-io/client'
import { limits } from '../../limits.ts'
import type { Logger } from '../../logger.ts'
import { createServer } from '../node-http.ts'
import type { Events } from './events.ts'
import { metricsLimits } from './limits.ts'

interface Page {
  readonly contentType: string
  readonly body: string
}

export interface MetricsServerPorts {
  readonly registry: Registry
  readonly events: Events
  readonly log: Logger
}

/** `/metrics` and `/events` over plain HTTP, for whoever can reach the listener. The caller listens. */
export function createMetricsServer({ registry, events, log }: MetricsServerPorts): Server {
  const pages: ReadonlyMap<string, () => Promise<Page>> = new Map([
    ['/metrics', countedScrape(registry)],
    ['/events', () => Promise.resolve({ contentType: 'application/json', body: events.toJson() })],
  ])
  const server = createServer(
    {
      maxHeaderSize: metricsLimits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.lateRequestsMs,
      keepAliveTimeout: limits.idleTimeoutMs,
      noDelay: true,
    },
    (request, response) => {
      answer(request, response, pages).catch((error: unknown) => {
        log.error({ error }, 'a request for metrics met a defect')
        if (response.headersSent) response.destroy()
        else send(request, response, 500, text('a defect in the Coordinator; its log has the details'))
      })
    },
  )
  server.maxConnections = metricsLimits.connections
  server.setTimeout(limits.idleTimeoutMs)
  return server
}

/** The metrics, and how often they are asked for (names of Go's promhttp). */
function countedScrape(registry: Registry): () => Promise<Page> {
  const inFlight = new Gauge({
    name: 'promhttp_metric_handler_requests_in_flight',
    help: 'Scrapes that are being served.',
    registers: [registry],
  })
  const total = new Counter({
    name: 'promhttp_metric_handler_requests_total',
    help: 'Scrapes that were answered, by HTTP status.',
    labelNames: ['code'],
    registers: [registry],
  })
  for (const code of ['200', '500', '503']) total.inc({ code }, 0)
  return async () => {
    inFlight.inc()
    try {
      const body = await registry.metrics()
      total.inc({ code: '200' })
      return { contentType: registry.contentType, body }
    } catch (error) {
      total.inc({ code: '500' })
      throw error
    } finally {
      inFlight.dec()
    }
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  pages: ReadonlyMap<string, () => Promise<Page>>,
): Promise<void> {
  const [path = ''] = (request.url ?? '').split('?', 1)
  const page = pages.get(path)
  if (page === undefined) {
    send(request, response, 404, text(`there are only ${[...pages.keys()].join(' and ')}`))
  } else if (request.method === 'GET' || request.method === 'HEAD') {
    send(request, response, 200, await page())
  } else {
    response.setHeader('allow', 'GET, HEAD')
    send(request, response, 405, text('the method must be GET or HEAD'))
  }
}

const text = (message: string): Page => ({ contentType: 'text/plain; charset=utf-8', body: `${message}\n` })

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  { contentType, body }: Page,
): void {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // Nobody reads a body that comes with a request.
    ...((length !== '0' || encoding !== undefined) && { connection: 'close' }),
  })
  response.end(request.method === 'HEAD' ? '' : body)
}
