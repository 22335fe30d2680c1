import { Gauge, Registry } from '@prometheus-io/client'
import type { Ledger } from '../../ledger/ledger.ts'
import type { KeyPool } from '../../secrets/key-pool.ts'
import type { MeshObserver } from '../mesh/observer.ts'
import type { RestObserver } from '../rest/observer.ts'
import { ActivationSeries } from './activation-series.ts'
import { Events } from './events.ts'
import { ledgerMetrics } from './ledger-metrics.ts'
import { meshMetrics } from './mesh-metrics.ts'
import { processMetrics } from './process-metrics.ts'
import { type RefusalCounter, refusalCounter } from './refusals.ts'
import { restMetrics } from './rest-metrics.ts'

export interface MetricsPorts {
  readonly ledger: Ledger
  readonly keyPool: KeyPool
  readonly sealDirectory: string
  readonly version: { readonly version: string; readonly commit: string }
  /** 1, 2 or 3 (spec/README.md, "States"). */
  readonly stateCode: () => number
  readonly now: () => Date
}

/** All that is measured, and what it is shown as (docs/metrics.md). */
export class Metrics {
  readonly registry = new Registry()
  readonly events = new Events()
  /** The ledger to use instead of the one that was given: its commits are timed. */
  readonly ledger: Ledger
  readonly mesh: MeshObserver
  readonly #refusals: RefusalCounter
  readonly #endProcessMetrics: () => void

  constructor({ ledger, keyPool, sealDirectory, version, stateCode, now }: MetricsPorts) {
    const { registry, events } = this
    stateMetrics(registry, version, stateCode)
    this.#refusals = refusalCounter(registry)
    const isKnownType = (type: string): boolean => ledger.state.manifest?.manifest.marbles.has(type) === true
    this.mesh = meshMetrics({
      registry,
      refusals: this.#refusals,
      series: new ActivationSeries(isKnownType),
      events,
      now,
    })
    this.ledger = ledgerMetrics(registry, ledger, sealDirectory)
    keyPoolMetrics(registry, keyPool)
    this.#endProcessMetrics = processMetrics(registry)
  }

  /** Call once. @param paths all paths of the client API */
  rest(paths: Iterable<string>): RestObserver {
    return restMetrics(this.registry, this.#refusals, paths)
  }

  close(): void {
    this.#endProcessMetrics()
  }
}

function stateMetrics(
  registry: Registry,
  { version, commit }: MetricsPorts['version'],
  stateCode: () => number,
): void {
  new Gauge({
    name: 'coordinator_version_info',
    help: 'The version of this Coordinator, as labels.',
    labelNames: ['version', 'commit'],
    registers: [registry],
  }).set({ version, commit }, 1)
  new Gauge({
    name: 'coordinator_state',
    help: '1: sealed state waits for recovery; 2: waiting for a manifest; 3: marbles can activate.',
    registers: [registry],
    collect() {
      this.set(stateCode())
    },
  })
}

function keyPoolMetrics(registry: Registry, keyPool: KeyPool): void {
  const labelNames = ['kind'] as const
  const registers = [registry]
  new Gauge({
    name: 'taw_key_pool_pairs',
    help: 'Key pairs that are ready, by kind.',
    labelNames,
    registers,
    collect() {
      this.reset()
      for (const { kind, ready } of keyPool.fill()) this.set({ kind }, ready)
    },
  })
  new Gauge({
    name: 'taw_key_pool_pairs_wanted',
    help: 'Key pairs that idle time makes ready, by kind.',
    labelNames,
    registers,
    collect() {
      this.reset()
      for (const { kind, wanted } of keyPool.fill()) this.set({ kind }, wanted)
    },
  })
}
