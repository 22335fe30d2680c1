import type { Appraisal } from '../core/appraisal.ts'
import { timeText } from '../core/chain.ts'
import type { TcbEvaluation } from './tcb-evaluation.ts'
import type { TcbStatus } from './tcb-status.ts'

/** How up to date a platform must be. */
export interface TcbPolicy {
  /** Statuses accepted besides `UpToDate`. Default: `SWHardeningNeeded`. */
  readonly acceptedTcbStatuses?: readonly string[] | undefined
  /**
   * When the status is `SWHardeningNeeded`, each of its advisories must be in this list (ids, compared without case). Empty or
   * absent: any advisory is accepted.
   */
  readonly acceptedAdvisories?: readonly string[] | undefined
  /** The least `tcbEvaluationDataNumber` of the TCB info: how recent Intel's judgement must be. */
  readonly minimumTcbEvaluationDataNumber?: number | undefined
}

/** A manifest that says nothing accepts platforms whose software has to work around a weakness. */
const DEFAULT_STATUSES: readonly string[] = ['SWHardeningNeeded'] satisfies readonly TcbStatus[]

export function appraiseTcb(appraisal: Appraisal, tcb: TcbEvaluation, policy: TcbPolicy): void {
  appraisal.atLeast(
    {
      name: 'tcb-evaluation-data-number',
      what: "the number of Intel's evaluation (tcbEvaluationDataNumber)",
      remedy: 'fetch newer collateral (PCS: update=early)',
    },
    policy.minimumTcbEvaluationDataNumber,
    tcb.tcbEvaluationDataNumber,
  )
  const accepted = ['UpToDate', ...(policy.acceptedTcbStatuses ?? DEFAULT_STATUSES)]
  appraisal.holds(
    { name: 'tcb-status', what: 'the TCB status', remedy: REMEDIES[tcb.status] },
    accepted.includes(tcb.status),
    { expected: [...new Set(accepted)].join(' or '), found: `${tcb.status}${explanation(tcb)}` },
  )
  if (tcb.status === 'SWHardeningNeeded') appraiseAdvisories(appraisal, tcb, policy.acceptedAdvisories ?? [])
}

const accept = (status: TcbStatus): string => `or accept \`${status}\` in \`AcceptedTCBStatuses\``

const REMEDIES: Readonly<Record<TcbStatus, string>> = {
  UpToDate: 'nothing has to be done',
  SWHardeningNeeded: `build the software with the mitigations that the advisories name, ${accept('SWHardeningNeeded')}`,
  ConfigurationNeeded: `ask your provider to change the BIOS settings that the advisories name, ${accept('ConfigurationNeeded')}`,
  ConfigurationAndSWHardeningNeeded: `ask your provider to change the BIOS settings that the advisories name (often: hyper-threading off), build with their mitigations, ${accept('ConfigurationAndSWHardeningNeeded')}`,
  OutOfDate: `ask your provider to update, ${accept('OutOfDate')}`,
  OutOfDateConfigurationNeeded: `ask your provider to update and to change the BIOS settings that the advisories name, ${accept('OutOfDateConfigurationNeeded')}`,
  Revoked: 'do not trust this platform: Intel revoked it; use another machine',
  TDRelaunchAdvised: `start the TD anew: it began on a TDX module that has since been replaced, ${accept('TDRelaunchAdvised')}`,
  TDRelaunchAdvisedConfigurationNeeded: `start the TD anew, ask your provider to change the BIOS settings that the advisories name, ${accept('TDRelaunchAdvisedConfigurationNeeded')}`,
}

/** Which parts are not up to date, since when, and because of what. */
function explanation(tcb: TcbEvaluation): string {
  if (tcb.status === 'UpToDate') return ''
  const parts = [
    { name: "the platform's microcode and firmware", part: tcb.platform },
    { name: 'the TDX module', part: tcb.tdxModule },
    { name: 'the quoting enclave', part: tcb.qe },
  ]
  const behind = parts.flatMap(({ name, part }) =>
    part && part.status !== 'UpToDate' ? [`${name}: TCB level ${part.status} of ${day(part.date)}`] : [],
  )
  const advisories = tcb.advisories.length > 0 ? `; advisories ${tcb.advisories.join(', ')}` : ''
  return ` (${behind.join('; ')}${advisories})`
}

const day = (date: Date): string => timeText(date).slice(0, 10)

function appraiseAdvisories(appraisal: Appraisal, tcb: TcbEvaluation, accepted: readonly string[]): void {
  if (accepted.length === 0) return
  const field = {
    name: 'tcb-advisories',
    what: 'the list of advisories',
    remedy:
      'look the advisories up at Intel, and add those that your software is hardened against to `AcceptedAdvisories`',
  }
  const known = new Set(accepted.map((id) => id.toLowerCase()))
  const unaccepted = tcb.advisories.filter((id) => !known.has(id.toLowerCase()))
  appraisal.holds(field, tcb.listsAdvisories && unaccepted.length === 0, {
    expected: `only ${accepted.join(', ')}`,
    found: tcb.listsAdvisories
      ? tcb.advisories.join(', ') || 'none'
      : 'no list: TCB info of version 2 (PCS API v3) has no advisories; use API v4',
  })
}
