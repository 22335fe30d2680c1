import { readPackagePolicy } from '@taw/attestation'
import type { PackagePolicy } from '@taw/attestation'
import { ClientError } from './errors.ts'

/** ISVPRODID and ISVSVN have two bytes each (Intel SDM volume 3D, REPORT structure). */
const maxTwoBytes = 0xffff

/**
 * Reads an era config, which says what the Coordinator must be: a JSON object like an entry of a manifest's `Packages`
 * (docs/manifest.md). `UniqueID`, or `SignerID`, `ProductID` and `SecurityVersion` together, for SGX; `TDX`, `SNP` and the
 * others besides or instead. Unknown members are refused, since one may be a misspelt condition, and so is a kind of which
 * nothing is demanded.
 *
 * @param source what the text is, for the error
 * @throws ClientError `policy_invalid`
 */
export function parseEraConfig(text: string, source: string): PackagePolicy {
  const fail = (problem: string): never => {
    throw new ClientError('policy_invalid', `The era config from ${source} ${problem}`)
  }
  const { policy, problems, warnings } = readPackagePolicy(parse(text, fail))
  const [first] = [...problems, ...warnings.filter(({ isUnknownMember }) => isUnknownMember === true)]
  if (first !== undefined) {
    return fail(
      first.path.length === 0 ? first.message : `has a ${first.path.join('.')} that ${first.message}`,
    )
  }
  const { sgx } = policy
  if (sgx === undefined) return policy
  const { uniqueId, signerId, productId, securityVersion } = sgx
  if (Number(productId ?? 0) > maxTwoBytes || (securityVersion ?? 0) > maxTwoBytes) {
    return fail(`has a ProductID or SecurityVersion that is not an integer from 0 to ${maxTwoBytes}`)
  }
  // Under debug a manifest may leave the identity out; here it would be any Coordinator.
  if (uniqueId === undefined && [signerId, productId, securityVersion].includes(undefined)) {
    return fail('says too little: it needs UniqueID, or all of SignerID, ProductID and SecurityVersion')
  }
  return policy
}

function parse(text: string, fail: (problem: string) => never): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return fail('is not JSON')
  }
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
