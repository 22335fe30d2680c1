// Runs in a browser: verifies the evidence that the test hands over, and posts back what came out.

import { collateralFromFiles, intelVerifier, webCrypto } from '../../packages/attestation/src/index.ts'

interface EvidenceCase {
  readonly name: string
  readonly at: string
  /** Base64. */
  readonly quote: string
  /** Base64. */
  readonly collateral: string
}

const decode = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))

async function verify({ name, at, quote, collateral }: EvidenceCase): Promise<Record<string, string>> {
  const verifier = intelVerifier({ crypto: webCrypto })
  try {
    const given = collateralFromFiles([decode(collateral)])
    const { tcb } = await verifier.verifyQuote(decode(quote), given, new Date(at))
    return { name, status: tcb.status }
  } catch (error) {
    return { name, error: error instanceof Error ? `${error.name}: ${error.message}` : 'unknown' }
  }
}

const cases = (await (await fetch('/cases')).json()) as readonly EvidenceCase[]
const results = await Promise.all(cases.map(verify))
await fetch('/results', { method: 'POST', body: JSON.stringify(results) })
