import { bytesEqual, isAllZero } from '../core/bytes.ts'
import { timeText } from '../core/chain.ts'
import type { Checks } from '../core/checks.ts'
import { toHex } from '../core/encoding.ts'
import type { ErrorDetail, EvidenceInvalid } from '../core/errors.ts'
import type { PckExtensions } from './pck.ts'
import type { QeIdentity } from './qe-identity.ts'
import type { Quote } from './quote.ts'
import { maskedEqual } from './tcb-info.ts'
import type { IsvTcbLevel, PlatformTcbLevel, TcbInfo, TdxModule, TdxModuleIdentity } from './tcb-info.ts'
import { convergeStatus, needsConfiguration } from './tcb-status.ts'
import type { TcbLevelStatus, TcbStatus } from './tcb-status.ts'
import type { SgxReport } from './sgx-report.ts'
import type { TdReport } from './td-report.ts'

/** The level that one part of the TCB reached. */
export interface TcbPart {
  readonly status: TcbLevelStatus
  /** No advisory of a later date than this was considered for the level. */
  readonly date: Date
  readonly advisories: readonly string[]
}

/** How up to date everything is that the evidence rests on, in Intel's judgement at `issueDate` of the documents. */
export interface TcbEvaluation {
  /** The parts' statuses, converged. */
  readonly status: TcbStatus
  /** Ids of all advisories of the parts, each once, sorted. */
  readonly advisories: readonly string[]
  /** False when the TCB info is of version 2, which has no advisories: then the list says nothing about the platform. */
  readonly listsAdvisories: boolean
  /** The platform level's date. */
  readonly date: Date
  readonly platform: TcbPart
  /** TDX with a module of version 1 or later (TEE_TCB_SVN[1]); for others the platform level covers the module. */
  readonly tdxModule: TcbPart | undefined
  readonly qe: TcbPart
  readonly tcbEvaluationDataNumber: number
}

/**
 * Intel's algorithm ("Get TCB Info" of the PCS API; steps 4.1.2.4.11, 15 and 17 of the QVL): the first level that the
 * platform reaches, the identity and level of the TDX module, the level of the quoting enclave, and their union.
 *
 * @throws EvidenceInvalid `qe-identity`, `tdx-module` or `tcb-level` when a part is not Intel's, or below every level
 */
export function evaluateTcb(
  quote: Quote,
  pck: PckExtensions,
  tcbInfo: TcbInfo,
  qeIdentity: QeIdentity,
  checks: Checks,
): TcbEvaluation {
  const qe = qeLevel(quote.qeReport, qeIdentity, checks)
  const seamIdentity = quote.kind === 'tdx-quote' ? requireTdxModule(quote.body, tcbInfo, checks) : undefined

  const reached = tcbInfo.levels.filter((level) => reachesSgx(pck, level))
  const platform = reached.find((level) => quote.kind === 'sgx-quote' || reachesTdx(quote.body, level))
  const [sgxLevel] = reached
  if (!platform || !sgxLevel) throw noLevel(quote, pck, tcbInfo, checks)

  const tdxModule =
    quote.kind === 'tdx-quote' && seamIdentity ? moduleLevel(quote.body, seamIdentity, checks) : undefined
  const withModule = tdxModule ? convergeStatus(platform.status, tdxModule.status) : platform.status
  const launched =
    quote.kind === 'tdx-quote' &&
    isRelaunchAdvised(quote.body, tcbInfo, { sgxLevel, withModule, tdxModule, qe }, checks)
      ? relaunchStatus(sgxLevel.status, withModule)
      : withModule
  const status = convergeStatus(launched, qe.status)
  const parts = [platform, qe, ...(tdxModule ? [tdxModule] : [])]
  checks.passed('tcb-level', { found: `${status}, level of ${timeText(platform.date)}` })
  return {
    status,
    advisories: [...new Set(parts.flatMap((part) => part.advisories))].sort(),
    listsAdvisories: tcbInfo.version === 3,
    date: platform.date,
    platform: part(platform),
    tdxModule: tdxModule && part(tdxModule),
    qe: part(qe),
    tcbEvaluationDataNumber: tcbInfo.tcbEvaluationDataNumber,
  }
}

const part = ({ status, date, advisories }: TcbPart): TcbPart => ({ status, date, advisories })

