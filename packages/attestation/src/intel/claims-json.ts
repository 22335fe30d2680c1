import { timeText } from '../core/chain.ts'
import { pckFacts, quoteFacts } from './quote-facts.ts'
import type { Json } from './quote-facts.ts'
import type { TcbEvaluation } from './tcb-evaluation.ts'
import type { SgxClaims, TdxClaims } from './verify.ts'

/**
 * Verified claims as JSON: the quote's fields as {@link quoteFacts} names them, `pck` for what Intel certifies about the
 * platform, `tcb` for how up to date it is. Times are RFC 3339 in UTC.
 */
export function intelClaimsJson(claims: SgxClaims | TdxClaims): Record<string, Json> {
  return {
    ...quoteFacts(claims.quote),
    pck: pckFacts(claims.platform),
    tcb: tcbJson(claims.tcb),
    verified_at: timeText(claims.verifiedAt),
    valid_until: timeText(claims.validUntil),
  }
}

function tcbJson(tcb: TcbEvaluation): Json {
  return {
    tcb_status: tcb.status,
    platform_tcb_status: tcb.platform.status,
    platform_tcb_date: timeText(tcb.platform.date),
    tdx_module_status: tcb.tdxModule?.status ?? null,
    qe_tcb_status: tcb.qe.status,
    advisory_ids: tcb.advisories,
    platform_advisory_ids: tcb.platform.advisories,
    tdx_module_advisory_ids: tcb.tdxModule?.advisories ?? [],
    qe_advisory_ids: tcb.qe.advisories,
    tcb_evaluation_data_number: tcb.tcbEvaluationDataNumber,
  }
}
