import { Counter, Histogram, type Registry } from '@prometheus-io/client'
import { type GrpcStatus, grpcStatus } from '../mesh/grpc.ts'
import type { CallEnded, MeshObserver, ObservedActivation } from '../mesh/observer.ts'
import type { ActivationSeries } from './activation-series.ts'
import type { Events } from './events.ts'
import type { RefusalCounter } from './refusals.ts'

/** Names of all gRPC codes as Go prints them (google.golang.org/grpc/codes), by number. */
const codeNames = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const

/** The mesh API's one method, as go-grpc-middleware labels it. */
const method = { grpc_type: 'unary', grpc_service: 'rpc.Marble', grpc_method: 'Activate' } as const
const methodLabels = ['grpc_type', 'grpc_service', 'grpc_method'] as const

/** Seconds; an activation takes 2 ms, or as long as an RSA key that no pool has. */
const durationBuckets = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export interface MeshMetricsPorts {
  readonly registry: Registry
  readonly refusals: RefusalCounter
  readonly series: ActivationSeries
  readonly events: Events
  readonly now: () => Date
}

/**
 * Counts calls of the mesh API. As in the original, `grpc_server_*` counts calls whose request could be read, and each
 * of them has an answer; the others are in `taw_mesh_unread_calls_total`.
 */
export function meshMetrics({ registry, refusals, series, events, now }: MeshMetricsPorts): MeshObserver {
  const grpc = grpcCounters(registry)
  const { attempts, successes, duration } = activationMetrics(registry)
  const unread = new Counter({
    name: 'taw_mesh_unread_calls_total',
    help: 'Calls of the mesh API whose request could not be read, by gRPC code.',
    labelNames: ['grpc_code'],
    registers: [registry],
  })
  const finish = (request: ObservedActivation, status: GrpcStatus, seconds: number): void => {
    const activated = status === grpcStatus.OK
    const labels = series.labelsFor(request.marbleType, request.uuid, activated)
    attempts.inc({ ...labels })
    duration.observe({ outcome: outcomeOf(status) }, seconds)
    if (!activated) return
    successes.inc({ ...labels })
    const { marbleType, uuid, evidence } = request
    events.add({ time: now(), marbleType, uuid, quote: evidence })
  }
  return {
    started: (request): CallEnded => {
      const start = performance.now()
      grpc.started.inc(method)
      grpc.received.inc(method)
      let hasEnded = false
      return (status, refusal) => {
        if (hasEnded) return
        hasEnded = true
        grpc.sent.inc(method)
        grpc.handled.inc({ ...method, grpc_code: codeNames[status] })
        if (refusal !== undefined) refusals.count('mesh', refusal)
        finish(request, status, (performance.now() - start) / 1000)
      }
    },
    unread: (status) => {
      unread.inc({ grpc_code: codeNames[status] })
    },
  }
}

/** `failed`: through no fault of the caller's. */
function outcomeOf(status: GrpcStatus): 'activated' | 'refused' | 'failed' {
  if (status === grpcStatus.OK) return 'activated'
  return status === grpcStatus.INTERNAL ? 'failed' : 'refused'
}

function activationMetrics(registry: Registry) {
  const labelNames = ['type', 'uuid'] as const
  return {
    attempts: new Counter({
      name: 'coordinator_marble_activations_total',
      help: 'Activations that marbles tried, by instance; uuid "other": all instances without a series of their own.',
      labelNames,
      registers: [registry],
    }),
    successes: new Counter({
      name: 'coordinator_marble_activations_success_total',
      help: 'Activations that succeeded, by instance; uuid "other": all instances without a series of their own.',
      labelNames,
      registers: [registry],
    }),
    duration: new Histogram({
      name: 'taw_activation_duration_seconds',
      help: 'Time from the whole request to the answer, by what became of the activation.',
      labelNames: ['outcome'],
      buckets: durationBuckets,
      registers: [registry],
    }),
  }
}

function grpcCounters(registry: Registry) {
  const counter = (name: string, help: string) => {
    const made = new Counter({ name, help, labelNames: methodLabels, registers: [registry] })
    made.inc(method, 0)
    return made
  }
  const handled = new Counter({
    name: 'grpc_server_handled_total',
    help: 'Calls that were answered, by gRPC code.',
    labelNames: [...methodLabels, 'grpc_code'],
    registers: [registry],
  })
  // All codes from the start, as in the original: a rate needs a first value.
  for (const grpc_code of codeNames) handled.inc({ ...method, grpc_code }, 0)
  return {
    started: counter('grpc_server_started_total', 'Calls that began.'),
    handled,
    received: counter('grpc_server_msg_received_total', 'Messages received.'),
    sent: counter('grpc_server_msg_sent_total', 'Messages sent.'),
  }
}
