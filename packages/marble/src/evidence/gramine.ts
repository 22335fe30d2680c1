import path from 'node:path'

import { MarbleError, reasonOf } from '../errors.ts'
import type { EvidenceProvider } from './provider.ts'
import { readPseudoFile, writePseudoFile } from './pseudo-file.ts'

/** Gramine's pseudo-folder for attestation and keys (Gramine documentation, "Attestation and Secret Provisioning"). */
export const gramineFolder = '/dev/attestation'

/** A DCAP quote with its certification data is 4 to 5 KiB; the format allows more. */
const quoteLimit = 64 * 1024

/**
 * Quotes through Gramine: 64 bytes into `user_report_data`, then the quote out of `quote`.
 *
 * @param folder where Gramine's pseudo-files are
 */
export function gramineEvidence(folder: string = gramineFolder): EvidenceProvider {
  return {
    kind: 'gramine',
    quote: async (reportData) => {
      let quote: Uint8Array
      try {
        await writePseudoFile(path.join(folder, 'user_report_data'), reportData)
        quote = await readPseudoFile(path.join(folder, 'quote'), quoteLimit)
      } catch (error) {
        throw new MarbleError(
          'evidence_unavailable',
          `getting a quote from Gramine in "${folder}": ${reasonOf(error)}; ` +
            'the Gramine manifest must have sgx.remote_attestation = "dcap", and the quoting service must run',
          { cause: error },
        )
      }
      if (quote.length > 0) return quote
      throw new MarbleError(
        'evidence_unavailable',
        `getting a quote from Gramine: "${path.join(folder, 'quote')}" is empty; ` +
          'the Gramine manifest must have sgx.remote_attestation = "dcap"',
      )
    },
  }
}
