// What the kit's Intel says about security versions. One level for each status of the PCS API, so that a platform of any
// status can be made: level n has all 16 SGX components at TOP_SVN - n.

/** Intel PCS API, "Get TCB Info", tcbStatus; best first. */
export const TCB_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const
export type PlatformTcbStatus = (typeof TCB_STATUSES)[number]

const TOP_SVN = 15
const COMPONENTS = 16
const PCE_SVN = 13

/** Security versions that Intel certifies in a PCK certificate. */
export interface PlatformTcb {
  /** 16 numbers, 0 to 255. */
  readonly components: readonly number[]
  readonly pceSvn: number
}

/** @param status `Unknown`: below every level, so that no status applies */
export function platformTcb(status: PlatformTcbStatus | 'Unknown'): PlatformTcb {
  const index = status === 'Unknown' ? TCB_STATUSES.length : TCB_STATUSES.indexOf(status)
  return { components: Array.from({ length: COMPONENTS }, () => TOP_SVN - index), pceSvn: PCE_SVN }
}

/** Made up, but of the form that real ones have; by status. */
const ADVISORIES: Readonly<Partial<Record<PlatformTcbStatus, readonly string[]>>> = {
  SWHardeningNeeded: ['INTEL-SA-90001', 'INTEL-SA-90002'],
  ConfigurationNeeded: ['INTEL-SA-90003'],
  ConfigurationAndSWHardeningNeeded: ['INTEL-SA-90001', 'INTEL-SA-90003'],
  OutOfDate: ['INTEL-SA-90004'],
  OutOfDateConfigurationNeeded: ['INTEL-SA-90003', 'INTEL-SA-90004'],
}

export interface PlatformTcbLevel extends PlatformTcb {
  readonly status: PlatformTcbStatus
  readonly advisories: readonly string[]
}

export const PLATFORM_TCB_LEVELS: readonly PlatformTcbLevel[] = TCB_STATUSES.map((status) => ({
  status,
  ...platformTcb(status),
  advisories: ADVISORIES[status] ?? [],
}))
