import { parentPort } from 'node:worker_threads'
import { fuzzOtherKinds } from './attestation-amd-nitro-azure-cca.ts'
import { fuzz } from './attestation.ts'
import type { FuzzReport } from './costs.ts'
import { fuzzEvidence } from './evidence.ts'

/** One piece of a campaign: which fuzzer, how many inputs, and from which seed. */
export interface Piece {
  readonly fuzzer: keyof typeof FUZZERS
  readonly inputs: number
  readonly seed: number
}

export type Outcome = { readonly piece: Piece } & (
  { readonly report: FuzzReport } | { readonly failure: string }
)

const FUZZERS = { intel: fuzz, others: fuzzOtherKinds, evidence: fuzzEvidence } as const

async function run(piece: Piece): Promise<Outcome> {
  try {
    return { piece, report: await FUZZERS[piece.fuzzer](piece.inputs, piece.seed) }
  } catch (error) {
    return { piece, failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

const port = parentPort
port?.on('message', (piece: Piece) => {
  void run(piece).then((outcome) => {
    port.postMessage(outcome)
  })
})
