import type { Action, PackagePolicy, ResourceType, RoleDefinition, SecretDefinition } from '../model.ts'
import { quoteName, type Path } from '../path.ts'
import type { Report } from '../report.ts'
import type { RoleSource } from '../schema.ts'
import { entriesOf, listNames, mapEntries, matchName, type TopicContext } from './topic.ts'

const actionsOn: Readonly<Record<ResourceType, readonly Action[]>> = {
  Packages: ['UpdateSecurityVersion'],
  Secrets: ['ReadSecret', 'WriteSecret'],
  Manifest: ['UpdateManifest'],
}

const isResourceType = (name: string): name is ResourceType => Object.hasOwn(actionsOn, name)

interface Resources {
  readonly packages: ReadonlyMap<string, PackagePolicy>
  readonly secrets: ReadonlyMap<string, SecretDefinition>
}

/** Decodes `Roles`; those that no user has are checked too. */
export function rolesOf(
  { source, report }: TopicContext,
  resources: Resources,
): ReadonlyMap<string, RoleDefinition> {
  return mapEntries(entriesOf('Roles', source.Roles, 'roles', report), (entry, name) => {
    const path = ['Roles', name]
    const type = entry.ResourceType ?? ''
    if (!isResourceType(type)) {
      const known = listNames(Object.keys(actionsOn))
      report.error(
        [...path, 'ResourceType'],
        `must be one of ${known} (exactly so), but is ${type === '' ? 'missing' : quoteName(type)}`,
      )
      return { resourceType: 'Secrets', resourceNames: [], actions: [] }
    }
    const actions = (entry.Actions ?? []).flatMap((action, index) => {
      const known = matchName(action, actionsOn[type])
      if (known !== undefined) return [known]
      const possible = listNames(actionsOn[type])
      report.error(
        [...path, 'Actions', index],
        `${quoteName(action)} is no action on ${type}; possible: ${possible}`,
      )
      return []
    })
    checkResources(entry, type, actions, path, resources, report)
    return { resourceType: type, resourceNames: entry.ResourceNames ?? [], actions }
  })
}

function checkResources(
  entry: RoleSource,
  type: ResourceType,
  actions: readonly Action[],
  path: Path,
  resources: Resources,
  report: Report,
): void {
  const names = entry.ResourceNames ?? []
  if (type === 'Manifest') {
    if (names.length > 0) {
      report.error([...path, 'ResourceNames'], 'a role on the Manifest names no resources: leave this out')
    }
    return
  }
  const known: ReadonlyMap<string, unknown> = type === 'Packages' ? resources.packages : resources.secrets
  for (const [index, name] of names.entries()) {
    const namePath = [...path, 'ResourceNames', index]
    if (!known.has(name)) {
      if (!report.isComplete(type)) continue
      report.error(namePath, `no such entry ${quoteName(name)} in "${type}"${report.didYouMean(name, known)}`)
    } else if (type === 'Secrets') checkSecretActions(name, actions, namePath, resources.secrets, report)
  }
}

function checkSecretActions(
  name: string,
  actions: readonly Action[],
  path: Path,
  secrets: ReadonlyMap<string, SecretDefinition>,
  report: Report,
): void {
  const secret = secrets.get(name)
  if (secret === undefined || report.isDoubtful(['Secrets', name])) return
  if (actions.includes('WriteSecret') && !secret.userDefined) {
    report.error(path, `"WriteSecret" is for user-defined secrets only, but ${quoteName(name)} is generated`)
  }
  if (actions.includes('ReadSecret') && !secret.userDefined && !secret.shared) {
    report.error(
      path,
      `"ReadSecret" is for shared and user-defined secrets only, but each marble has its own ${quoteName(name)}`,
    )
  }
}
