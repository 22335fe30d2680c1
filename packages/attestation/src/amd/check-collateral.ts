import { bytesEqual } from '../core/bytes.ts'
import { ChainCache } from '../core/chain-cache.ts'
import { verifyChainSignatures } from '../core/chain.ts'
import { requireNotRevoked, verifyRevocationListSignature } from '../core/crl.ts'
import type { CryptoPort } from '../core/crypto.ts'
import { earliest, latest } from '../core/dates.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import type { Certificate } from '../core/x509.ts'
import type { CheckedCollateral } from '../intel/check-collateral.ts'
import { NO_AMD_COLLATERAL, readAmdCollateralFile } from './collateral.ts'
import type { AmdCollateral } from './collateral.ts'
import { REPORT_SCHEME } from './report-signature.ts'
import { CRL } from './revocation.ts'
import { genuineAmdRoots } from './roots.ts'
import type { AmdRoot } from './roots.ts'
import type { AmdProduct } from './tcb.ts'
import { CHAIN, verifyEndorsementChain } from './verify.ts'

/** Which VCEK: a chip at a TCB version. */
export interface VcekIdentity {
  readonly product: AmdProduct
  /** 64 bytes (Turin: 8), lower-case hex. */
  readonly hwid: string
  /** The eight bytes of TCB_VERSION as they stand in the report, lower-case hex. */
  readonly tcb: string
}

/**
 * Verifies documents of AMD's key distribution service one by one, before anyone keeps them. As with Intel's, each
 * verification of a report looks at all of that again, and at the dates.
 *
 * Errors are EvidenceInvalid with the check's name, `collateral-format` when the bytes can't be read.
 */
export interface AmdCollateralChecker {
  /** @param issuers intermediates besides those that the library knows, and the revocation list */
  readonly vcek: (
    body: Uint8Array,
    wanted: VcekIdentity,
    issuers: AmdCollateral,
  ) => Promise<CheckedCollateral<AmdCollateral>>
  readonly revocationList: (
    body: Uint8Array,
    product: AmdProduct,
  ) => Promise<CheckedCollateral<AmdCollateral>>
  /** ASK or ASVK, and the ARK, in PEM. The ARK counts for nothing: it has to be the one that is trusted. */
  readonly certificateChain: (
    body: Uint8Array,
    product: AmdProduct,
  ) => Promise<CheckedCollateral<AmdCollateral>>
}

export function amdCollateralChecker(options: {
  readonly crypto: CryptoPort
  /** Default: AMD's own. Others are for test PKIs. */
  readonly anchors?: readonly AmdRoot[] | undefined
}): AmdCollateralChecker {
  const { crypto } = options
  const roots = options.anchors ?? genuineAmdRoots()
  const chains = new ChainCache(crypto, REPORT_SCHEME, 64)
  const rootOf = (product: AmdProduct): AmdRoot => {
    const root = roots.find((one) => one.product === product)
    if (root) return root
    throw failed(CHAIN.check, 'there is no trusted root for these processors', 'a root', product)
  }
  return {
    vcek: async (body, wanted, issuers) => {
      const collateral = readAmdCollateralFile(body, 'the VCEK certificate')
      const [endorsement, ...others] = collateral.endorsements
      const isWanted =
        endorsement?.type === 'VCEK' &&
        endorsement.product === wanted.product &&
        endorsement.hwid === wanted.hwid &&
        endorsement.tcb.raw === wanted.tcb
      if (!isWanted || others.length > 0) {
        throw failed(
          'endorsement-certificate',
          'the certificate is another one than was asked for',
          `the VCEK of ${wanted.product} chip ${wanted.hwid} at TCB version ${wanted.tcb}`,
          endorsement
            ? `${endorsement.type} of ${endorsement.product} chip ${endorsement.hwid ?? '–'} at ${endorsement.tcb.raw}`
            : 'no VCEK',
        )
      }
      const root = rootOf(wanted.product)
      const { chain } = await verifyEndorsementChain(endorsement, root, issuers, { crypto, chains })
      for (const list of issuers.revocationLists) {
        for (const certificate of chain.certificates) {
          if (bytesEqual(certificate.issuer, list.issuer)) requireNotRevoked(list, certificate, CRL)
        }
      }
      return {
        // What else was in the answer is not kept.
        collateral: { ...NO_AMD_COLLATERAL, endorsements: [endorsement] },
        ...windowOf(chain.certificates),
        rank: [endorsement.certificate.notBefore.getTime()],
      }
    },
    revocationList: async (body, product) => {
      const { revocationLists } = readAmdCollateralFile(body, 'the revocation list')
      const [list, ...others] = revocationLists
      if (!list || others.length > 0) {
        throw failed(CRL.check, 'the answer is no revocation list', 'one list', `${revocationLists.length}`)
      }
      await verifyRevocationListSignature(crypto, list, rootOf(product).ark, CRL)
      return {
        collateral: { ...NO_AMD_COLLATERAL, revocationLists: [list] },
        notBefore: list.thisUpdate,
        notAfter: list.nextUpdate,
        rank: [list.thisUpdate.getTime()],
      }
    },
    certificateChain: async (body, product) => {
      const { ark } = rootOf(product)
      const { intermediates } = readAmdCollateralFile(body, 'the certificate chain')
      const below = intermediates.filter(({ raw }) => !bytesEqual(raw, ark.raw))
      const [intermediate, ...others] = below
      if (!intermediate || others.length > 0) {
        throw failed(
          CHAIN.check,
          'it is no chain of this product',
          'an ASK or ASVK, and the ARK',
          `${below.length} certificates besides the ARK`,
        )
      }
      const chain = await verifyChainSignatures(crypto, [intermediate], { ...CHAIN, anchors: [ark] })
      return {
        collateral: { ...NO_AMD_COLLATERAL, intermediates: [intermediate] },
        ...windowOf(chain.certificates),
        rank: [intermediate.notBefore.getTime()],
      }
    },
  }
}

const failed = (check: string, message: string, expected: string, found: string): EvidenceInvalid =>
  new EvidenceInvalid(check, {
    message: `looking at an answer of AMD's key distribution service: ${message}`,
    expected,
    found,
  })

const windowOf = (certificates: readonly Certificate[]): { notBefore: Date; notAfter: Date } => ({
  notBefore: latest(certificates.map(({ notBefore }) => notBefore)),
  notAfter: earliest(certificates.map(({ notAfter }) => notAfter)),
})
