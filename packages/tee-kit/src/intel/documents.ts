import { PLATFORM_TCB_LEVELS } from './platform-tcb.ts'
import type { PlatformTcbLevel } from './platform-tcb.ts'

// What Intel's provisioning service (PCS) signs: TCB info and identities of quoting enclaves, as JSON.

export type Tee = 'SGX' | 'TDX'
export type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json }
export type JsonObject = Readonly<Record<string, Json>>

/** MRSIGNER of Intel's quoting enclaves, which PCS publishes in their identities. */
export const QE_MRSIGNER: Record<Tee, string> = {
  SGX: '8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff',
  TDX: 'dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5',
}
export const QE_ISVPRODID: Record<Tee, number> = { SGX: 1, TDX: 2 }
/** ISVSVN of quoting enclaves that are up to date, and of those that are not. */
export const QE_ISVSVN = { current: 8, outdated: 6 } as const
/** TEE_TCB_SVN[0] of TDX modules. Their major version, TEE_TCB_SVN[1], is 1. */
export const TDX_MODULE_SVN = { current: 6, outdated: 4 } as const
export const TDX_MODULE_VERSION = 1
/** TEE_TCB_SVN[2], late microcode update; the only other component that Intel uses. */
export const TDX_MICROCODE_SVN = 3

const EVALUATION_DATA_NUMBER = 18
const TCB_DATE = '2024-11-13T00:00:00Z'
const OLD_TCB_DATE = '2023-08-09T00:00:00Z'

/** RFC 3339 to the second, the only form that PCS writes. */
const pcsTime = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`

export interface Validity {
  readonly issueDate: Date
  readonly nextUpdate: Date
}

export interface TcbInfoFields extends Validity {
  readonly tee: Tee
  readonly fmspc: string
  readonly pceId: string
  /** 2 is what v3 of the API gives, for SGX only. */
  readonly version: 2 | 3
}

export function tcbInfo(fields: TcbInfoFields): JsonObject {
  const { tee, version } = fields
  return {
    ...(version === 3 ? { id: tee } : {}),
    version,
    issueDate: pcsTime(fields.issueDate),
    nextUpdate: pcsTime(fields.nextUpdate),
    fmspc: fields.fmspc.toUpperCase(),
    pceId: fields.pceId.toUpperCase(),
    tcbType: 0,
    tcbEvaluationDataNumber: EVALUATION_DATA_NUMBER,
    ...(tee === 'TDX' ? tdxModules() : {}),
    tcbLevels: PLATFORM_TCB_LEVELS.map((level) => platformLevel(level, tee, version)),
  }
}

/** Also a list of advisories goes with each level of version 3 that isn't perfect. */
function platformLevel(level: PlatformTcbLevel, tee: Tee, version: 2 | 3): Json {
  const { components, pceSvn, status, advisories } = level
  const sgx =
    version === 3
      ? { sgxtcbcomponents: components.map((svn) => ({ svn })) }
      : Object.fromEntries(
          components.map((svn, index) => [`sgxtcbcomp${String(index + 1).padStart(2, '0')}svn`, svn]),
        )
  const tdx = [TDX_MODULE_SVN.outdated, 0, TDX_MICROCODE_SVN, ...Array.from({ length: 13 }, () => 0)]
  return {
    tcb: {
      ...sgx,
      pcesvn: pceSvn,
      ...(tee === 'TDX' ? { tdxtcbcomponents: tdx.map((svn) => ({ svn })) } : {}),
    },
    tcbDate: status === 'UpToDate' ? TCB_DATE : OLD_TCB_DATE,
    tcbStatus: status,
    ...(version === 3 && advisories.length > 0 ? { advisoryIDs: advisories } : {}),
  }
}

function tdxModules(): JsonObject {
  const module = { mrsigner: '00'.repeat(48), attributes: '00'.repeat(8), attributesMask: 'FF'.repeat(8) }
  const id = `TDX_${String(TDX_MODULE_VERSION).padStart(2, '0')}`
  return {
    tdxModule: module,
    tdxModuleIdentities: [
      { id, ...module, tcbLevels: isvLevels(TDX_MODULE_SVN.current, TDX_MODULE_SVN.outdated) },
    ],
  }
}

const isvLevels = (current: number, outdated: number): Json => [
  { tcb: { isvsvn: current }, tcbDate: TCB_DATE, tcbStatus: 'UpToDate' },
  {
    tcb: { isvsvn: outdated },
    tcbDate: OLD_TCB_DATE,
    tcbStatus: 'OutOfDate',
    advisoryIDs: ['INTEL-SA-90005'],
  },
]

export function qeIdentity(tee: Tee, { issueDate, nextUpdate }: Validity): JsonObject {
  return {
    id: tee === 'SGX' ? 'QE' : 'TD_QE',
    version: 2,
    issueDate: pcsTime(issueDate),
    nextUpdate: pcsTime(nextUpdate),
    tcbEvaluationDataNumber: EVALUATION_DATA_NUMBER,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: '11000000000000000000000000000000',
    attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
    mrsigner: QE_MRSIGNER[tee].toUpperCase(),
    isvprodid: QE_ISVPRODID[tee],
    tcbLevels: isvLevels(QE_ISVSVN.current, QE_ISVSVN.outdated),
  }
}
