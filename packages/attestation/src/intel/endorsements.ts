import { bytesEqual } from '../core/bytes.ts'
import { nameOf, requireChainValidAt, requireWindow, timeText, verifyChainSignatures } from '../core/chain.ts'
import type { SignedChain } from '../core/chain.ts'
import type { Checks } from '../core/checks.ts'
import {
  requireNotRevoked,
  requireRevocationListValidAt,
  verifyRevocationListSignature,
} from '../core/crl.ts'
import type { RevocationList, RevocationListRules } from '../core/crl.ts'
import { earliest } from '../core/dates.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { takenUntil } from '../core/grace.ts'
import type { Certificate } from '../core/x509.ts'
import { issuersOf } from './certification.ts'
import type { IntelCollateral, IssuedRevocationList, SignedDocument } from './collateral.ts'
import type { QeIdentity } from './qe-identity.ts'
import {
  QE_IDENTITY,
  TCB_INFO,
  firstGenuine,
  missing,
  selectQeIdentities,
  selectRevocationLists,
  selectTcbInfos,
} from './select-collateral.ts'
import type { CollateralTime, DocumentKind } from './select-collateral.ts'
import type { TcbInfo } from './tcb-info.ts'
import type { CertifiedPck, Trust } from './trust.ts'

/** What Intel says about a platform and its quoting enclave: verified, and valid at the time. */
export interface Endorsements {
  readonly tcbInfo: TcbInfo
  readonly qeIdentity: QeIdentity
  /** The earliest end of validity among documents, lists and certificates; with the grace period for those that get one. */
  readonly validUntil: Date
  /** The earliest issue of the documents and lists. */
  readonly collateralIssued: Date
}

/** Common name of the only certificate that signs TCB info and QE identities (PCK certificate profile, 1.5). */
const TCB_SIGNING_NAME = 'Intel SGX TCB Signing'
/** How many certificates of that name are tried: there are two so far. */
const MAX_SIGNERS = 8

export const PCK_CRL: RevocationListRules = { check: 'pck-crl', what: 'revocation list of the PCK CA' }
export const ROOT_CRL: RevocationListRules = { check: 'root-ca-crl', what: 'revocation list of the root CA' }

/**
 * Picks the collateral that fits the platform and the time, and verifies it: signatures over the exact bytes, issuers, both
 * ends of every validity, revocation of the PCK certificate, its CA and the signers of the documents.
 */
export async function verifyEndorsements(
  tee: TcbInfo['tee'],
  pck: CertifiedPck,
  collateral: IntelCollateral,
  time: CollateralTime,
  { trust, checks }: { trust: Trust; checks: Checks },
): Promise<Endorsements> {
  const { at } = time
  const [leaf, ca, root] = pck.chain.certificates
  if (!ca || !root) throw new TypeError('a certified PCK chain has three certificates')
  requireChainValidAt(pck.chain, at, { check: 'pck-chain', what: 'PCK certificate chain' })

  const rootCrl = await verifyRevocationList(root, collateral, time, ROOT_CRL, trust)
  requireNotRevoked(rootCrl.list, ca, ROOT_CRL)
  checks.passed(ROOT_CRL.check, { found: describeList(rootCrl.list, trust) })
  const pckCrl = await verifyRevocationList(ca, collateral, time, PCK_CRL, trust)
  if (pckCrl.issuerChain) await requireSameIssuer(pckCrl.issuerChain, pck, at, trust)
  requireNotRevoked(pckCrl.list, leaf, PCK_CRL)
  checks.passed(PCK_CRL.check, { found: describeList(pckCrl.list, trust) })

  const context: DocumentContext = {
    root,
    rootCrl: rootCrl.list,
    certificates: collateral.certificates,
    time,
    trust,
  }
  const tcbInfo = await verifyDocument(
    await genuineDocument(selectTcbInfos(tee, pck, collateral, time), TCB_INFO, context),
    TCB_INFO,
    context,
  )
  checks.passed(TCB_INFO.check, { found: describeDocument(tcbInfo.content, trust) })
  const qeIdentity = await verifyDocument(
    await genuineDocument(selectQeIdentities(tee, collateral, time), QE_IDENTITY, context),
    QE_IDENTITY,
    context,
  )
  checks.passed(QE_IDENTITY.check, { found: describeDocument(qeIdentity.content, trust) })
  const dated = [
    { what: ROOT_CRL.what, from: rootCrl.list.thisUpdate, until: rootCrl.list.nextUpdate },
    { what: PCK_CRL.what, from: pckCrl.list.thisUpdate, until: pckCrl.list.nextUpdate },
    { what: TCB_INFO.what, from: tcbInfo.content.issueDate, until: tcbInfo.content.nextUpdate },
    { what: QE_IDENTITY.what, from: qeIdentity.content.issueDate, until: qeIdentity.content.nextUpdate },
  ]
  const ended = dated.filter(({ until }) => at > until)
  if (ended.length > 0) {
    const found = ended.map(({ what, until }) => `the ${what} ended at ${timeText(until)}`).join(', ')
    checks.passed('collateral-grace', { found })
  }
  const ends = dated.map(({ until }) => takenUntil(until, time))
  const chains = [pck.chain, tcbInfo.chain, qeIdentity.chain].flatMap(({ certificates }) => certificates)
  return {
    tcbInfo: tcbInfo.content,
    qeIdentity: qeIdentity.content,
    validUntil: earliest([...ends, ...chains.map(({ notAfter }) => notAfter)]),
    collateralIssued: earliest(dated.map(({ from }) => from)),
  }
}

