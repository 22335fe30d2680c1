/**
 * `node scripts/bootstrap.mjs campaign-fuzz [inputs] [seed] [threads] [skip]`: mutated evidence and collateral to everything
 * that reads them, in several threads. What is fed follows from inputs and seed alone, however many threads there are;
 * `skip` leaves out that many inputs, so that a campaign can go on where it stopped.
 *
 * Fails when an input throws anything but EvidenceInvalid, when forged evidence is accepted, or when an input costs more
 * than 50 ms of CPU time or 16 MB.
 */
import os from 'node:os'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Outcome, Piece } from '../tests/fuzz/campaign-worker.ts'
import { skipWithoutShared } from '../tests/support/shared.ts'

/** Inputs of a piece: some seconds, beside which reading the vectors costs little. */
const PIECE = 10_000
const FUZZERS = ['intel', 'others', 'evidence'] as const
/** MB of heap that a thread may have: the vectors, and a multiple of what an input may cost. */
const HEAP = 512

const [inputs = 100_000, seed = 1, threads = Math.max(1, os.availableParallelism()), skip = 0] = process.argv
  .slice(2)
  .map(Number)

function* pieces(): Generator<Piece> {
  for (let start = 0, number = 0; start < inputs; start += PIECE, number++) {
    if (start < skip) continue
    const fuzzer = FUZZERS[number % FUZZERS.length] ?? 'intel'
    // A seed for each piece, far from those of its neighbours (golden ratio, as 32 bits).
    yield {
      fuzzer,
      inputs: Math.min(PIECE, inputs - start),
      seed: (seed + Math.imul(number, 0x9e3779b9)) >>> 0,
    }
  }
}

interface Total {
  inputs: number
  accepted: number
  slowest: { milliseconds: number; input: string }
  largest: { bytes: number; input: string }
  readonly problems: string[]
}

function add(total: Total, outcome: Outcome): void {
  if ('failure' in outcome) {
    total.problems.push(`${outcome.piece.fuzzer}, seed ${outcome.piece.seed}: ${outcome.failure}`)
    return
  }
  const { report } = outcome
  total.inputs += report.inputs
  total.accepted += report.accepted
  total.problems.push(...report.expensive)
  if (report.slowestMilliseconds > total.slowest.milliseconds) {
    total.slowest = { milliseconds: report.slowestMilliseconds, input: report.slowestInput }
  }
  if (report.largestBytes > total.largest.bytes) {
    total.largest = { bytes: report.largestBytes, input: report.largestInput }
  }
}

function work(queue: Iterator<Piece>, onOutcome: (outcome: Outcome) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(path.resolve(import.meta.dirname, '../tests/fuzz/campaign-worker.ts'), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP },
    })
    const next = (): void => {
      const piece = queue.next()
      if (piece.done === true) void worker.terminate()
      else worker.postMessage(piece.value)
    }
    worker.on('message', (outcome: Outcome) => {
      onOutcome(outcome)
      next()
    })
    worker.on('error', reject)
    worker.on('exit', () => {
      resolve()
    })
    next()
  })
}

const total: Total = {
  inputs: 0,
  accepted: 0,
  slowest: { milliseconds: 0, input: '' },
  largest: { bytes: 0, input: '' },
  problems: [],
}

function print(began: number): void {
  const seconds = (performance.now() - began) / 1000
  console.log(
    `${total.inputs} of ${inputs - skip} inputs (seed ${seed}), ${total.accepted} accepted, ${total.problems.length} problems, ` +
      `${(total.inputs / seconds).toFixed(0)}/s; slowest ${total.slowest.milliseconds.toFixed(1)} ms (${total.slowest.input}), ` +
      `largest ${(total.largest.bytes / 1024 ** 2).toFixed(1)} MB (${total.largest.input})`,
  )
}

if (skipWithoutShared !== false) console.log(`not run: ${skipWithoutShared}`)
else {
  const began = performance.now()
  const queue = pieces()
  let printed = began
  await Promise.all(
    Array.from({ length: threads }, () =>
      work(queue, (outcome) => {
        add(total, outcome)
        if ('failure' in outcome || performance.now() - printed < 10_000) return
        printed = performance.now()
        print(began)
      }),
    ),
  )
  print(began)
  for (const problem of total.problems) console.error(problem)
  if (total.problems.length > 0) process.exitCode = 1
}
