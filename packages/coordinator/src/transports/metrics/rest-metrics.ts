import { Counter, Gauge, Histogram, type Registry } from '@prometheus-io/client'
import type { RequestEnded, RestObserver } from '../rest/observer.ts'
import { other } from './activation-series.ts'
import type { RefusalCounter } from './refusals.ts'

/** Seconds; as recorded. */
const durationBuckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 5]
/** Bytes; as recorded for answers. */
const sizeBuckets = [100, 1000, 2000, 5000, 10_000]

/** Methods of RFC 9110 and RFC 5789, which become labels in lower case; any other is `unknown`, as in promhttp. */
const methods: ReadonlyMap<string, string> = new Map(
  ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'].map((method) => [
    method,
    method.toLowerCase(),
  ]),
)

/** @param paths all paths of the client API; requests for any other are counted under the path `other` */
export function restMetrics(
  registry: Registry,
  refusals: RefusalCounter,
  paths: Iterable<string>,
): RestObserver {
  const { inFlight, total, duration, requestSize, responseSize } = families(registry)
  for (const path of [...paths, other]) inFlight.set({ path }, 0)
  return {
    started: ({ path = other, method: sent, bytes }): RequestEnded => {
      const method = methods.get(sent) ?? 'unknown'
      const start = performance.now()
      inFlight.inc({ path })
      return ({ status, bytes: answered, refusal }) => {
        inFlight.dec({ path })
        total.inc({ path, method, code: String(status) })
        duration.observe({ path, method }, (performance.now() - start) / 1000)
        requestSize.observe({ path }, bytes)
        responseSize.observe({ path }, answered)
        if (refusal !== undefined) refusals.count('client', refusal)
      }
    },
  }
}

function families(registry: Registry) {
  const registers = [registry]
  return {
    inFlight: new Gauge({
      name: 'server_client_api_http_in_flight_requests',
      help: 'Requests of the client API that are being served.',
      labelNames: ['path'],
      registers,
    }),
    total: new Counter({
      name: 'server_client_api_http_request_total',
      help: 'Requests of the client API that were answered.',
      labelNames: ['path', 'method', 'code'],
      registers,
    }),
    duration: new Histogram({
      name: 'server_client_api_http_request_duration_histogram_seconds',
      help: 'Time from the header of a request to its answer.',
      labelNames: ['path', 'method'],
      buckets: durationBuckets,
      registers,
    }),
    requestSize: new Histogram({
      name: 'server_client_api_http_request_size_histogram_bytes',
      help: 'Approximate size of requests: header, and body as announced.',
      labelNames: ['path'],
      buckets: sizeBuckets,
      registers,
    }),
    responseSize: new Histogram({
      name: 'server_client_api_http_response_size_histogram_bytes',
      help: 'Size of the bodies of answers.',
      labelNames: ['path'],
      buckets: sizeBuckets,
      registers,
    }),
  }
}
