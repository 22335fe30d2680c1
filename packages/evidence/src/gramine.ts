import path from 'node:path'
import { within } from './deadline.ts'
import { EvidenceUnavailable, reasonOf } from './errors.ts'
import { padReportData } from './provider.ts'
import type { Evidence, EvidenceProvider } from './provider.ts'
import { readPseudoFile, writePseudoFile } from './pseudo-file.ts'
import { carries } from './report-data.ts'

/** Gramine's pseudo-folder for attestation and keys (Gramine documentation, "Attestation and Secret Provisioning"). */
export const GRAMINE_ROOT = '/dev/attestation'

/** A DCAP quote with its certification data is 4 to 5 KiB; the format allows more. */
const MAX_QUOTE_BYTES = 64 * 1024
/** `dcap`, `none`, formerly `epid`. */
const MAX_TYPE_BYTES = 64
/** A quote takes some 30 ms; the quoting service may have to start first. */
const TIMEOUT_MS = 60_000

export interface GramineOptions {
  /** Default {@link GRAMINE_ROOT}. */
  readonly root?: string
  /** How long one quote may take; default 60 s. */
  readonly timeoutMs?: number
}

/** The pseudo-files are one for the whole process: whoever wrote last gets the quote. So callers take turns, by folder. */
const turns = new Map<string, Promise<unknown>>()

/**
 * SGX quotes through Gramine: 64 bytes into `user_report_data`, then the quote out of `quote`.
 *
 * @throws EvidenceUnavailable `tee_unusable` when Gramine doesn't give DCAP quotes here
 */
export async function openGramine(options: GramineOptions = {}): Promise<EvidenceProvider> {
  const { root = GRAMINE_ROOT, timeoutMs = TIMEOUT_MS } = options
  await requireDcap(root)
  return {
    name: 'gramine',
    kind: 'sgx-quote',
    quote: async (reportData) => {
      const padded = padReportData(reportData)
      try {
        return await within(
          timeoutMs,
          'waiting for the quote',
          inTurn(path.resolve(root), () => readQuote(root, padded)),
        )
      } catch (error) {
        throw unusable(
          `getting a quote from Gramine in "${root}": ${reasonOf(error)}; ` +
            'the AESM service must run on the host, and its socket be shared with the container',
          error,
        )
      }
    },
  }
}

async function requireDcap(root: string): Promise<void> {
  const file = path.join(root, 'attestation_type')
  let type: string
  try {
    type = Buffer.from(await readPseudoFile(file, MAX_TYPE_BYTES))
      .toString('latin1')
      .trim()
  } catch (error) {
    throw unusable(
      `looking for Gramine's kind of attestation: ${reasonOf(error)}; ` +
        'this needs an SGX enclave of a current Gramine, started with gramine-sgx',
      error,
    )
  }
  if (type === 'dcap') return
  throw unusable(
    `Gramine's "${file}" says "${type}"; it must say "dcap": ` +
      'set sgx.remote_attestation = "dcap" in the Gramine manifest, and sign it again',
  )
}

async function readQuote(root: string, reportData: Uint8Array): Promise<Evidence> {
  await writePseudoFile(path.join(root, 'user_report_data'), reportData)
  const quote = await readPseudoFile(path.join(root, 'quote'), MAX_QUOTE_BYTES)
  if (quote.length === 0) throw new Error(`"${path.join(root, 'quote')}" is empty`)
  const evidence: Evidence = { kind: 'sgx-quote', evidence: quote }
  if (carries(evidence, reportData)) return evidence
  throw new Error(
    'the quote is not over the report data that was asked for: other code in this process uses the same files',
  )
}

/** Runs after all that was queued for the folder before, whether that went well or not. */
function inTurn<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const before = turns.get(folder) ?? Promise.resolve()
  const mine = before.then(work, work)
  turns.set(folder, mine)
  return mine
}

const unusable = (message: string, cause?: unknown): EvidenceUnavailable =>
  new EvidenceUnavailable('tee_unusable', message, cause === undefined ? {} : { cause })
