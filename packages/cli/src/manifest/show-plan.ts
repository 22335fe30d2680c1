import type {
  FieldDifference,
  ManifestDifference,
  ManifestWarning,
  PlannedMarble,
  PlannedSecret,
  Statement,
  UpdatePlan,
} from '@taw/protocol'
import { printable } from '@taw/client'

/** For people: the form may change. Names are the manifest's, and may hold anything. */

type Comparison = Pick<UpdatePlan, 'kind' | 'differences' | 'warnings' | 'manifestWarnings'>

const kinds: Readonly<Record<string, string>> = {
  packages: 'an update of packages: it is in force at once',
  manifest: 'a full update',
}

/** Of `taw manifest update plan`. Nothing is changed by it, and the first line says so. */
export function showPlan(plan: UpdatePlan): string {
  return page([
    [`This would be ${kinds[plan.kind] ?? plan.kind}. Nothing was changed.`],
    section('WARNINGS', plan.warnings.map(showStatement)),
    section('CANNOT BE UNDONE', plan.irreversible.map(showStatement)),
    section('Differences', showDifferences(plan.differences), 'none: the manifest means the same as now'),
    section('Secrets', plan.secrets.map(showSecret)),
    section('Certificates and keys of the Coordinator', showAuthority(plan.authority)),
    section('Marbles to restart (that have activated)', plan.marbles.flatMap(showMarble), 'none'),
    section('Who must agree', showAcknowledgements(plan)),
    section('Recovery', showRecovery(plan.recovery)),
    section('The manifest', plan.manifestWarnings.map(showManifestWarning)),
  ])
}

/** Of `taw manifest diff`. */
export function showComparison({ differences, warnings, manifestWarnings }: Comparison): string {
  return page([
    section('Differences', showDifferences(differences), 'none: both manifests mean the same'),
    section('WARNINGS', warnings.map(showStatement)),
    section('The second manifest', manifestWarnings.map(showManifestWarning)),
  ])
}

const page = (sections: readonly (readonly string[])[]): string =>
  sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => `${printable(line).replaceAll('\n', ' ')}\n`).join(''))
    .join('\n')

/** @param otherwise what stands there when there is nothing; without it the section is left out */
function section(heading: string, lines: readonly string[], otherwise?: string): readonly string[] {
  const shown = lines.length === 0 && otherwise !== undefined ? [otherwise] : lines
  return shown.length === 0 ? [] : [`${heading}:`, ...shown.map((line) => `  ${line}`)]
}

const showStatement = ({ message, names }: Statement): string => `! ${withNames(message, names)}`

const withNames = (text: string, names: readonly string[]): string =>
  names.length === 0 ? text : `${text}: ${names.join(', ')}`

const marks: Readonly<Record<string, string>> = { added: '+', removed: '-', changed: '~' }

const showDifferences = (differences: readonly ManifestDifference[]): readonly string[] =>
  differences.flatMap(({ member, name, change, fields }) => [
    `${marks[change] ?? change} ${name === undefined ? member : `${member}.${name}`}`,
    ...fields.map((field) => `    ${showField(field)}`),
  ])

function showField({ field, before, after }: FieldDifference): string {
  const show = (value: FieldDifference['before']): string =>
    value === undefined ? '(none)' : JSON.stringify(value)
  if (before === undefined && after !== undefined) return `${field}: ${show(after)}`
  return `${field}: ${show(before)} → ${show(after)}`
}

const values: Readonly<Record<string, string>> = {
  kept: 'keeps its value',
  made: 'is made',
  remade: 'GETS A NEW VALUE',
  deleted: 'IS DELETED',
  unset: 'has no value yet: a user must upload it',
  'per-activation': 'is new at every activation, as ever',
}

function showSecret({ name, type, scope, value, formerValue }: PlannedSecret): string {
  const former: Readonly<Record<string, string>> = {
    previous: '; the former value is .Previous',
    lost: '; the former value is gone',
  }
  return `${name} (${type}, ${scope}) ${values[value] ?? value}${former[formerValue ?? ''] ?? ''}`
}

const showAuthority = (authority: UpdatePlan['authority']): readonly string[] => {
  const names: Readonly<Record<string, string>> = {
    root: 'root certificate',
    intermediate: 'intermediate certificate',
    marbleRoot: 'marble root certificate',
    rootSecret: 'root secret, from which private keys are derived',
  }
  return Object.entries(authority).map(([key, fate]) => `${names[key] ?? key}: ${fate}`)
}

const reasons: Readonly<Record<string, string>> = {
  certificates: 'their certificates are of the former intermediate',
  secrets: 'other values of',
  parameters: 'other parameters',
  tls: 'other TLS tags',
  package: 'another package policy',
  removed: 'the type is gone, so they can not come back',
}

function showMarble({ type, activations, activationsLeft, restart }: PlannedMarble): readonly string[] {
  if (activations.total === 0 || restart.length === 0) return []
  const { total, sinceLastUpdate, marblesSinceLastUpdate: marbles } = activations
  const left = activationsLeft === undefined ? '' : `; ${activationsLeft} activations are left`
  return [
    `${type}: ${marbles} marbles activated since the last update (${sinceLastUpdate} activations, ${total} ever)${left}`,
    ...restart.map(({ reason, names }) => `    ${withNames(reasons[reason] ?? reason, names)}`),
  ]
}

function showAcknowledgements({ acknowledgements, pending }: UpdatePlan): readonly string[] {
  if (acknowledgements === undefined) return ['nobody else']
  const { needed, acknowledgedBy, missing, missingUsers } = acknowledgements
  const others = missing === 0 ? 'nobody else is needed' : `${missing} more of: ${missingUsers.join(', ')}`
  return [
    `${needed} in all; with you agree: ${acknowledgedBy.join(', ')}; ${others}`,
    ...(pending?.isThisManifest === true ? ['this manifest is pending: acknowledge it'] : []),
  ]
}

function showRecovery({ secrets, parties, needed }: UpdatePlan['recovery']): readonly string[] {
  const texts: Readonly<Record<string, string>> = {
    kept: 'recovery secrets stay valid',
    renewed: `NEW RECOVERY SECRETS: they go to whoever completes the update, once; the old ones are void. ${needed} needed of`,
    removed: 'NO RECOVERY ANY MORE',
    none: 'there are no recovery keys, before and after',
  }
  return [withNames(texts[secrets] ?? secrets, secrets === 'renewed' ? parties : [])]
}

const showManifestWarning = ({ path, line, column, message }: ManifestWarning): string =>
  `! ${path} (line ${line}, column ${column}): ${message}`