function reachesSgx(pck: PckExtensions, level: PlatformTcbLevel): boolean {
  return (
    level.sgxComponents.every((svn, index) => (pck.components[index] ?? -1) >= svn) &&
    pck.pceSvn >= level.pceSvn
  )
}

/** With a module of version 1 or later, the first two SVNs belong to the module's own levels. */
function reachesTdx(report: TdReport, level: PlatformTcbLevel): boolean {
  const first = moduleVersion(report) > 0 ? 2 : 0
  const components = level.tdxComponents
  if (!components) return false
  return components.every((svn, index) => index < first || (report.teeTcbSvn[index] ?? -1) >= svn)
}

const moduleVersion = (report: TdReport): number => report.teeTcbSvn[1] ?? 0

function qeLevel(report: SgxReport, identity: QeIdentity, checks: Checks): IsvTcbLevel {
  const mismatch = qeMismatch(report, identity)
  if (mismatch) {
    throw checks.failure('qe-identity', {
      message: `the quoting enclave is not Intel's: its ${mismatch.name} is another`,
      expected: mismatch.expected,
      found: mismatch.found,
      remedy: 'the evidence was not made by a genuine quoting enclave; do not trust this machine',
    })
  }
  checks.passed('qe-identity', { found: `${identity.id}, ISVSVN ${report.isvSvn}` })
  const level = identity.levels.find(({ isvSvn }) => report.isvSvn >= isvSvn)
  if (level) return level
  throw checks.failure('tcb-level', {
    message: 'NoMatchingTcbLevel: the quoting enclave is older than everything that Intel supports',
    expected: `ISVSVN at least ${identity.levels.at(-1)?.isvSvn ?? 0}`,
    found: String(report.isvSvn),
    remedy:
      'ask the provider of the machine to update its quoting enclave (part of the SGX and TDX software)',
  })
}

interface Mismatch {
  readonly name: string
  readonly expected: string
  readonly found: string
}

function qeMismatch(report: SgxReport, identity: QeIdentity): Mismatch | undefined {
  if (report.debug) return { name: 'debug flag', expected: 'not set', found: 'set' }
  if (!maskedEqual(report.miscSelect, identity.miscSelectMask, identity.miscSelect)) {
    return difference('MISCSELECT', identity.miscSelect, report.miscSelect, identity.miscSelectMask)
  }
  if (!maskedEqual(report.attributes, identity.attributesMask, identity.attributes)) {
    return difference('ATTRIBUTES', identity.attributes, report.attributes, identity.attributesMask)
  }
  if (!bytesEqual(report.mrSigner, identity.mrSigner)) {
    return difference('MRSIGNER', identity.mrSigner, report.mrSigner)
  }
  if (report.isvProdId !== identity.isvProdId) {
    return { name: 'ISVPRODID', expected: String(identity.isvProdId), found: String(report.isvProdId) }
  }
  return undefined
}

function difference(name: string, expected: Uint8Array, found: Uint8Array, mask?: Uint8Array): Mismatch {
  return {
    name,
    expected: mask ? `${toHex(expected)} under the mask ${toHex(mask)}` : toHex(expected),
    found: toHex(found),
  }
}

/**
 * The SEAM module must be Intel's. Which values that means, the quote's module version says: 0 for the module of the TCB
 * info itself, later ones for the identity of that version.
 */
function requireTdxModule(report: TdReport, tcbInfo: TcbInfo, checks: Checks): TdxModuleIdentity | undefined {
  const version = moduleVersion(report)
  const identity = version === 0 ? undefined : moduleIdentity(tcbInfo, version, checks)
  const expected: TdxModule | undefined = identity ?? tcbInfo.tdxModule
  if (!expected) throw checks.failure('tdx-module', noModule(tcbInfo, version))
  checks.requireEqual('tdx-module', {
    message: "the TDX module is not Intel's: MRSIGNERSEAM is another",
    expected: toHex(expected.mrSigner),
    found: toHex(report.mrSignerSeam),
  })
  const attributesFit =
    isAllZero(report.seamAttributes) &&
    maskedEqual(report.seamAttributes, expected.attributesMask, expected.attributes)
  checks.require('tdx-module-attributes', attributesFit, () => ({
    message: 'the TDX module runs with other attributes than Intel gave it (SEAMATTRIBUTES)',
    expected: toHex(expected.attributes),
    found: toHex(report.seamAttributes),
  }))
  return identity
}

