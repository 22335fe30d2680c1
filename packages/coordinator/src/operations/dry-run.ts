import type { PreparedManifest } from '../manifest/index.ts'
import { standInData } from '../secrets/stand-in.ts'
import type { SecretValue } from '../secrets/value.ts'
import type { State } from '../state/state.ts'
import type { CompiledTemplate } from '../templates/index.ts'
import { render, templateSecret } from './render-parameters.ts'

/**
 * Renders every template that names one of the uploaded secrets, with their new values and stand-ins for all others,
 * so that a value which would break a marble is refused before it is stored.
 *
 * @throws {@link Refusal} `template_failed`
 */
export function dryRunUpload({ manifest }: State, uploaded: ReadonlyMap<string, SecretValue>): void {
  if (manifest === undefined) return
  const uses = new Set([...uploaded.keys()].flatMap((name) => usesOf(manifest).get(name) ?? []))
  if (uses.size === 0) return
  const data = standInData(manifest.manifest.secrets)
  const secrets = new Map(data.secrets)
  for (const [name, value] of uploaded) {
    const definition = manifest.manifest.secrets.get(name)
    if (definition !== undefined) secrets.set(name, templateSecret(definition, value))
  }
  // What users upload has no former value later; while it is tried out it has one, or no template could name it.
  for (const { what, template } of uses)
    render(what, template, { ...data, secrets, previousSecrets: secrets })
}

/** One template, and where it stands. */
interface Use {
  readonly what: string
  readonly template: CompiledTemplate
}

const indexes = new WeakMap<PreparedManifest, ReadonlyMap<string, readonly Use[]>>()

/** Secret → templates that can reach it. */
function usesOf(prepared: PreparedManifest): ReadonlyMap<string, readonly Use[]> {
  const known = indexes.get(prepared)
  if (known !== undefined) return known
  const index = new Map<string, Use[]>()
  for (const [type, marble] of prepared.marbles) {
    const uses = [
      ...[...marble.files].map(([path, template]) => ({
        what: `file "${path}" of marble "${type}"`,
        template,
      })),
      ...[...marble.env].map(([name, template]) => ({
        what: `variable "${name}" of marble "${type}"`,
        template,
      })),
    ]
    for (const use of uses) {
      const { references } = use.template
      for (const name of references.allSecrets ? prepared.manifest.secrets.keys() : references.secrets) {
        const same = index.get(name)
        if (same === undefined) index.set(name, [use])
        else same.push(use)
      }
    }
  }
  indexes.set(prepared, index)
  return index
}
