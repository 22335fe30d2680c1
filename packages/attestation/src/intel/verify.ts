import { Checks } from '../core/checks.ts'
import { requireChainValidAt } from '../core/chain.ts'
import type { CryptoPort } from '../core/crypto.ts'
import type { CollateralRules } from '../core/grace.ts'
import { markVerified } from '../core/result.ts'
import type { Check, Verified } from '../core/result.ts'
import type { Certificate } from '../core/x509.ts'
import { INTEL_ROOTS } from './anchors.ts'
import { certifyAttestationKey } from './attestation-key.ts'
import type { IntelCollateral } from './collateral.ts'
import { withoutOpenEnclaveHeader } from './containers.ts'
import { verifyEndorsements } from './endorsements.ts'
import type { PckExtensions } from './pck.ts'
import { parseQuote } from './quote.ts'
import type { Quote, SgxQuote, TdxQuote } from './quote.ts'
import { evaluateTcb } from './tcb-evaluation.ts'
import type { TcbEvaluation } from './tcb-evaluation.ts'
import { Trust } from './trust.ts'
import type { CertifiedPck } from './trust.ts'

interface IntelClaims {
  /** How up to date platform, TDX module and quoting enclave are. An appraisal policy says what is enough. */
  readonly tcb: TcbEvaluation
  /** What Intel certifies about the platform. */
  readonly platform: PckExtensions
  /** The root that the evidence chains to, DER. */
  readonly rootCa: Uint8Array
  /** The time that the verification is for. */
  readonly verifiedAt: Date
  /** From when on some collateral or certificate would not be taken any more. */
  readonly validUntil: Date
  /** When the oldest of the collateral was issued. */
  readonly collateralIssued: Date
  /** Everything that was checked, in order. */
  readonly checks: readonly Check[]
}

export interface SgxClaims extends IntelClaims {
  readonly kind: 'sgx-quote'
  readonly quote: SgxQuote
}

export interface TdxClaims extends IntelClaims {
  readonly kind: 'tdx-quote'
  readonly quote: TdxQuote
}

export interface IntelVerifierOptions {
  /** `nodeCrypto` or `webCrypto`. */
  readonly crypto: CryptoPort
  /** Default: {@link INTEL_ROOTS}. Others are for test PKIs. */
  readonly anchors?: readonly Certificate[]
  /** How many verified chains and documents are remembered; default 4096. */
  readonly cacheEntries?: number
}

/** Verifies Intel quotes, and remembers verified chains and collateral between calls. */
export interface IntelVerifier {
  /**
   * Verifies a quote with its collateral at a time: that a genuine, unrevoked Intel platform made it, how up to date that
   * platform is, and that all collateral is signed and valid at that time. What the quote says is then true; whether it is
   * what you want is for an appraisal to say (`appraiseSgx`, `appraiseTdx`), debug enclaves and outdated platforms
   * included.
   *
   * @param evidence a quote (SGX v3 to v5, TDX v4 or v5), or an SGX quote with Open Enclave's header
   * @param rules what is forgiven about collateral; default: nothing. What was is in the check `collateral-grace`
   * @throws EvidenceInvalid with the check that failed, and those before it
   */
  readonly verifyQuote: (
    evidence: Uint8Array,
    collateral: IntelCollateral,
    at: Date,
    rules?: CollateralRules,
  ) => Promise<Verified<SgxClaims> | Verified<TdxClaims>>

  /**
   * Checks signatures, certificate chain and dates alone: without collateral nobody knows whether the platform is revoked or
   * broken. For tools that look at evidence, never for deciding whom to trust; the result is no `Verified`.
   */
  readonly authenticateQuote: (
    evidence: Uint8Array,
    certificates: readonly Certificate[],
    at: Date,
  ) => Promise<{ readonly quote: Quote; readonly pck: CertifiedPck; readonly checks: readonly Check[] }>
}

export function intelVerifier(options: IntelVerifierOptions): IntelVerifier {
  const trust = new Trust(options.crypto, options.anchors ?? INTEL_ROOTS, options.cacheEntries)
  return {
    verifyQuote: async (evidence, collateral, at, rules = {}) => {
      const checks = new Checks()
      return checks.run(async () => {
        const { quote, pck } = await authenticate(evidence, collateral.certificates, trust, checks)
        const endorsements = await verifyEndorsements(
          quote.header.teeType,
          pck,
          collateral,
          { ...rules, at },
          {
            trust,
            checks,
          },
        )
        const { tcbInfo, qeIdentity, validUntil, collateralIssued } = endorsements
        const tcb = evaluateTcb(quote, pck.platform, tcbInfo, qeIdentity, checks)
        const common: IntelClaims = {
          tcb,
          platform: pck.platform,
          rootCa: pck.chain.anchor.raw,
          verifiedAt: new Date(at),
          validUntil,
          collateralIssued,
          checks: checks.list,
        }
        return quote.kind === 'sgx-quote'
          ? markVerified<SgxClaims>({ ...common, kind: quote.kind, quote })
          : markVerified<TdxClaims>({ ...common, kind: quote.kind, quote })
      })
    },

    authenticateQuote: async (evidence, certificates, at) => {
      const checks = new Checks()
      return checks.run(async () => {
        const { quote, pck } = await authenticate(evidence, certificates, trust, checks)
        requireChainValidAt(pck.chain, at, { check: 'pck-chain', what: 'PCK certificate chain' })
        return { quote, pck, checks: checks.list }
      })
    },
  }
}

/** From the root to the quote: root, PCK CA, PCK certificate, QE report, attestation key, quote. */
async function authenticate(
  evidence: Uint8Array,
  certificates: readonly Certificate[],
  trust: Trust,
  checks: Checks,
): Promise<{ quote: Quote; pck: CertifiedPck }> {
  const quote = parseQuote(withoutOpenEnclaveHeader(evidence))
  checks.passed('quote-format', { found: `${quote.kind}, version ${quote.header.version}` })
  const { pck, attestationKey } = await certifyAttestationKey(quote, certificates, trust, checks)
  const isSigned = await trust.crypto.verify(attestationKey, quote.signedBytes, quote.signature)
  checks.require('quote-signature', isSigned, () => ({
    message: 'the signature of the quote is wrong',
    expected: 'a signature by the attestation key over header and body',
    found: 'another one',
    remedy: 'the quote was altered after it was made; get a new one',
  }))
  return { quote, pck }
}
