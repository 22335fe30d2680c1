import { ClientError } from './errors.ts'
import { isObject } from './shape.ts'

/** Which enclave the Coordinator must be. A field that is undefined is not compared. */
export interface CoordinatorIdentity {
  /** MRENCLAVE, 64 lower-case hex digits. */
  readonly uniqueId: string | undefined
  /** MRSIGNER, 64 lower-case hex digits. */
  readonly signerId: string | undefined
  /** ISVPRODID, exact. */
  readonly productId: number | undefined
  /** ISVSVN, a minimum. */
  readonly securityVersion: number | undefined
  /** Whether the enclave may, and then must, be a debug enclave. */
  readonly debug: boolean
}

/** ISVPRODID and ISVSVN have two bytes each (Intel SDM volume 3D, REPORT structure). */
const maxTwoBytes = 0xffff

const members = ['UniqueID', 'SignerID', 'ProductID', 'SecurityVersion', 'Debug'] as const
type Member = (typeof members)[number]

/**
 * Reads an era config: a JSON object with `UniqueID`, `SignerID` (hex), `ProductID`, `SecurityVersion` (integers) and
 * `Debug`; member names in any case, `null` and `""` as if absent. Needs `UniqueID`, or `SignerID`, `ProductID` and
 * `SecurityVersion` together. Unknown members are refused: one may be a misspelt condition.
 * @param source what the text is, for the error
 * @throws ClientError `policy_invalid`
 */
export function parseEraConfig(text: string, source: string): CoordinatorIdentity {
  const fail = (problem: string): never => {
    throw new ClientError('policy_invalid', `The era config from ${source} ${problem}`)
  }
  const given = readMembers(text, fail)
  const hex = (name: Member): string | undefined => {
    const value = given.get(name)
    if (value === undefined || value === '') return undefined
    if (typeof value !== 'string' || !/^[0-9a-f]{64}$/i.test(value))
      return fail(`has a ${name} that is not 64 hex digits`)
    return value.toLowerCase()
  }
  const integer = (name: Member): number | undefined => {
    const value = given.get(name)
    if (value === undefined) return undefined
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maxTwoBytes
    return fits ? value : fail(`has a ${name} that is not an integer from 0 to ${maxTwoBytes}`)
  }
  const debug = given.get('Debug') ?? false
  const identity = {
    uniqueId: hex('UniqueID'),
    signerId: hex('SignerID'),
    productId: integer('ProductID'),
    securityVersion: integer('SecurityVersion'),
    debug: typeof debug === 'boolean' ? debug : fail('has a Debug that is neither true nor false'),
  }
  const bySigner = [identity.signerId, identity.productId, identity.securityVersion]
  if (identity.uniqueId === undefined && bySigner.includes(undefined)) {
    fail('says too little: it needs UniqueID, or all of SignerID, ProductID and SecurityVersion')
  }
  return identity
}

function readMembers(text: string, fail: (problem: string) => never): ReadonlyMap<Member, unknown> {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return fail('is not JSON')
  }
  if (!isObject(document)) return fail('is not a JSON object')
  const given = new Map<Member, unknown>()
  for (const [name, value] of Object.entries(document)) {
    const member = members.find((known) => known.toLowerCase() === name.toLowerCase())
    if (member === undefined)
      return fail(`has the unknown member ${JSON.stringify(name)}; known are ${members.join(', ')}`)
    if (given.has(member)) return fail(`has ${member} twice, in two spellings`)
    if (value !== null) given.set(member, value)
  }
  return given
}

/** The status names of Intel's TCB info (spec/manifest.md, `AcceptedTCBStatuses`). */
export const tcbStatuses = [
  'UpToDate',
  'OutOfDate',
  'Revoked',
  'ConfigurationNeeded',
  'OutOfDateConfigurationNeeded',
  'SWHardeningNeeded',
  'ConfigurationAndSWHardeningNeeded',
] as const

export type TcbStatus = (typeof tcbStatuses)[number]

/** @throws ClientError `policy_invalid` */
export function parseTcbStatus(name: string): TcbStatus {
  const status = tcbStatuses.find((known) => known === name)
  if (status === undefined) {
    throw new ClientError(
      'policy_invalid',
      `The TCB status ${JSON.stringify(name)} is unknown; known are ${tcbStatuses.join(', ')}`,
    )
  }
  return status
}
