import { isAllZero } from '../core/bytes.ts'
import type { CryptoPort } from '../core/crypto.ts'
import { fromHex } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { hwidMatches, tcbMatches } from './endorsement.ts'
import type { SnpEndorsement } from './endorsement.ts'
import { isReportSignedBy } from './report-signature.ts'
import type { SnpReport } from './report.ts'
import { tcbText } from './tcb.ts'

/**
 * The certificate that the report is most likely signed under. Collateral folders hold those of many chips, one chip can
 * have several for one key, and providers have a VLEK for each region. This is a search, not a check: what it finds is
 * verified from the ground up, and when nothing fits, the errors are about the candidate that came closest.
 *
 * @throws EvidenceInvalid `endorsement-certificate` when there is no candidate at all
 */
export async function selectEndorsement(
  crypto: CryptoPort,
  bytes: Uint8Array,
  report: SnpReport,
  endorsements: readonly SnpEndorsement[],
  at: Date,
): Promise<SnpEndorsement> {
  const ranked = endorsements
    .filter(({ type }) => type === report.flags.signingKey)
    .map((endorsement) => ({ endorsement, rank: rankOf(endorsement, report, at) }))
    .sort((a, b) => b.rank - a.rank)
  const [best] = ranked
  if (!best) throw noCandidate(report, endorsements.length)
  const equallyGood = ranked
    .filter(({ rank }) => rank === best.rank)
    .slice(0, MAX_TRIED)
    .map(({ endorsement }) => endorsement)
  // Where not even the TCB version fits, none can verify, and none is worth a signature check.
  if (equallyGood.length > 1 && best.rank >= RANK.tcb) {
    for (const candidate of equallyGood)
      if (await isReportSignedBy(crypto, bytes, candidate)) return candidate
  }
  return best.endorsement
}

/** Each costs a signature check of 0.7 ms. A provider's VLEKs for one TCB version are one for each region. */
const MAX_TRIED = 24

/** The chip weighs more than the TCB version, and that more than the dates. */
const RANK = { chip: 4, tcb: 2, dates: 1 } as const

function rankOf(endorsement: SnpEndorsement, report: SnpReport, at: Date): number {
  const { notBefore, notAfter } = endorsement.certificate
  return (
    (hwidMatches(endorsement, report.chipId) ? RANK.chip : 0) +
    (tcbMatches(endorsement, report.reportedTcb) ? RANK.tcb : 0) +
    (at >= notBefore && at <= notAfter ? RANK.dates : 0)
  )
}

function noCandidate(report: SnpReport, others: number): EvidenceInvalid {
  const { signingKey } = report.flags
  const chip = isAllZero(fromHex(report.chipId)) ? 'the chip' : `chip ${report.chipId}`
  const remedy =
    signingKey === 'VLEK'
      ? "take it from the host's certificate table: AMD gives VLEK certificates to cloud providers alone"
      : `take it from the host's certificate table, or from AMD's key distribution service for ${chip} with ${tcbText(report.reportedTcb)}`
  return new EvidenceInvalid('endorsement-certificate', {
    message: `verifying the SEV-SNP report: the ${signingKey} certificate is missing`,
    expected: `a ${signingKey} certificate`,
    found: others === 0 ? 'no certificate' : `${others} certificates of another type`,
    remedy,
  })
}
