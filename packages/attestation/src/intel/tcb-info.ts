import { bytesEqual } from '../core/bytes.ts'
import { malformed } from '../core/errors.ts'
import type { JsonObject } from './json-object.ts'
import { TCB_COMPONENTS } from './pck.ts'
import { TCB_LEVEL_STATUSES } from './tcb-status.ts'
import type { TcbLevelStatus } from './tcb-status.ts'

// Intel PCS API, "Get TCB Info" (v3 gives version 2 of the document, v4 version 3).

interface LevelVerdict {
  readonly status: TcbLevelStatus
  /** No advisory of a later date than this was considered for the level. */
  readonly date: Date
  readonly advisories: readonly string[]
}

/** A level of the platform: a TCB that reaches all its SVNs has its status. */
export interface PlatformTcbLevel extends LevelVerdict {
  readonly sgxComponents: readonly number[]
  readonly pceSvn: number
  /** Undefined in TCB info for SGX. */
  readonly tdxComponents: readonly number[] | undefined
}

/** A level of a TDX module or a quoting enclave: an ISVSVN that reaches this one has its status. */
export interface IsvTcbLevel extends LevelVerdict {
  readonly isvSvn: number
}

/** Which SEAM module Intel accepts. */
export interface TdxModule {
  /** 48 bytes. */
  readonly mrSigner: Uint8Array
  /** 8 bytes. */
  readonly attributes: Uint8Array
  /** 8 bytes. */
  readonly attributesMask: Uint8Array
}

export interface TdxModuleIdentity extends TdxModule {
  /** `TDX_01`: 01 is the major version of the module in hex, TEE_TCB_SVN[1]. Upper case. */
  readonly id: string
  readonly levels: readonly IsvTcbLevel[]
}

export interface TcbInfo {
  readonly tee: 'SGX' | 'TDX'
  readonly version: 2 | 3
  readonly issueDate: Date
  readonly nextUpdate: Date
  /** 6 bytes. */
  readonly fmspc: Uint8Array
  /** 2 bytes. */
  readonly pceId: Uint8Array
  readonly tcbEvaluationDataNumber: number
  /** In Intel's order, best first; the first one that a platform reaches counts. */
  readonly levels: readonly PlatformTcbLevel[]
  /** TDX only. */
  readonly tdxModule: TdxModule | undefined
  readonly tdxModuleIdentities: readonly TdxModuleIdentity[]
}

/** Numbers of SVNs are bytes (components) or 16 bits (PCESVN, ISVSVN). */
const MAX_COMPONENT = 0xff
const MAX_SVN = 0xffff
const MAX_EVALUATION_NUMBER = 0xffff_ffff

/** @throws EvidenceInvalid (wrap in `decoding`) */
export function parseTcbInfo(info: JsonObject): TcbInfo {
  const version = info.integer('version', 3)
  if (version !== 2 && version !== 3) {
    throw malformed('the TCB info has an unsupported version', '2 or 3', String(version))
  }
  // Version 2 has no id, and is for SGX only.
  const tee = version === 2 ? 'SGX' : info.oneOf('id', ['SGX', 'TDX'])
  info.integer('tcbType', 0)
  return {
    tee,
    version,
    ...validity(info),
    fmspc: info.hex('fmspc', 6),
    pceId: info.hex('pceId', 2),
    tcbEvaluationDataNumber: info.integer('tcbEvaluationDataNumber', MAX_EVALUATION_NUMBER),
    levels: nonEmpty(info, 'tcbLevels').map((level) => platformLevel(level, version, tee)),
    tdxModule: tee === 'TDX' ? tdxModule(info.object('tdxModule')) : undefined,
    tdxModuleIdentities:
      tee === 'TDX' && info.has('tdxModuleIdentities')
        ? info.objects('tdxModuleIdentities').map(tdxModuleIdentity)
        : [],
  }
}

export function validity(document: JsonObject): { issueDate: Date; nextUpdate: Date } {
  return { issueDate: document.date('issueDate'), nextUpdate: document.date('nextUpdate') }
}

export function isvLevels(owner: JsonObject): IsvTcbLevel[] {
  return nonEmpty(owner, 'tcbLevels').map((level) => ({
    isvSvn: level.object('tcb').integer('isvsvn', MAX_SVN),
    ...verdict(level),
  }))
}

function nonEmpty(owner: JsonObject, name: string): JsonObject[] {
  const list = owner.objects(name)
  if (list.length === 0) throw malformed(`'${name}' is empty`, 'at least one level', 'none')
  return list
}

function verdict(level: JsonObject): LevelVerdict {
  return {
    status: level.oneOf('tcbStatus', TCB_LEVEL_STATUSES),
    date: level.date('tcbDate'),
    advisories: level.has('advisoryIDs') ? level.strings('advisoryIDs') : [],
  }
}

function platformLevel(level: JsonObject, version: 2 | 3, tee: TcbInfo['tee']): PlatformTcbLevel {
  const tcb = level.object('tcb')
  return {
    sgxComponents: version === 2 ? numberedComponents(tcb) : components(tcb, 'sgxtcbcomponents'),
    pceSvn: tcb.integer('pcesvn', MAX_SVN),
    tdxComponents: tee === 'TDX' ? components(tcb, 'tdxtcbcomponents') : undefined,
    ...verdict(level),
  }
}

/** Version 2: `sgxtcbcomp01svn` to `sgxtcbcomp16svn`. */
function numberedComponents(tcb: JsonObject): number[] {
  return Array.from({ length: TCB_COMPONENTS }, (_, index) =>
    tcb.integer(`sgxtcbcomp${String(index + 1).padStart(2, '0')}svn`, MAX_COMPONENT),
  )
}

function components(tcb: JsonObject, name: string): number[] {
  const list = tcb.objects(name)
  if (list.length !== TCB_COMPONENTS) {
    throw malformed(`'${name}' has a bad length`, String(TCB_COMPONENTS), String(list.length))
  }
  return list.map((component) => component.integer('svn', MAX_COMPONENT))
}

function tdxModule(module: JsonObject): TdxModule {
  const attributes = module.hex('attributes', 8)
  const attributesMask = module.hex('attributesMask', 8)
  return { mrSigner: module.hex('mrsigner', 48), attributes, attributesMask }
}

function tdxModuleIdentity(identity: JsonObject): TdxModuleIdentity {
  return { id: identity.string('id').toUpperCase(), ...tdxModule(identity), levels: isvLevels(identity) }
}

/** Whether `value`, where the mask has ones, is `expected`. All have the same length. */
export function maskedEqual(value: Uint8Array, mask: Uint8Array, expected: Uint8Array): boolean {
  return bytesEqual(
    value.map((byte, index) => byte & (mask[index] ?? 0xff)),
    expected,
  )
}
