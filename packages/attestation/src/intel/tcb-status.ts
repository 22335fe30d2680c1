/** Statuses that Intel gives a TCB level. */
export const TCB_LEVEL_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const

export type TcbLevelStatus = (typeof TCB_LEVEL_STATUSES)[number]

/**
 * Statuses that a verification can end with. The two relaunch statuses are of TDX 1.5: the platform was updated while the
 * TD ran, and the TD started on what was there before.
 */
export const TCB_STATUSES = [
  ...TCB_LEVEL_STATUSES,
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
] as const

export type TcbStatus = (typeof TCB_STATUSES)[number]

/**
 * The status of a platform together with that of a part of it (QE or TDX module), as Intel's QVL converges them
 * (steps 4.1.2.4.17.4 and 4.1.2.4.17.5): a part that is out of date drags a better platform down, one that is revoked any.
 */
export function convergeStatus<Status extends TcbStatus>(
  platform: Status,
  part: TcbLevelStatus,
): Status | TcbLevelStatus {
  if (part === 'UpToDate') return platform
  if (part === 'Revoked') return 'Revoked'
  // The QVL takes any other status of a part for "out of date".
  if (platform === 'UpToDate' || platform === 'SWHardeningNeeded') return 'OutOfDate'
  if (platform === 'ConfigurationNeeded' || platform === 'ConfigurationAndSWHardeningNeeded') {
    return 'OutOfDateConfigurationNeeded'
  }
  return platform
}

/** Whether the platform's owner should change its configuration. */
export const needsConfiguration = (status: TcbStatus): boolean =>
  status === 'ConfigurationNeeded' ||
  status === 'OutOfDateConfigurationNeeded' ||
  status === 'ConfigurationAndSWHardeningNeeded' ||
  status === 'TDRelaunchAdvisedConfigurationNeeded'
