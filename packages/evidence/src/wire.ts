import type { Evidence } from './provider.ts'

/**
 * Evidence as one piece of bytes, for `ActivationReq.Quote` and for `/quote`: the quote or report as it is, or, when a
 * certificate table came along, a JSON object with the kernel's names (`provider`, `outblob`, `auxblob`; base64), a form
 * that verifiers know.
 */
export function packEvidence({ evidence, auxblob }: Evidence): Uint8Array {
  if (auxblob === undefined) return evidence
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  return new TextEncoder().encode(
    JSON.stringify({ provider: 'sev_guest', outblob: base64(evidence), auxblob: base64(auxblob) }),
  )
}
