import { bytesEqual } from '../core/bytes.ts'
import { nameOf } from '../core/chain.ts'
import type { RevocationListRules } from '../core/crl.ts'
import { takenUntil } from '../core/grace.ts'
import type { CollateralRules } from '../core/grace.ts'
import { toHex } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import type { ErrorDetail } from '../core/errors.ts'
import type { Certificate } from '../core/x509.ts'
import type { IntelCollateral, IssuedRevocationList, SignedDocument } from './collateral.ts'
import type { QeIdentity } from './qe-identity.ts'
import type { TcbInfo } from './tcb-info.ts'
import type { CertifiedPck } from './trust.ts'

// Which of the collateral at hand is used: what fits the platform, and of that the newest that is valid at the time.

/** When collateral has to be valid, and what is forgiven. */
export interface CollateralTime extends CollateralRules {
  readonly at: Date
}

export interface DocumentKind {
  readonly check: string
  readonly what: string
}

export const TCB_INFO: DocumentKind = { check: 'tcb-info', what: 'TCB info' }
export const QE_IDENTITY: DocumentKind = { check: 'qe-identity-document', what: 'QE identity' }

export function selectRevocationList(
  issuer: Certificate,
  collateral: IntelCollateral,
  time: CollateralTime,
  rules: RevocationListRules,
): IssuedRevocationList {
  const candidates = collateral.revocationLists.filter(({ list }) => bytesEqual(list.issuer, issuer.subject))
  const found = newestAt(
    candidates,
    time,
    ({ list }) => ({ from: list.thisUpdate, until: list.nextUpdate }),
    ({ list }) => [list.thisUpdate.getTime()],
  )
  if (found) return found
  throw missing(rules.check, {
    message: `the ${rules.what} is missing`,
    expected: `a CRL issued by ${nameOf(issuer)}`,
    found: `${collateral.revocationLists.length} others`,
  })
}

export function selectTcbInfo(
  tee: TcbInfo['tee'],
  pck: CertifiedPck,
  collateral: IntelCollateral,
  time: CollateralTime,
): SignedDocument<TcbInfo> {
  const { fmspc, pceId } = pck.platform
  const candidates = collateral.tcbInfos.filter(
    ({ content }) =>
      content.tee === tee && bytesEqual(content.fmspc, fmspc) && bytesEqual(content.pceId, pceId),
  )
  const found = newestAt(candidates, time, documentWindow, ({ content }) => [
    content.tcbEvaluationDataNumber,
    content.version,
    content.issueDate.getTime(),
  ])
  if (found) return found
  throw missing(TCB_INFO.check, {
    message: `there is no TCB info for this platform (${tee}, FMSPC ${toHex(fmspc)}, PCEID ${toHex(pceId)})`,
    expected: `TCB info for ${tee}, FMSPC ${toHex(fmspc)}, PCEID ${toHex(pceId)}`,
    found:
      collateral.tcbInfos.map(({ content }) => `${content.tee} ${toHex(content.fmspc)}`).join(', ') || 'none',
  })
}

export function selectQeIdentity(
  tee: TcbInfo['tee'],
  collateral: IntelCollateral,
  time: CollateralTime,
): SignedDocument<QeIdentity> {
  const id = tee === 'SGX' ? 'QE' : 'TD_QE'
  const candidates = collateral.qeIdentities.filter(({ content }) => content.id === id)
  const found = newestAt(candidates, time, documentWindow, ({ content }) => [
    content.tcbEvaluationDataNumber,
    content.issueDate.getTime(),
  ])
  if (found) return found
  throw missing(QE_IDENTITY.check, {
    message: `there is no QE identity for ${tee} quotes`,
    expected: `QE identity '${id}'`,
    found: collateral.qeIdentities.map(({ content }) => `'${content.id}'`).join(', ') || 'none',
  })
}

interface Window {
  readonly from: Date
  readonly until: Date
}

const documentWindow = ({ content }: SignedDocument<TcbInfo | QeIdentity>): Window => ({
  from: content.issueDate,
  until: content.nextUpdate,
})

/**
 * Of several, the one with the highest rank among those that are valid at the time, or else in their grace period. When none
 * is, the highest of all, so that the error can say when it was.
 */
function newestAt<Item>(
  items: readonly Item[],
  time: CollateralTime,
  window: (item: Item) => Window,
  rank: (item: Item) => readonly number[],
): Item | undefined {
  const { at } = time
  const takenWith = (rules: CollateralRules): Item[] =>
    items.filter((item) => window(item).from <= at && at <= takenUntil(window(item).until, rules))
  const candidates = [takenWith({}), takenWith(time), items].find(({ length }) => length > 0) ?? []
  return candidates.toSorted((a, b) => compareRanks(rank(b), rank(a)))[0]
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

export function missing(check: string, detail: ErrorDetail): EvidenceInvalid {
  return new EvidenceInvalid(check, {
    ...detail,
    remedy: "fetch it from Intel's provisioning service (PCS) or a PCCS, and pass it as collateral",
  })
}
