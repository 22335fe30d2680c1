import { amdCollateralChecker, intelCollateralChecker } from '@taw/attestation'
import type {
  AmdCollateral,
  AmdRoot,
  Certificate,
  CheckedCollateral,
  CollateralAnswer,
  CryptoPort,
  IntelCollateral,
} from '@taw/attestation'
import { nameOf } from './documents.ts'
import type { DocumentId } from './documents.ts'

/** A document that is genuine, and what was asked for. */
export interface CheckedDocument extends Omit<CheckedCollateral<unknown>, 'collateral'> {
  readonly id: DocumentId
  readonly name: string
  readonly answer: CollateralAnswer
  /** What verifiers take; one of the two is there. */
  readonly intel: IntelCollateral | undefined
  readonly amd: AmdCollateral | undefined
}

/** What a check needs besides the document: other documents. */
export interface CheckContext {
  /** The list of Intel's root CA. */
  readonly rootCrl: () => Promise<IntelCollateral>
  /** Intermediate certificates of AMD, and the revocation lists, as far as they are at hand; never asks a service. */
  readonly amdIssuers: () => AmdCollateral
}

export type DocumentChecker = (
  id: DocumentId,
  answer: CollateralAnswer,
  context: CheckContext,
) => Promise<CheckedDocument>

/** @returns a function that throws EvidenceInvalid for what is not genuine, or not what was asked for */
export function documentChecker(options: {
  readonly crypto: CryptoPort
  readonly intelAnchors: readonly Certificate[] | undefined
  readonly amdAnchors: readonly AmdRoot[] | undefined
}): DocumentChecker {
  const intel = intelCollateralChecker({ crypto: options.crypto, anchors: options.intelAnchors })
  const amd = amdCollateralChecker({ crypto: options.crypto, anchors: options.amdAnchors })

  return async (id, answer, { rootCrl, amdIssuers }) => {
    const ofIntel = ({ collateral, ...dates }: CheckedCollateral<IntelCollateral>): CheckedDocument => ({
      ...{ id, name: nameOf(id), answer, ...dates },
      intel: collateral,
      amd: undefined,
    })
    const ofAmd = ({ collateral, ...dates }: CheckedCollateral<AmdCollateral>): CheckedDocument => ({
      ...{ id, name: nameOf(id), answer, ...dates },
      intel: undefined,
      amd: collateral,
    })
    switch (id.kind) {
      case 'intel-root-ca-crl':
        return ofIntel(await intel.rootCrl(answer))
      case 'intel-pck-crl':
        return ofIntel(await intel.pckCrl(answer, id.ca, await rootCrl()))
      case 'intel-tcb-info':
        return ofIntel(await intel.tcbInfo(answer, id, await rootCrl()))
      case 'intel-qe-identity':
        return ofIntel(await intel.qeIdentity(answer, id.tee, await rootCrl()))
      case 'intel-pck-certificate':
        return ofIntel(await intel.pckCertificate(answer, await rootCrl()))
      case 'amd-vcek':
        return ofAmd(await amd.vcek(answer.body, id, amdIssuers()))
      case 'amd-crl':
        return ofAmd(await amd.revocationList(answer.body, id.product))
      case 'amd-cert-chain':
        return ofAmd(await amd.certificateChain(answer.body, id.product))
    }
  }
}

export const isValidAt = ({ notBefore, notAfter }: CheckedDocument, now: Date): boolean =>
  notBefore <= now && now <= notAfter

/** Whether `one` is older than `other`, a document of the same name. */
export function isOlder(one: CheckedDocument, other: CheckedDocument): boolean {
  for (const [index, value] of one.rank.entries()) {
    const difference = value - (other.rank[index] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
