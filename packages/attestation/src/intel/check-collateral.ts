import { nameOf, verifyChainSignatures } from '../core/chain.ts'
import type { ChainRules } from '../core/chain.ts'
import { requireNotRevoked, verifyRevocationListSignature } from '../core/crl.ts'
import type { RevocationList } from '../core/crl.ts'
import type { CryptoPort } from '../core/crypto.ts'
import { earliest, latest } from '../core/dates.ts'
import { toHex } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import type { Certificate } from '../core/x509.ts'
import { INTEL_ROOTS } from './anchors.ts'
import { PCK_CA_NAMES, certifyChain } from './certification.ts'
import { readBundledDocument } from './collateral-bundle.ts'
import type { IntelCollateral, SignedDocument } from './collateral.ts'
import { PCK_CRL, ROOT_CRL, verifyIssuer } from './endorsements.ts'
import type { QeIdentity } from './qe-identity.ts'
import { QE_IDENTITY, TCB_INFO } from './select-collateral.ts'
import type { DocumentKind } from './select-collateral.ts'
import type { TcbInfo } from './tcb-info.ts'
import { Trust } from './trust.ts'

/** One document of a service: genuine, and what was asked for. Whether it is valid now, the dates say. */
export interface CheckedCollateral<Collateral> {
  readonly collateral: Collateral
  /** The time in which the document and all its issuers are valid; both ends belong to it. */
  readonly notBefore: Date
  readonly notAfter: Date
  /** Of two of the same kind, the one whose first different number is higher is newer. */
  readonly rank: readonly number[]
}

/** An answer of a service. */
export interface CollateralAnswer {
  readonly body: Uint8Array
  /** PEM. */
  readonly issuerChain: string | undefined
}

/**
 * Verifies documents one by one, as they come from a service, before anyone keeps them: signature over the exact bytes,
 * issuer, revocation of the signer, and that it is the document that was asked for. It makes no quote trustworthy: each
 * verification of a quote looks at all of that again, and at the dates.
 *
 * Errors are EvidenceInvalid with the check's name, `collateral-format` when the answer can't be read.
 */
export interface IntelCollateralChecker {
  readonly rootCrl: (answer: CollateralAnswer) => Promise<CheckedCollateral<IntelCollateral>>
  readonly pckCrl: (
    answer: CollateralAnswer,
    ca: 'platform' | 'processor',
    rootCrl: IntelCollateral,
  ) => Promise<CheckedCollateral<IntelCollateral>>
  readonly tcbInfo: (
    answer: CollateralAnswer,
    wanted: { readonly tee: 'SGX' | 'TDX'; readonly fmspc: string },
    rootCrl: IntelCollateral,
  ) => Promise<CheckedCollateral<IntelCollateral>>
  readonly qeIdentity: (
    answer: CollateralAnswer,
    tee: 'SGX' | 'TDX',
    rootCrl: IntelCollateral,
  ) => Promise<CheckedCollateral<IntelCollateral>>
  readonly pckCertificate: (
    answer: CollateralAnswer,
    rootCrl: IntelCollateral,
  ) => Promise<CheckedCollateral<IntelCollateral>>
}

export function intelCollateralChecker(options: {
  readonly crypto: CryptoPort
  /** Default: {@link INTEL_ROOTS}. Others are for test PKIs. */
  readonly anchors?: readonly Certificate[] | undefined
}): IntelCollateralChecker {
  // Nothing is looked at twice for long, so little is remembered.
  const trust = new Trust(options.crypto, options.anchors ?? INTEL_ROOTS, 64)
  return {
    rootCrl: async (answer) => {
      const { collateral, list } = readList('intel-root-ca-crl', answer)
      await requireRootSignature(list, trust)
      return checkedList(collateral, list, [])
    },
    pckCrl: async (answer, ca, rootCrl) => {
      const { collateral, list, issuerChain } = readList('intel-pck-crl', answer)
      const rules: ChainRules = {
        ...PCK_CRL,
        what: 'issuer chain of the PCK CRL',
        anchors: trust.anchors,
      }
      const chain = await verifyChainSignatures(trust.crypto, issuerChain ?? [], rules)
      requireName(chain.leaf, PCK_CA_NAMES[ca], rules.check)
      requireNotRevoked(listOf(rootCrl), chain.leaf, ROOT_CRL)
      await verifyRevocationListSignature(trust.crypto, list, chain.leaf, PCK_CRL)
      return checkedList(collateral, list, chain.certificates)
    },
    tcbInfo: async (answer, wanted, rootCrl) => {
      const collateral = readBundledDocument({ name: 'intel-tcb-info', ...answer })
      const document = only(collateral.tcbInfos, TCB_INFO)
      const { content } = document
      if (content.tee !== wanted.tee || toHex(content.fmspc) !== wanted.fmspc) {
        throw another(
          TCB_INFO,
          `${wanted.tee}, FMSPC ${wanted.fmspc}`,
          `${content.tee}, FMSPC ${toHex(content.fmspc)}`,
        )
      }
      const certificates = await verifiedSigner(document, TCB_INFO, rootCrl, trust)
      return checkedDocument(collateral, content, certificates, content.version)
    },
    qeIdentity: async (answer, tee, rootCrl) => {
      const collateral = readBundledDocument({ name: 'intel-qe-identity', ...answer })
      const document = only(collateral.qeIdentities, QE_IDENTITY)
      const id = tee === 'SGX' ? 'QE' : 'TD_QE'
      if (document.content.id !== id) throw another(QE_IDENTITY, id, document.content.id)
      const certificates = await verifiedSigner(document, QE_IDENTITY, rootCrl, trust)
      return checkedDocument(collateral, document.content, certificates, 0)
    },
    pckCertificate: async (answer, rootCrl) => {
      const collateral = readBundledDocument({ name: 'intel-pck-certificate', ...answer })
      const { chain } = await certifyChain(collateral.certificates, trust)
      const [, ca] = chain.certificates
      if (ca) requireNotRevoked(listOf(rootCrl), ca, ROOT_CRL)
      return {
        collateral,
        ...windowOf(chain.certificates),
        rank: [chain.leaf.notBefore.getTime()],
      }
    },
  }
}

