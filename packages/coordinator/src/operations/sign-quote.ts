import { createPrivateKey, sign } from 'node:crypto'
import { Refusal } from '../refusal.ts'
import type { Ports } from './ports.ts'

export interface SignedQuote {
  /** What Intel says about the platform, for example `UpToDate`. */
  readonly tcbStatus: string
  /** ASN.1 ECDSA by the root key over SHA-256 of the quote in base64, followed by the status (spec/client-api.md). */
  readonly signature: Uint8Array
}

/**
 * Verifies a quote for users who trust this Coordinator, and signs what it found. Any genuine quote is signed, whatever
 * its status: what is enough is for them to decide.
 *
 * @param quote SGX or TDX, raw or behind Open Enclave's header
 * @throws {@link Refusal} `evidence_invalid`, `collateral_unavailable`
 */
export async function signQuote(
  quote: Uint8Array,
  { ledger, verification }: Pick<Ports, 'ledger' | 'verification'>,
): Promise<SignedQuote> {
  const claims = await verification.verify(quote, 'the enclave')
  if (claims.kind !== 'sgx-quote' && claims.kind !== 'tdx-quote') {
    throw new Refusal('evidence_invalid', `it must be a quote of SGX or TDX, and is a ${claims.kind}`)
  }
  const tcbStatus = claims.tcb.status
  const key = createPrivateKey({
    key: Buffer.from(ledger.state.authority.rootKey.reveal()),
    format: 'der',
    type: 'pkcs8',
  })
  const signed = Buffer.from(`${Buffer.from(quote).toString('base64')}${tcbStatus}`)
  return { tcbStatus, signature: sign('sha256', signed, key) }
}