const describeWindow = (from: Date, until: Date): string =>
  `valid from ${timeText(from)} to ${timeText(until)}`

const describeList = (list: RevocationList, trust: Trust): string =>
  trust.textOf(list, () => describeWindow(list.thisUpdate, list.nextUpdate))

const describeDocument = (document: TcbInfo | QeIdentity, trust: Trust): string =>
  trust.textOf(
    document,
    () =>
      `tcbEvaluationDataNumber ${document.tcbEvaluationDataNumber}, ${describeWindow(document.issueDate, document.nextUpdate)}`,
  )

async function verifyRevocationList(
  issuer: Certificate,
  collateral: IntelCollateral,
  time: CollateralTime,
  rules: RevocationListRules,
  trust: Trust,
): Promise<IssuedRevocationList> {
  const candidates = selectRevocationLists(issuer, collateral, time, rules)
  const found = await firstGenuine(candidates, async ({ list }) => {
    const key = await trust.keyOf(list, () => [list.raw])
    const issuerKey = await trust.keyOf(issuer, () => [issuer.raw])
    await trust.issuers.getOrMake(`crl ${key} ${issuerKey}`, async () => {
      await verifyRevocationListSignature(trust.crypto, list, issuer, rules)
      return { certificates: [issuer], leaf: issuer, anchor: issuer }
    })
  })
  requireRevocationListValidAt(found.list, time.at, rules, time)
  return found
}

/** A chain that came with the PCK CRL must be genuine, and lead to the CA that issued the PCK certificate. */
async function requireSameIssuer(
  certificates: readonly Certificate[],
  pck: CertifiedPck,
  at: Date,
  trust: Trust,
): Promise<void> {
  const rules = { ...PCK_CRL, what: 'issuer chain of the PCK CRL', anchors: trust.anchors }
  const key = await trust.keyOf(certificates, () => certificates.map(({ raw }) => raw))
  const chain = await trust.issuers.getOrMake(`chain ${key}`, () =>
    verifyChainSignatures(trust.crypto, certificates, rules),
  )
  requireChainValidAt(chain, at, rules)
  const ca = pck.chain.certificates[1]
  if (ca && bytesEqual(chain.leaf.subject, ca.subject) && bytesEqual(chain.leaf.spki, ca.spki)) return
  throw new EvidenceInvalid(PCK_CRL.check, {
    message: 'the issuer chain of the PCK CRL is of another issuer than the PCK certificate',
    expected: ca ? nameOf(ca) : 'the PCK CA',
    found: nameOf(chain.leaf),
  })
}

interface DocumentContext {
  readonly root: Certificate
  readonly rootCrl: RevocationList
  /** Where signers are looked for when the document came without its chain. */
  readonly certificates: readonly Certificate[]
  readonly time: CollateralTime
  readonly trust: Trust
}

interface VerifiedDocument<Content> {
  readonly content: Content
  readonly chain: SignedChain
}

/**
 * Of several documents the first that Intel's signing certificate signed. Whether its signer is valid and not revoked is
 * for {@link verifyDocument}: a newer genuine document is never passed over for that.
 */
async function genuineDocument<Content extends TcbInfo | QeIdentity>(
  documents: readonly SignedDocument<Content>[],
  kind: DocumentKind,
  context: DocumentContext,
): Promise<SignedDocument<Content>> {
  const [only, ...others] = documents
  if (only && others.length === 0) return only
  return firstGenuine(documents, async (document) => {
    const chains = await signerChains(document, context)
    // Without any signer at hand, the error is verifyDocument's.
    if (chains.length > 0)
      await firstGenuine(chains, (certificates) => verifyIssuer(document, certificates, kind, context.trust))
  })
}

