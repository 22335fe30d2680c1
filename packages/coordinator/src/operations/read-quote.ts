import { createHash } from 'node:crypto'
import type { Evidence } from '@taw/evidence'
import type { Ports } from './ports.ts'

export interface Quote {
  /** DER: intermediate, then root. */
  readonly chain: readonly Uint8Array[]
  /** Evidence whose report data begins with SHA-256(root DER ‖ nonce); undefined in simulation. */
  readonly evidence: Evidence | undefined
}

/** This Coordinator's certificates, and evidence that they are its own. */
export async function readQuote(
  { ledger, evidence }: Pick<Ports, 'ledger' | 'evidence'>,
  nonce: Uint8Array,
): Promise<Quote> {
  const { rootCertificate, intermediateCertificate } = ledger.state.authority
  const reportData = createHash('sha256').update(rootCertificate).update(nonce).digest()
  return {
    chain: [intermediateCertificate, rootCertificate],
    evidence: await evidence.quote(reportData),
  }
}
