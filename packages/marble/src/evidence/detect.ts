import { access } from 'node:fs/promises'
import path from 'node:path'

import { MarbleError, reasonOf, systemCodeOf } from '../errors.ts'
import { gramineEvidence, gramineFolder } from './gramine.ts'
import { noEvidence, type EvidenceProvider } from './provider.ts'
import { tsmEvidence, tsmFolder } from './tsm.ts'

/** How to choose: `auto` looks for a TEE; a name means this one and no other. */
export type EvidenceChoice = 'auto' | EvidenceProvider['kind']

export interface EvidenceFolders {
  readonly gramine: string
  readonly tsm: string
}

const systemFolders: EvidenceFolders = { gramine: gramineFolder, tsm: tsmFolder }

/**
 * Finds this machine's source of evidence. The order: Gramine, then the kernel's TSM reports, then none.
 *
 * Gramine comes first because it is the innermost: an enclave on a confidential VM is attested as the enclave.
 * What is found is used: if it then fails, that is an error, and never means simulation.
 *
 * @throws {@link MarbleError} `evidence_unavailable` when it can't be told whether a TEE is there
 */
export async function chooseEvidence(
  choice: EvidenceChoice,
  folders: EvidenceFolders = systemFolders,
): Promise<EvidenceProvider> {
  const gramine = gramineEvidence(folders.gramine)
  const tsm = tsmEvidence(folders.tsm)
  switch (choice) {
    case 'none':
      return noEvidence
    case 'gramine':
      return gramine
    case 'tsm':
      return tsm
    case 'auto':
      // Outside of SGX, Gramine has the folder with keys in it, but not this file.
      if (await isThere(path.join(folders.gramine, 'user_report_data'))) return gramine
      if (await isThere(folders.tsm)) return tsm
      return noEvidence
  }
}

async function isThere(file: string): Promise<boolean> {
  try {
    await access(file)
    return true
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return false
    throw new MarbleError('evidence_unavailable', `looking for a TEE at "${file}": ${reasonOf(error)}`, {
      cause: error,
    })
  }
}
