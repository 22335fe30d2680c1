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

  const checkIntel = async (
    id: DocumentId,
    answer: CollateralAnswer,
    { rootCrl }: CheckContext,
  ): Promise<CheckedCollateral<IntelCollateral> | undefined> => {
    switch (id.kind) {
      case 'intel-root-ca-crl':
        return intel.rootCrl(answer)
      case 'intel-pck-crl':
        return intel.pckCrl(answer, id.ca, await rootCrl())
      case 'intel-tcb-info':
        return intel.tcbInfo(answer, id, await rootCrl())
      case 'intel-qe-identity':
        return intel.qeIdentity(answer, id.tee, await rootCrl())
      case 'intel-pck-certificate':
        return intel.pckCertificate(answer, await rootCrl())
      default:
        return undefined
    }
  }
  const checkAmd = async (
    id: DocumentId,
    { body }: CollateralAnswer,
    { amdIssuers }: CheckContext,
  ): Promise<CheckedCollateral<AmdCollateral> | undefined> => {
    switch (id.kind) {
      case 'amd-vcek':
        return amd.vcek(body, id, amdIssuers())
      case 'amd-crl':
        return amd.revocationList(body, id.product)
      case 'amd-cert-chain':
        return amd.certificateChain(body, id.product)
      default:
        return undefined
    }
  }
  return async (id, answer, context) => {
    const intelDocument = await checkIntel(id, answer, context)
    const amdDocument = await checkAmd(id, answer, context)
    const checked = intelDocument ?? amdDocument
    if (!checked) throw new TypeError(`a document of an unknown kind, ${nameOf(id)}`)
    const { notBefore, notAfter, rank } = checked
    return {
      id,
      name: nameOf(id),
      answer,
      notBefore,
      notAfter,
      rank,
      intel: intelDocument?.collateral,
      amd: amdDocument?.collateral,
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
