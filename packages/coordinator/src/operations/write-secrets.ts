import { missingPermissions } from '../access/index.ts'
import { Refusal } from '../refusal.ts'
import { type UploadedSecret, secretFromUpload } from '../secrets/uploaded.ts'
import type { SecretValue } from '../secrets/value.ts'
import type { State } from '../state/state.ts'
import { requireUser, userActor, userFields } from './callers.ts'
import type { Ports } from './ports.ts'
import { dryRunUpload } from './dry-run.ts'

/**
 * Sets user-defined secrets: all of the upload, or nothing.
 *
 * Values are checked against their definitions, then every template that names one of them is tried, then the
 * permissions are checked (the order of the original, so that each mistake has its code).
 *
 * @throws {@link Refusal} `caller_unknown`, `secret_invalid`, `template_failed`, `permission_denied`,
 * `storage_unavailable`
 * @returns what the user should know about the upload, a sentence each
 */
export async function writeSecrets(
  certificate: Uint8Array | undefined,
  upload: ReadonlyMap<string, UploadedSecret>,
  ports: Ports,
): Promise<readonly string[]> {
  const { user, warnings } = await ports.ledger.transact((state) => {
    const user = requireUser(state, certificate)
    const { values, warnings } = valuesFor(state, upload)
    dryRunUpload(state, values)
    const missing = missingPermissions(user, 'WriteSecret', values.keys())
    if (missing.length > 0) {
      throw new Refusal(
        'permission_denied',
        `setting secrets: user "${user.name}" lacks WriteSecret on ` +
          `${missing.map((name) => `"${name}"`).join(', ')}; a role of the user must grant it`,
      )
    }
    return {
      changes: [...values].map(([name, value]) => ({ kind: 'secret', generation: 'current', name, value })),
      audit: {
        action: 'secrets-written',
        actor: userActor(user),
        secrets: [...values.keys()].map((name) => ({
          name,
          type: user.manifest.secrets.get(name)?.type ?? '',
        })),
      },
      result: { user, warnings },
    }
  })
  ports.log.info({ secrets: [...upload.keys()], ...userFields(user) }, 'secrets set')
  for (const warning of warnings) ports.log.warn(warning)
  return warnings
}

function valuesFor(
  state: State,
  upload: ReadonlyMap<string, UploadedSecret>,
): { readonly values: ReadonlyMap<string, SecretValue>; readonly warnings: readonly string[] } {
  if (upload.size === 0) throw new Refusal('secret_invalid', 'setting secrets: the request names no secret')
  const values = new Map<string, SecretValue>()
  const warnings: string[] = []
  for (const [name, uploaded] of upload) {
    const definition = state.manifest?.manifest.secrets.get(name)
    if (definition === undefined) {
      throw new Refusal('secret_invalid', `setting secrets: the manifest has no secret "${name}"`)
    }
    if (!definition.userDefined) {
      throw new Refusal(
        'secret_invalid',
        `setting secrets: "${name}" is made by the Coordinator; only secrets with UserDefined can be set`,
      )
    }
    const { value, warning } = secretFromUpload(name, definition, uploaded)
    values.set(name, value)
    if (warning !== undefined) warnings.push(warning)
  }
  return { values, warnings }
}
