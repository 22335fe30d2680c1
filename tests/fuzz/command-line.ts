import { skipWithoutShared } from '../support/shared.ts'
import { MAX_MILLISECONDS } from './costs.ts'
import type { FuzzReport } from './costs.ts'

/** `node FILE [INPUTS [SEED]]`: fuzzes, prints what came out, and fails when an input cost too much. */
export async function runFromCommandLine(
  fuzz: (inputs: number, seed: number) => Promise<FuzzReport>,
): Promise<void> {
  if (skipWithoutShared !== false) {
    console.log(`not run: ${skipWithoutShared}`)
    return
  }
  const report = await fuzz(Number(process.argv[2] ?? '100000'), Number(process.argv[3] ?? '1'))
  const slowest = `the slowest took ${report.slowestMilliseconds.toFixed(1)} ms of CPU time (${report.slowestInput})`
  console.log(`${report.inputs} inputs, ${report.accepted} accepted, ${slowest}`)
  if (report.slowestMilliseconds > MAX_MILLISECONDS) process.exitCode = 1
}
