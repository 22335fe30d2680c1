import { access } from 'node:fs/promises'
import path from 'node:path'
import { EvidenceUnavailable, reasonOf, systemCodeOf } from './errors.ts'
import { GRAMINE_ROOT, openGramine } from './gramine.ts'
import type { EvidenceProvider } from './provider.ts'
import { noEvidence } from './provider.ts'
import { TSM_ROOT, openTsm } from './tsm.ts'

/** `auto` looks for a TEE; a name means this one and no other. */
export type EvidenceChoice = 'auto' | EvidenceProvider['name']
export const EVIDENCE_CHOICES: readonly EvidenceChoice[] = ['auto', 'gramine', 'tsm', 'none']

export interface EvidenceOptions {
  /** Default `/dev/attestation`. */
  readonly gramineRoot?: string
  /** Default `/sys/kernel/config/tsm/report`. */
  readonly tsmRoot?: string
  /** SEV-SNP: the privilege level of reports, 0 to 3. */
  readonly privlevel?: number
  /** How long one quote may take; default 60 s. */
  readonly timeoutMs?: number
}

/**
 * Opens the provider that the user named; `none` is simulation.
 *
 * @throws EvidenceUnavailable `tee_unusable` when that one doesn't answer; with `auto` also `no_tee`
 */
export async function openEvidenceProvider(
  choice: EvidenceChoice,
  options: EvidenceOptions = {},
): Promise<EvidenceProvider> {
  switch (choice) {
    case 'auto':
      return detectEvidenceProvider(options)
    case 'gramine':
      return openGramine(gramineOptions(options))
    case 'tsm':
      return openTsm(tsmOptions(options))
    case 'none':
      return noEvidence
  }
}

/**
 * Finds this machine's TEE: Gramine, then the kernel's TSM reports. Gramine comes first because it is the innermost: an
 * enclave on a confidential VM is attested as the enclave.
 *
 * What is found is used, and when it doesn't answer, that is an error. The provider `none` is never returned.
 *
 * @throws EvidenceUnavailable `no_tee` when nothing is there, `tee_unusable` when something is, but doesn't answer
 */
export async function detectEvidenceProvider(options: EvidenceOptions = {}): Promise<EvidenceProvider> {
  const { gramineRoot = GRAMINE_ROOT, tsmRoot = TSM_ROOT } = options
  // Without SGX, Gramine has the folder with keys in it, but not this file.
  if (await isThere(path.join(gramineRoot, 'user_report_data'))) return openGramine(gramineOptions(options))
  if (await isThere(tsmRoot)) return openTsm(tsmOptions(options))
  throw new EvidenceUnavailable(
    'no_tee',
    `no TEE was found: there is neither Gramine's "${path.join(gramineRoot, 'user_report_data')}" nor the kernel's ` +
      `"${tsmRoot}"; in a confidential VM mount configfs and load tsm_report with tdx_guest or sev-guest`,
  )
}

const gramineOptions = ({ gramineRoot, timeoutMs }: EvidenceOptions) => ({
  ...(gramineRoot === undefined ? {} : { root: gramineRoot }),
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
})

const tsmOptions = ({ tsmRoot, privlevel, timeoutMs }: EvidenceOptions) => ({
  ...(tsmRoot === undefined ? {} : { root: tsmRoot }),
  ...(privlevel === undefined ? {} : { privlevel }),
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
})

/** A file that can't be looked at is not one that isn't there. */
async function isThere(file: string): Promise<boolean> {
  try {
    await access(file)
    return true
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return false
    throw new EvidenceUnavailable('tee_unusable', `looking for a TEE at "${file}": ${reasonOf(error)}`, {
      cause: error,
    })
  }
}