async function verifyDocument<Content extends TcbInfo | QeIdentity>(
  document: SignedDocument<Content>,
  kind: DocumentKind,
  context: DocumentContext,
): Promise<VerifiedDocument<Content>> {
  const { content } = document
  requireWindow(context.time.at, content.issueDate, takenUntil(content.nextUpdate, context.time), {
    check: kind.check,
    what: `the ${kind.what}`,
  })
  let failure: EvidenceInvalid | undefined
  for (const certificates of await signerChains(document, context)) {
    try {
      const chain = await verifySignature(document, certificates, kind, context)
      return { content, chain }
    } catch (error) {
      if (!(error instanceof EvidenceInvalid)) throw error
      failure = error
    }
  }
  throw (
    failure ??
    missing(kind.check, {
      message: `the issuer chain of the ${kind.what} is missing`,
      expected: `certificate '${TCB_SIGNING_NAME}'`,
      found: `${context.certificates.length} other certificates`,
    })
  )
}

/** The chain that came with the document, or else each one that the certificates at hand can give, those valid now first. */
async function signerChains(
  document: SignedDocument<unknown>,
  { certificates, time: { at }, trust }: DocumentContext,
): Promise<readonly (readonly Certificate[])[]> {
  if (document.issuerChain) return [document.issuerChain]
  const isValid = ({ notBefore, notAfter }: Certificate): boolean => notBefore <= at && at <= notAfter
  const signers = certificates.filter(({ subjectCommonName }) => subjectCommonName === TCB_SIGNING_NAME)
  const distinct = signers.filter(
    (one, index) => signers.findIndex((other) => bytesEqual(one.raw, other.raw)) === index,
  )
  const best = distinct.sort((a, b) => Number(isValid(b)) - Number(isValid(a))).slice(0, MAX_SIGNERS)
  return Promise.all(best.map(async (signer) => [signer, ...(await issuersOf(signer, certificates, trust))]))
}

async function verifySignature(
  document: SignedDocument<unknown>,
  certificates: readonly Certificate[],
  kind: DocumentKind,
  { root, rootCrl, time: { at }, trust }: DocumentContext,
): Promise<SignedChain> {
  const chain = await verifyIssuer(document, certificates, kind, trust)
  requireChainValidAt(chain, at, { check: kind.check, what: chainName(kind) })
  if (!bytesEqual(chain.anchor.spki, root.spki)) {
    throw new EvidenceInvalid(kind.check, {
      message: `the ${kind.what} and the PCK certificate come from different roots`,
      expected: nameOf(root),
      found: nameOf(chain.anchor),
    })
  }
  requireNotRevoked(rootCrl, chain.leaf, { check: kind.check, what: ROOT_CRL.what })
  return chain
}

const chainName = (kind: DocumentKind): string => `issuer chain of the ${kind.what}`

/**
 * Verifies that Intel's TCB signing certificate made a document's signature, and that it leads to a root; neither dates nor
 * revocation.
 *
 * @param certificates its issuer chain, leaf first
 */
export async function verifyIssuer(
  document: SignedDocument<unknown>,
  certificates: readonly Certificate[],
  kind: DocumentKind,
  trust: Trust,
): Promise<SignedChain> {
  const keys = [
    await trust.keyOf(document, () => [document.signedBytes, document.signature]),
    ...(await Promise.all(certificates.map((one) => trust.keyOf(one, () => [one.raw])))),
  ]
  return trust.issuers.getOrMake([kind.check, ...keys].join(' '), async () => {
    const rules = { check: kind.check, what: chainName(kind), anchors: trust.anchors }
    const chain = await verifyChainSignatures(trust.crypto, certificates, rules)
    requireTcbSigner(chain.leaf, kind)
    await requireDocumentSignature(document, chain.leaf, kind, trust)
    return chain
  })
}

function requireTcbSigner(leaf: Certificate, kind: DocumentKind): void {
  const isSigner = leaf.subjectCommonName === TCB_SIGNING_NAME && leaf.basicConstraints?.ca !== true
  if (isSigner && leaf.keyUsage?.digitalSignature !== false) return
  throw new EvidenceInvalid(kind.check, {
    message: `the ${kind.what} was issued by ${nameOf(leaf)}, which is not there for that`,
    expected: `certificate '${TCB_SIGNING_NAME}', no CA`,
    found: nameOf(leaf),
  })
}

async function requireDocumentSignature(
  document: SignedDocument<unknown>,
  leaf: Certificate,
  kind: DocumentKind,
  { crypto }: Trust,
): Promise<void> {
  const key = await crypto.importKey('ecdsa-p256-sha256', leaf.spki)
  if (key && (await crypto.verify(key, document.signedBytes, document.signature))) return
  throw new EvidenceInvalid(kind.check, {
    message: `the signature of the ${kind.what} is wrong`,
    expected: `a signature by ${nameOf(leaf)} over the document byte for byte`,
    found: 'another one',
    remedy:
      'fetch the document again, and keep the bytes as the service sent them: pretty-printed or re-written JSON does not verify',
  })
}
