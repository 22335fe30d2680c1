import { stat } from 'node:fs/promises'
import path from 'node:path'
import { Gauge, Histogram, type Registry } from '@prometheus-io/client'
import type { Ledger } from '../../ledger/ledger.ts'
import { MeasuredLedger } from './measured-ledger.ts'

/** Seconds; an NVMe disk makes a commit durable in 0.3 ms, a bad one in 50. */
const commitBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]

/** What the ledger is made of in the seal directory (docs/format.md). */
const files = ['ledger.db', 'ledger.db-wal']

/** @returns the ledger, its commits timed */
export function ledgerMetrics(registry: Registry, ledger: Ledger, sealDirectory: string): Ledger {
  const registers = [registry]
  new Gauge({
    name: 'taw_ledger_entries',
    help: 'Entries of the ledger.',
    registers,
    collect() {
      this.set(ledger.chain(0, 0)?.head.sequence ?? 0)
    },
  })
  new Gauge({
    name: 'taw_ledger_bytes',
    help: 'Size of the ledger on the disk, its write-ahead log included.',
    registers,
    async collect() {
      this.set(await sizeOf(files.map((name) => path.join(sealDirectory, name))))
    },
  })
  const commits = new Histogram({
    name: 'taw_ledger_commit_duration_seconds',
    help: 'Time until a change was durable, the wait for others that are written with it included.',
    buckets: commitBuckets,
    registers,
  })
  return new MeasuredLedger(ledger, (seconds) => {
    commits.observe(seconds)
  })
}

/** A file that isn't there has none; one that can't be looked at counts as well. */
async function sizeOf(paths: readonly string[]): Promise<number> {
  const sizes = await Promise.all(
    paths.map((file) =>
      stat(file).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
