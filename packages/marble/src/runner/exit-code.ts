import { constants } from 'node:os'

import type { MarbleErrorCode } from '../errors.ts'

/**
 * Exit codes of `taw run` when the application was not started. 75, 77 and 78 are EX_TEMPFAIL, EX_NOPERM and EX_CONFIG
 * of BSD's sysexits.h; 125, 126 and 127 are those of env(1) in POSIX.1-2024.
 */
export const exitCodeOf: Readonly<Record<MarbleErrorCode, number>> = {
  coordinator_unavailable: 75,
  activation_refused: 77,
  configuration_invalid: 78,
  uuid_unusable: 78,
  ttls_unsupported: 78,
  grant_inapplicable: 78,
  evidence_unavailable: 125,
  interrupted: 125,
  credentials_invalid: 125,
  peer_unauthorized: 125,
  executable_unusable: 126,
  executable_missing: 127,
}

/** Anything that is no {@link MarbleError}: a defect. */
export const defectExitCode = 125

/** 128 and the signal's number, as shells show it. */
export const exitCodeOfSignal = (signal: NodeJS.Signals): number => 128 + constants.signals[signal]
