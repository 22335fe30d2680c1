import { Appraisal } from '../core/appraisal.ts'
import { toHex } from '../core/encoding.ts'
import type { Check, Verified } from '../core/result.ts'
import { appraiseTcb } from './appraise-tcb.ts'
import type { TcbPolicy } from './appraise-tcb.ts'
import type { TdReport } from './td-report.ts'
import type { TdxClaims } from './verify.ts'

/**
 * What a TD has to be. Fields that are absent are not compared, except `debug`. Byte strings are hex of either case; of a
 * list, one has to match.
 */
export interface TdxPolicy extends TcbPolicy {
  /** Measurement of the TD's initial contents (virtual firmware); 48 bytes. */
  readonly mrTd?: readonly string[] | undefined
  /** Runtime measurements, 48 bytes each: firmware configuration, kernel, initrd and command line, application. */
  readonly rtmr0?: readonly string[] | undefined
  readonly rtmr1?: readonly string[] | undefined
  readonly rtmr2?: readonly string[] | undefined
  readonly rtmr3?: readonly string[] | undefined
  /** 48 bytes that the host gave at launch, and that the TD itself may rely on. */
  readonly mrConfigId?: readonly string[] | undefined
  readonly mrOwner?: readonly string[] | undefined
  readonly mrOwnerConfig?: readonly string[] | undefined
  /** Measurement of the TDX module; 48 bytes. */
  readonly mrSeam?: readonly string[] | undefined
  /** Zero for Intel's module; 48 bytes. */
  readonly mrSignerSeam?: readonly string[] | undefined
  /** Service TDs bound to this one; 48 bytes, of TDX 1.5. A quote without the field matches none. */
  readonly mrServiceTd?: readonly string[] | undefined
  /** 8 bytes in the order of the structure. */
  readonly tdAttributes?: readonly string[] | undefined
  /** 8 bytes in the order of the structure. */
  readonly xfam?: readonly string[] | undefined
  /** Must equal TDATTRIBUTES.DEBUG; default false. The host can read a debug TD's memory. */
  readonly debug?: boolean | undefined
  /** Whether the host can't make pages of the TD fault into it; off on some genuine clouds. */
  readonly septVeDisable?: boolean | undefined
  /** TEE_TCB_SVN, a minimum for each of its components, from the first on; those left out may have any. */
  readonly minimumTeeTcbSvn?: readonly number[] | undefined
  /** The 64 bytes that the TD chose; how evidence is bound to a key or nonce. */
  readonly reportData?: readonly string[] | undefined
}

const OTHER_TD = 'run the TD that the policy names, or add this value to the policy'

/** TDATTRIBUTES.TUD: the bits after DEBUG are reserved, and any of them means that the TD is under debug too. */
const RESERVED_TUD = 0xfe

/**
 * Compares a verified quote with a policy.
 *
 * @returns the comparisons, all of them passed
 * @throws PolicyMismatch at the first that fails; its check is the policy's field in kebab case, or `tcb-status`,
 * `tcb-advisories`, `tcb-evaluation-data-number`
 */
export function appraiseTdx(claims: Verified<TdxClaims>, policy: TdxPolicy): readonly Check[] {
  const appraisal = new Appraisal()
  const { body } = claims.quote
  appraiseAttributes(appraisal, body, policy)
  for (const [name, what, allowed, found] of measurements(body, policy)) {
    appraisal.oneOf({ name, what, remedy: OTHER_TD }, allowed, found === undefined ? 'none' : toHex(found))
  }
  for (const [index, minimum] of (policy.minimumTeeTcbSvn ?? []).entries()) {
    appraisal.atLeast(
      {
        name: 'minimum-tee-tcb-svn',
        what: `component ${index} of TEE_TCB_SVN`,
        remedy: 'ask your provider to update the TDX module',
      },
      minimum,
      // A component that doesn't exist reaches no minimum.
      body.teeTcbSvn[index] ?? -1,
    )
  }
  appraiseTcb(appraisal, claims.tcb, policy)
  return appraisal.checks
}

function appraiseAttributes(appraisal: Appraisal, body: TdReport, policy: TdxPolicy): void {
  const isDebug = body.debug || ((body.tdAttributes[0] ?? 0) & RESERVED_TUD) !== 0
  appraisal.flag(
    {
      name: 'debug',
      what: 'the debug attribute of the TD',
      remedy: isDebug
        ? 'start the TD without debugging, or (for tests only) set debug in the policy'
        : 'unset debug in the policy: the TD is a production one',
    },
    policy.debug ?? false,
    isDebug,
  )
  appraisal.flag(
    {
      name: 'sept-ve-disable',
      what: 'TDATTRIBUTES.SEPT_VE_DISABLE',
      remedy: 'start the TD with the other setting, or drop the field from the policy',
    },
    policy.septVeDisable,
    body.septVeDisable,
  )
}

type Measurement = readonly [
  name: string,
  what: string,
  allowed: readonly string[] | undefined,
  found: Uint8Array | undefined,
]

function measurements(body: TdReport, policy: TdxPolicy): readonly Measurement[] {
  const [rtmr0, rtmr1, rtmr2, rtmr3] = body.rtmrs
  return [
    ['mr-td', 'the measurement of the TD (MRTD)', policy.mrTd, body.mrTd],
    ['rtmr0', 'RTMR0', policy.rtmr0, rtmr0],
    ['rtmr1', 'RTMR1', policy.rtmr1, rtmr1],
    ['rtmr2', 'RTMR2', policy.rtmr2, rtmr2],
    ['rtmr3', 'RTMR3', policy.rtmr3, rtmr3],
    ['mr-config-id', 'MRCONFIGID', policy.mrConfigId, body.mrConfigId],
    ['mr-owner', 'MROWNER', policy.mrOwner, body.mrOwner],
    ['mr-owner-config', 'MROWNERCONFIG', policy.mrOwnerConfig, body.mrOwnerConfig],
    ['mr-seam', 'the measurement of the TDX module (MRSEAM)', policy.mrSeam, body.mrSeam],
    ['mr-signer-seam', 'the signer of the TDX module (MRSIGNERSEAM)', policy.mrSignerSeam, body.mrSignerSeam],
    ['mr-service-td', 'MRSERVICETD', policy.mrServiceTd, body.extension?.mrServiceTd],
    ['td-attributes', 'TDATTRIBUTES', policy.tdAttributes, body.tdAttributes],
    ['xfam', 'XFAM', policy.xfam, body.xfam],
    ['report-data', 'the report data', policy.reportData, body.reportData],
  ]
}
