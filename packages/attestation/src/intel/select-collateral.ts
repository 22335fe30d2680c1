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

// Which of the collateral at hand may be used: what fits the platform, and of that the newest that is valid at the time
// first. Folders hold others' test data too, so the verifier takes the first one that is genuine.

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

export function selectRevocationLists(
  issuer: Certificate,
  collateral: IntelCollateral,
  time: CollateralTime,
  rules: RevocationListRules,
): readonly IssuedRevocationList[] {
  const candidates = collateral.revocationLists.filter(({ list }) => bytesEqual(list.issuer, issuer.subject))
  const found = newestFirst(
    candidates,
    time,
    ({ list }) => ({ from: list.thisUpdate, until: list.nextUpdate }),
    ({ list }) => [list.thisUpdate.getTime()],
  )
  if (found.length > 0) return found
  throw missing(rules.check, {
    message: `the ${rules.what} is missing`,
    expected: `a CRL issued by ${nameOf(issuer)}`,
    found: `${collateral.revocationLists.length} others`,
  })
}

export function selectTcbInfos(
  tee: TcbInfo['tee'],
  pck: CertifiedPck,
  collateral: IntelCollateral,
  time: CollateralTime,
): readonly SignedDocument<TcbInfo>[] {
  const { fmspc, pceId } = pck.platform
  const candidates = collateral.tcbInfos.filter(
    ({ content }) =>
      content.tee === tee && bytesEqual(content.fmspc, fmspc) && bytesEqual(content.pceId, pceId),
  )
  const found = newestFirst(candidates, time, documentWindow, ({ content }) => [
    content.tcbEvaluationDataNumber,
    content.version,
    content.issueDate.getTime(),
  ])
  if (found.length > 0) return found
  throw missing(TCB_INFO.check, {
    message: `there is no TCB info for this platform (${tee}, FMSPC ${toHex(fmspc)}, PCEID ${toHex(pceId)})`,
    expected: `TCB info for ${tee}, FMSPC ${toHex(fmspc)}, PCEID ${toHex(pceId)}`,
    found:
      collateral.tcbInfos.map(({ content }) => `${content.tee} ${toHex(content.fmspc)}`).join(', ') || 'none',
  })
}

export function selectQeIdentities(
  tee: TcbInfo['tee'],
  collateral: IntelCollateral,
  time: CollateralTime,
): readonly SignedDocument<QeIdentity>[] {
  const id = tee === 'SGX' ? 'QE' : 'TD_QE'
  const candidates = collateral.qeIdentities.filter(({ content }) => content.id === id)
  const found = newestFirst(candidates, time, documentWindow, ({ content }) => [
    content.tcbEvaluationDataNumber,
    content.issueDate.getTime(),
  ])
  if (found.length > 0) return found
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

/** Each costs a signature check or a few; a platform has some ten of a kind in years. */
const MAX_CANDIDATES = 32

/**
 * Those that are valid at the time, or else in their grace period, the highest rank first. When there are none, all of them,
 * so that the error can say when the highest was.
 */
function newestFirst<Item>(
  items: readonly Item[],
  time: CollateralTime,
  window: (item: Item) => Window,
  rank: (item: Item) => readonly number[],
): readonly Item[] {
  const { at } = time
  const takenWith = (rules: CollateralRules): Item[] =>
    items.filter((item) => window(item).from <= at && at <= takenUntil(window(item).until, rules))
  const candidates = [takenWith({}), takenWith(time), items].find(({ length }) => length > 0) ?? []
  return candidates.toSorted((a, b) => compareRanks(rank(b), rank(a))).slice(0, MAX_CANDIDATES)
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/**
 * The first that is genuine; those that are not can't speak for the platform, nor keep others from it. When none is, the
 * error is about the best.
 */
export async function firstGenuine<Item>(
  candidates: readonly Item[],
  verify: (candidate: Item) => Promise<unknown>,
): Promise<Item> {
  let failure: EvidenceInvalid | undefined
  for (const candidate of candidates) {
    try {
      await verify(candidate)
      return candidate
    } catch (error) {
      if (!(error instanceof EvidenceInvalid)) throw error
      failure ??= error
    }
  }
  throw failure ?? new TypeError('there is always a candidate')
}

export function missing(check: string, detail: ErrorDetail): EvidenceInvalid {
  return new EvidenceInvalid(check, {
    ...detail,
    remedy: "fetch it from Intel's provisioning service (PCS) or a PCCS, and pass it as collateral",
  })
}
