import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, type Registry } from '@prometheus-io/client'

/** Milliseconds between two looks at the event loop; 20 a second. */
const lagResolutionMs = 50

const quantiles = [0.5, 0.99, 1] as const

/** How the process itself does. @returns ends the measuring */
export function processMetrics(registry: Registry): () => void {
  const registers = [registry]
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'When the process started, in seconds since 1970.',
    registers,
  }).set(Date.now() / 1000 - process.uptime())
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory of the process that is in RAM.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of all threads, user and system.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / 1e6)
    },
  })
  const delays = monitorEventLoopDelay({ resolution: lagResolutionMs })
  delays.enable()
  new Gauge({
    name: 'taw_event_loop_lag_seconds',
    help: 'How much later than due work began, since the last scrape: median, 99th percentile, longest.',
    labelNames: ['quantile'],
    registers,
    collect() {
      for (const quantile of quantiles) {
        const milliseconds = delays.count === 0 ? 0 : delays.percentile(quantile * 100) / 1e6
        // What is measured includes the time between two looks.
        this.set({ quantile: String(quantile) }, Math.max(0, milliseconds - lagResolutionMs) / 1000)
      }
      delays.reset()
    },
  })
  return () => delays.disable()
}
