import { snpClaimsJson, snpEndorsementFacts, snpReportFacts } from '../amd/facts.ts'
import { parseSnpReport } from '../amd/report.ts'
import { parseAzureVtpmEvidence } from '../azure/evidence.ts'
import { azureVtpmClaimsJson } from '../azure/facts.ts'
import { ccaClaimsJson, ccaFacts, ccaLabelledFacts } from '../cca/facts.ts'
import { parseCcaToken } from '../cca/token.ts'
import type { CryptoPort } from '../core/crypto.ts'
import { intelClaimsJson } from '../intel/claims-json.ts'
import { inspectQuote } from '../intel/quote-facts.ts'
import { parseQuote } from '../intel/quote.ts'
import { nitroCertificateFacts, nitroClaimsJson, nitroFacts } from '../nitro/facts.ts'
import { parseNitroDocument } from '../nitro/document.ts'
import type { VerifiedClaims } from '../package-policy/appraise-package.ts'
import { azureFacts } from './azure-facts.ts'
import type { FoundEvidence } from './find.ts'

/**
 * What stands in evidence of any kind, under the names that its format's documents give, for people and tools that look
 * into it. Nothing of it is verified.
 *
 * @throws EvidenceInvalid when it can't be read
 */
export async function evidenceFacts(
  evidence: FoundEvidence,
  crypto: CryptoPort,
): Promise<Readonly<Record<string, unknown>>> {
  const { kind, bytes, collateral } = evidence
  switch (kind) {
    case 'sgx-quote':
    case 'tdx-quote':
      return inspectQuote(parseQuote(bytes), crypto)
    case 'snp-report':
      return {
        ...snpReportFacts(parseSnpReport(bytes)),
        ...(collateral.amd.endorsements.length === 0
          ? {}
          : { certificates: collateral.amd.endorsements.map(snpEndorsementFacts) }),
      }
    case 'nitro-document': {
      const message = parseNitroDocument(bytes)
      return {
        size: bytes.length,
        ...nitroFacts(message),
        ...(await nitroCertificateFacts(message, crypto)),
      }
    }
    case 'azure-vtpm':
      return azureFacts(parseAzureVtpmEvidence(bytes), crypto)
    case 'cca-token':
      return ccaFacts(parseCcaToken(bytes))
  }
}

/**
 * Verified claims as JSON: the facts of {@link evidenceFacts} about the very evidence that was verified, with what
 * verification found out besides.
 */
export async function evidenceClaimsJson(
  claims: VerifiedClaims,
  evidence: FoundEvidence,
  crypto: CryptoPort,
): Promise<Readonly<Record<string, unknown>>> {
  const facts = await evidenceFacts(evidence, crypto)
  switch (claims.kind) {
    case 'sgx-quote':
    case 'tdx-quote':
      return { ...facts, ...SIGNED_QUOTE, ...intelClaimsJson(claims) }
    case 'snp-report':
      return { ...facts, ...snpClaimsJson(claims) }
    case 'nitro-document':
      return { ...facts, sig_ok: true, trailing: 0, ...nitroClaimsJson(claims) }
    case 'azure-vtpm': {
      const own = azureVtpmClaimsJson(claims)
      return {
        ...facts,
        ...own,
        hcl: { ...own.hcl, ...membersOf(facts['hcl']) },
        tpm_quote: { ...membersOf(facts['tpm_quote']), ...own.tpm_quote },
        ...('td_quote' in own
          ? { td_quote: { ...membersOf(facts['td_quote']), ...SIGNED_QUOTE, ...own.td_quote } }
          : {}),
      }
    }
    case 'cca-token':
      return {
        ...facts,
        ...SIGNED_TOKEN,
        ...ccaLabelledFacts(parseCcaToken(evidence.bytes)),
        ...ccaClaimsJson(claims),
      }
  }
}

/** Signature by the attestation key, its binding in the QE report, signature of that by the PCK: a verifier checked them. */
const SIGNED_QUOTE = { sig_ok: true, qe_binding_ok: true, qe_sig_ok: true } as const

const SIGNED_TOKEN = {
  trailing: 0,
  realm_sig_ok: true,
  platform_nonce_binds_rak: true,
  platform_sig_ok: true,
} as const

const membersOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