function moduleIdentity(tcbInfo: TcbInfo, version: number, checks: Checks): TdxModuleIdentity {
  const identity = tcbInfo.tdxModuleIdentities.find(({ id }) => id === moduleId(version))
  if (!identity) throw checks.failure('tdx-module', noModule(tcbInfo, version))
  return identity
}

const moduleId = (version: number): string => `TDX_${version.toString(16).padStart(2, '0').toUpperCase()}`

const noModule = (tcbInfo: TcbInfo, version: number): ErrorDetail => ({
  message: `Intel's TCB info doesn't know TDX modules of version ${version}`,
  expected: tcbInfo.tdxModuleIdentities.map(({ id }) => id).join(', ') || 'a TDX module in the TCB info',
  found: moduleId(version),
  remedy: 'fetch current TCB info',
})

function moduleLevel(report: TdReport, identity: TdxModuleIdentity, checks: Checks): IsvTcbLevel {
  const svn = report.teeTcbSvn[0] ?? 0
  const level = identity.levels.find(({ isvSvn }) => svn >= isvSvn)
  if (level) return level
  throw checks.failure('tcb-level', {
    message: `NoMatchingTcbLevel: the TDX module (${identity.id}) is older than everything that Intel supports`,
    expected: `ISVSVN at least ${identity.levels.at(-1)?.isvSvn ?? 0}`,
    found: String(svn),
    remedy: 'ask the provider of the machine to update its TDX module',
  })
}

function noLevel(quote: Quote, pck: PckExtensions, tcbInfo: TcbInfo, checks: Checks): EvidenceInvalid {
  const lowest = tcbInfo.levels.at(-1)
  const found = `SGX components ${pck.components.join('.')}, PCESVN ${pck.pceSvn}`
  const least = `SGX components ${lowest?.sgxComponents.join('.') ?? ''}, PCESVN ${lowest?.pceSvn ?? 0}`
  const isTdx = quote.kind === 'tdx-quote'
  return checks.failure('tcb-level', {
    message: 'NoMatchingTcbLevel: the platform is older than every TCB level that Intel lists for it',
    expected: isTdx ? `${least}, TDX components ${lowest?.tdxComponents?.join('.') ?? ''}` : least,
    found: isTdx ? `${found}, TDX components ${[...quote.body.teeTcbSvn].join('.')}` : found,
    remedy: 'ask the provider of the machine to update its firmware (BIOS, microcode, TDX module)',
  })
}

interface RelaunchInputs {
  /** The first level that the SGX part of the platform reaches. */
  readonly sgxLevel: TcbPart
  readonly withModule: TcbLevelStatus
  readonly tdxModule: TcbPart | undefined
  readonly qe: TcbPart
}

/**
 * Whether only the past of the TD is out of date: the module that runs now (TEE_TCB_SVN_2) is on the latest level, but the TD
 * was started by an older one (QVL, step 4.1.2.4.17.4.3).
 */
function isRelaunchAdvised(
  report: TdReport,
  tcbInfo: TcbInfo,
  inputs: RelaunchInputs,
  checks: Checks,
): boolean {
  const { sgxLevel, withModule, tdxModule, qe } = inputs
  const [latest] = tcbInfo.levels
  if (!report.extension || !latest?.tdxComponents) return false
  if (qe.status !== 'UpToDate') return false
  if (['OutOfDate', 'OutOfDateConfigurationNeeded', 'Revoked'].includes(sgxLevel.status)) return false
  if (withModule !== 'OutOfDate' && withModule !== 'OutOfDateConfigurationNeeded') return false
  if (tdxModule?.status !== 'OutOfDate') return false

  const [svn = 0, version = 0, microcode = 0] = report.extension.teeTcbSvn2
  const [latestModule = 0, , latestMicrocode = 0] = latest.tdxComponents
  const latestSvn = version === 0 ? latestModule : moduleIdentity(tcbInfo, version, checks).levels[0]?.isvSvn
  return latestSvn !== undefined && svn >= latestSvn && microcode >= latestMicrocode
}

const relaunchStatus = (sgx: TcbLevelStatus, tdx: TcbLevelStatus): TcbStatus =>
  needsConfiguration(sgx) || needsConfiguration(tdx)
    ? 'TDRelaunchAdvisedConfigurationNeeded'
    : 'TDRelaunchAdvised'
