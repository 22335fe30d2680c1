import { amdVerifier } from '../amd/verify.ts'
import type { AmdVerifierOptions } from '../amd/options.ts'
import type { AmdRoot } from '../amd/roots.ts'
import { mergeAmdCollateral } from '../amd/collateral.ts'
import { parseAzureVtpmEvidence } from '../azure/evidence.ts'
import { azureVtpmVerifier } from '../azure/verify.ts'
import { verifyCcaToken } from '../cca/verify.ts'
import type { CryptoPort } from '../core/crypto.ts'
import type { CollateralRules } from '../core/grace.ts'
import type { Certificate } from '../core/x509.ts'
import { mergeCollateral } from '../intel/collateral.ts'
import { intelVerifier } from '../intel/verify.ts'
import { nitroVerifier } from '../nitro/verify.ts'
import type { VerifiedClaims } from '../package-policy/appraise-package.ts'
import type { EvidenceCollateral } from './collateral.ts'
import type { FoundEvidence } from './find.ts'

/** Whom to believe instead of the vendors: for test PKIs. Vendors that are left out stay the genuine ones. */
export interface VendorRoots {
  readonly intel?: readonly Certificate[] | undefined
  readonly amd?: readonly AmdRoot[] | undefined
  readonly nitro?: readonly Certificate[] | undefined
}

export interface EvidenceVerifierOptions {
  /** `nodeCrypto` or `webCrypto`. */
  readonly crypto: CryptoPort
  /** About AMD's revocation lists, as in `amdVerifier`. Intel's are always required. */
  readonly revocation: AmdVerifierOptions['revocation']
  /** Default: the vendors' own. */
  readonly roots?: VendorRoots | undefined
}

/** Verifies evidence of every kind, and remembers verified chains between calls. */
export interface EvidenceVerifier {
  /**
   * Verifies what {@link findEvidence} found, with its own collateral and the given, at a time. A CCA token has no dates:
   * for it the time means nothing.
   *
   * @throws EvidenceInvalid with the check that failed, and those before it
   */
  readonly verify: (
    evidence: FoundEvidence,
    collateral: EvidenceCollateral,
    at: Date,
    rules?: CollateralRules,
  ) => Promise<VerifiedClaims>
}

export function evidenceVerifier({
  crypto,
  revocation,
  roots = {},
}: EvidenceVerifierOptions): EvidenceVerifier {
  const intel = intelVerifier({ crypto, ...(roots.intel && { anchors: roots.intel }) })
  const amd = amdVerifier({ crypto, revocation, ...(roots.amd && { anchors: roots.amd }) })
  const nitro = nitroVerifier({ crypto, ...(roots.nitro && { anchors: roots.nitro }) })
  const azure = azureVtpmVerifier({ crypto, amd, intel })
  return {
    verify: async (evidence, given, at, rules = {}) => {
      const { kind, bytes, collateral: own } = evidence
      const collateral = {
        intel: mergeCollateral(own.intel, given.intel),
        amd: mergeAmdCollateral(own.amd, given.amd),
      }
      switch (kind) {
        case 'sgx-quote':
        case 'tdx-quote':
          return intel.verifyQuote(bytes, collateral.intel, at, rules)
        case 'snp-report':
          return amd.verifyReport(bytes, collateral.amd, at, rules)
        case 'nitro-document':
          return nitro.verifyDocument(bytes, at)
        case 'azure-vtpm':
          return azure.verifyEvidence(parseAzureVtpmEvidence(bytes), collateral, at, rules)
        case 'cca-token':
          return verifyCcaToken(bytes, { crypto, platformKeys: given.ccaPlatformKeys })
      }
    },
  }
}
