import type { Statement } from '@taw/protocol'
import { manifestUpdaters } from '../../access/index.ts'
import type { Manifest, PackagePolicy, UserDefinition } from '../model.ts'

/** Warnings that follow from two manifests alone. */
export function manifestCautions(before: Manifest, after: Manifest): readonly Statement[] {
  return [...updateCautions(before, after), ...debugCautions(after), ...sealingCautions(before, after)]
}

/** How many users must agree before a manifest can be replaced. */
export const acknowledgementsNeeded = (manifest: Manifest): number =>
  manifest.config.updateThreshold || manifestUpdaters(manifest).length

/** Users who can no longer log in with the certificate that they have. */
export function lockedOutUsers(before: Manifest, after: Manifest): readonly string[] {
  const certificates = new Set([...after.users.values()].map(certificateText))
  return [...before.users].flatMap(([name, user]) => (certificates.has(certificateText(user)) ? [] : [name]))
}

const certificateText = ({ certificate }: UserDefinition): string =>
  Buffer.from(certificate).toString('base64')

function updateCautions(before: Manifest, after: Manifest): readonly Statement[] {
  if (manifestUpdaters(after).length === 0) {
    return [
      {
        code: 'nobody_can_update',
        message:
          'NOBODY WILL EVER BE ABLE TO UPDATE THE MANIFEST AGAIN: none of its users has a role with UpdateManifest',
        names: [],
      },
    ]
  }
  const [former, next] = [acknowledgementsNeeded(before), acknowledgementsNeeded(after)]
  if (next >= former) return []
  const message = `later updates need fewer users to agree: ${next} instead of ${former}`
  return [{ code: 'update_threshold_lowered', message, names: [] }]
}

function debugCautions({ packages }: Manifest): readonly Statement[] {
  const names = [...packages].flatMap(([name, policy]) => (isDebug(policy) ? [name] : []))
  if (names.length === 0) return []
  const message =
    'packages with Debug: whoever runs them can read their memory, and with it every secret they get'
  return [{ code: 'debug_packages', message, names }]
}

const isDebug = ({ sgx, tdx, snp, nitro, azureVtpm }: PackagePolicy): boolean =>
  [sgx, tdx, nitro, azureVtpm?.tdx].some((policy) => policy?.debug === true) ||
  [snp, azureVtpm?.snp].some((policy) => policy?.guestPolicy?.debug === true)

function sealingCautions(before: Manifest, after: Manifest): readonly Statement[] {
  const statements: Statement[] = []
  const [former, next] = [before.config.sealMode, after.config.sealMode]
  if (former !== next) {
    const effect =
      next === 'Disabled'
        ? 'NOTHING IS STORED ANY MORE, and the next stop of the Coordinator loses everything'
        : 'the state is sealed anew at once, not at the next start'
    const message = `SealMode changes from "${former}" to "${next}": ${effect}`
    statements.push({ code: 'seal_mode_changed', message, names: [] })
  }
  if (before.recoveryKeys.size > 0 && after.recoveryKeys.size === 0) {
    const message = 'no recovery keys are left: state that this TEE can no longer unseal is lost'
    statements.push({ code: 'recovery_removed', message, names: [...before.recoveryKeys.keys()] })
  }
  return statements
}