function readList(
  name: string,
  answer: CollateralAnswer,
): {
  collateral: IntelCollateral
  list: RevocationList
  issuerChain: readonly Certificate[] | undefined
} {
  const collateral = readBundledDocument({ name, ...answer })
  const { list, issuerChain } = only(collateral.revocationLists, {
    check: name === 'intel-root-ca-crl' ? ROOT_CRL.check : PCK_CRL.check,
    what: 'revocation list',
  })
  return { collateral, list, issuerChain }
}

/** Both issuances of Intel's root have one name and one key. */
async function requireRootSignature(list: RevocationList, trust: Trust): Promise<void> {
  let failure: unknown
  for (const anchor of trust.anchors) {
    try {
      await verifyRevocationListSignature(trust.crypto, list, anchor, ROOT_CRL)
      return
    } catch (error) {
      if (!(error instanceof EvidenceInvalid)) throw error
      failure ??= error
    }
  }
  throw failure
}

async function verifiedSigner(
  document: SignedDocument<TcbInfo | QeIdentity>,
  kind: DocumentKind,
  rootCrl: IntelCollateral,
  trust: Trust,
): Promise<readonly Certificate[]> {
  const chain = await verifyIssuer(document, document.issuerChain ?? [], kind, trust)
  requireNotRevoked(listOf(rootCrl), chain.leaf, { check: kind.check, what: ROOT_CRL.what })
  return chain.certificates
}

const windowOf = (certificates: readonly Certificate[]): { notBefore: Date; notAfter: Date } => ({
  notBefore: latest(certificates.map(({ notBefore }) => notBefore)),
  notAfter: earliest(certificates.map(({ notAfter }) => notAfter)),
})

function checkedList(
  collateral: IntelCollateral,
  { thisUpdate, nextUpdate }: RevocationList,
  certificates: readonly Certificate[],
): CheckedCollateral<IntelCollateral> {
  return {
    collateral,
    notBefore: latest([thisUpdate, ...certificates.map(({ notBefore }) => notBefore)]),
    notAfter: earliest([nextUpdate, ...certificates.map(({ notAfter }) => notAfter)]),
    rank: [thisUpdate.getTime()],
  }
}

function checkedDocument(
  collateral: IntelCollateral,
  { issueDate, nextUpdate, tcbEvaluationDataNumber }: TcbInfo | QeIdentity,
  certificates: readonly Certificate[],
  version: number,
): CheckedCollateral<IntelCollateral> {
  return {
    collateral,
    notBefore: latest([issueDate, ...certificates.map(({ notBefore }) => notBefore)]),
    notAfter: earliest([nextUpdate, ...certificates.map(({ notAfter }) => notAfter)]),
    // As the verifier ranks them (select-collateral.ts).
    rank: [tcbEvaluationDataNumber, version, issueDate.getTime()],
  }
}

function listOf(rootCrl: IntelCollateral): RevocationList {
  return only(rootCrl.revocationLists, { check: ROOT_CRL.check, what: ROOT_CRL.what }).list
}

function only<Item>(items: readonly Item[], { check, what }: DocumentKind): Item {
  const [item] = items
  if (item !== undefined && items.length === 1) return item
  throw new EvidenceInvalid(check, {
    message: `reading a service's answer: it is something else than a ${what}`,
    expected: `one ${what}`,
    found: `${items.length} of them`,
  })
}

function another(kind: DocumentKind, expected: string, found: string): EvidenceInvalid {
  return new EvidenceInvalid(kind.check, {
    message: `the ${kind.what} is another one than was asked for`,
    expected,
    found,
  })
}

function requireName(certificate: Certificate, name: string, check: string): void {
  if (certificate.subjectCommonName === name) return
  throw new EvidenceInvalid(check, {
    message: 'the issuer of the revocation list is another one than was asked for',
    expected: `certificate '${name}'`,
    found: nameOf(certificate),
  })
}
