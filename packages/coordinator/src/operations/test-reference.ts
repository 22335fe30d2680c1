import {
  type ManifestPlan,
  readable,
  renderPlan,
  type RoleName,
  type SecretPlan,
  updatersOf,
  withoutEmptyRoles,
  writable,
} from './test-manifest-plans.ts'

/**
 * The rules of a deployment as its specification has them (spec/client-api.md, spec/secrets.md, spec/marble-api.md),
 * told without keys and storage: what a request must be answered. Written from the pages, not from the code; where
 * the pages leave open which of several reasons a refusal gives, all of them are allowed.
 */
export interface Reference {
  /** Undefined before a manifest is set. */
  readonly plan: ManifestPlan | undefined
  readonly raised: Readonly<Record<string, number>>
  /** Name → what stands for its value. Of user-defined ones the value itself. */
  readonly shared: Readonly<Record<string, string>>
  readonly previous: Readonly<Record<string, string>>
  readonly uploads: Readonly<Record<string, string>>
  /** Number of the root secret, and of the one before it. */
  readonly root: number
  readonly previousRoot: number | undefined
  /** Counts the updates: each makes a new intermediate, under which earlier marbles are unknown. */
  readonly epoch: number
  readonly activations: Readonly<Record<string, number>>
  readonly counters: Readonly<Record<string, bigint>>
  readonly pending:
    { readonly plan: ManifestPlan; readonly salt: number; readonly agreed: readonly string[] } | undefined
  /** `update` and the names in each line of the update log. */
  readonly log: readonly string[]
  /** Makes names for values. */
  readonly made: number
}

export const emptyReference: Reference = {
  plan: undefined,
  raised: {},
  shared: {},
  previous: {},
  uploads: {},
  root: 0,
  previousRoot: undefined,
  epoch: 0,
  activations: {},
  counters: {},
  pending: undefined,
  log: [],
  made: 0,
}

/** What must come of a request: refused for one of these reasons, or done with this result. */
export type Expected =
  | { readonly refused: readonly string[] }
  /** Values of `tokens` stand for what is learned when it is first seen: the same token, the same value, always. */
  | { readonly result: unknown; readonly tokens?: Readonly<Record<string, string>> }

export type Step = readonly [expected: Expected, next: Reference]

export type Action =
  | { readonly kind: 'set'; readonly plan: ManifestPlan }
  | { readonly kind: 'propose'; readonly who: string; readonly plan: ManifestPlan; readonly salt: number }
  | { readonly kind: 'plan'; readonly who: string; readonly plan: ManifestPlan; readonly salt: number }
  | { readonly kind: 'raise'; readonly who: string; readonly package: string; readonly version: number }
  | { readonly kind: 'acknowledge'; readonly who: string; readonly sent: string }
  | { readonly kind: 'cancel'; readonly who: string }
  | { readonly kind: 'pending' }
  | { readonly kind: 'write'; readonly who: string; readonly name: string; readonly value: string }
  | { readonly kind: 'read'; readonly who: string; readonly names: readonly string[] }
  | { readonly kind: 'activate'; readonly type: string; readonly uuid: string }
  | { readonly kind: 'count'; readonly marble: number; readonly counter: string; readonly value: bigint }

const refuse = (state: Reference, ...codes: readonly string[]): Step => [{ refused: codes }, state]

/** @param marbles the epoch in which each marble that a `count` may name was activated, and its identity */
export function expectedOf(
  state: Reference,
  action: Action,
  marbles: readonly { readonly epoch: number; readonly id: string }[],
): Step {
  const { plan } = state
  if (action.kind === 'set') return set(state, action.plan)
  if (action.kind === 'activate') return activation(state, action.type, action.uuid)
  if (action.kind === 'count') {
    if (plan?.counters !== true) return refuse(state, 'feature_disabled')
    return count(state, marbles[action.marble], action.counter, action.value)
  }
  if (action.kind === 'pending') return pending(state)
  if (plan?.users[action.who] === undefined) return refuse(state, 'caller_unknown')
  const roles = withoutEmptyRoles(plan).users[action.who] ?? []
  const may = (role: RoleName): boolean => roles.includes(role)
  switch (action.kind) {
    case 'raise': {
      const reasons: string[] = []
      if (state.pending !== undefined) reasons.push('update_pending')
      if (!may('v') || action.package !== 'app') reasons.push('permission_denied')
      if (action.version < (state.raised['app'] ?? plan.appVersion)) reasons.push('update_invalid')
      if (action.package !== 'app' && !plan.hasSecondPackage) reasons.push('update_invalid')
      if (reasons.length > 0) return refuse(state, ...reasons)
      const line = `SecurityVersion increased ${action.who} app ${action.version}`
      const next = remakeCertificates(state, plan)
      const raised = { ...state.raised, app: action.version }
      return [{ result: 'done' }, { ...next, raised, log: [...state.log, line] }]
    }
    case 'propose':
    case 'plan': {
      const rights = may('m') ? [] : ['permission_denied']
      const isValid = action.plan.updateThreshold <= updatersOf(action.plan).length
      if (action.kind === 'plan') {
        if (!may('m')) return refuse(state, 'permission_denied')
        return isValid ? [{ result: planned(state, action, plan) }, state] : refuse(state, 'manifest_invalid')
      }
      const reasons = state.pending === undefined ? rights : [...rights, 'update_pending']
      if (!isValid) reasons.push('manifest_invalid')
      if (reasons.length > 0) return refuse(state, ...reasons)
      const proposal = { plan: action.plan, salt: action.salt, agreed: [action.who] }
      return agree(state, plan, proposal, action.who, 'initiated')
    }
    case 'acknowledge': {
      if (state.pending === undefined) return refuse(state, 'update_missing')
      if (!may('m')) return refuse(state, 'permission_denied')
      if (action.sent !== renderPlan(state.pending.plan, state.pending.salt).toString()) {
        return refuse(state, 'update_invalid')
      }
      const agreed = [...new Set([...state.pending.agreed, action.who])]
      return agree(state, plan, { ...state.pending, agreed }, action.who, 'acknowledged')
    }
    case 'cancel': {
      if (!may('m')) return refuse(state, 'permission_denied')
      if (state.pending === undefined) return refuse(state, 'update_missing')
      const log = [...state.log, `Complete Manifest update cancelled by user ${action.who}`]
      return [{ result: 'done' }, { ...state, pending: undefined, log }]
    }
    case 'write': {
      const definition = plan.secrets[action.name]
      if (definition?.userDefined !== true) return refuse(state, 'secret_invalid')
      if (
        definition.type === 'symmetric-key' &&
        Buffer.from(action.value, 'base64').length !== definition.size / 8
      ) {
        return refuse(state, 'secret_invalid')
      }
      if (!may('w') || !writable(plan).includes(action.name)) return refuse(state, 'permission_denied')
      const uploads = { ...state.uploads, [action.name]: action.value }
      const log = [...state.log, `Secret set ${action.who} ${action.name} ${definition.type}`]
      return [{ result: 'done' }, { ...state, uploads, log }]
    }
    case 'read': {
      if (!may('r') || action.names.some((name) => !readable(plan).includes(name))) {
        return refuse(state, 'permission_denied')
      }
      const tokens: Record<string, string> = {}
      for (const name of action.names) tokens[name] = storedValue(state, name)
      return [{ result: 'read', tokens }, state]
    }
  }
}

function set(state: Reference, plan: ManifestPlan): Step {
  if (state.plan !== undefined) return refuse(state, 'state_mismatch')
  if (plan.updateThreshold > updatersOf(plan).length) return refuse(state, 'manifest_invalid')
  const next = makeShared({ ...state, plan, log: ['Initial manifest set'] }, plan, () => true)
  return [{ result: plan.recovery.length }, next]
}

/** Agreements that the manifest in force asks for: its threshold, or of all who may update. */
const needed = (plan: ManifestPlan): number => plan.updateThreshold || updatersOf(plan).length

function agree(
  state: Reference,
  current: ManifestPlan,
  proposal: NonNullable<Reference['pending']>,
  who: string,
  how: 'initiated' | 'acknowledged',
): Step {
  const missing = Math.max(0, needed(current) - proposal.agreed.length)
  const log = [...state.log, `Complete Manifest update ${how} by user ${who}`]
  if (missing > 0) {
    const missingUsers = updatersOf(current).filter((name) => !proposal.agreed.includes(name))
    return [{ result: { missing, missingUsers, recovery: 'kept' } }, { ...state, pending: proposal, log }]
  }
  const isSameRecovery = JSON.stringify(current.recovery) === JSON.stringify(proposal.plan.recovery)
  const recovery = isSameRecovery ? 'kept' : proposal.plan.recovery.length
  const done = apply({ ...state, log: [...log, 'Complete Manifest updated'] }, current, proposal.plan)
  return [{ result: { missing: 0, missingUsers: [], recovery } }, done]
}

function planned(
  state: Reference,
  action: { who: string; plan: ManifestPlan; salt: number },
  current: ManifestPlan,
) {
  const raw = renderPlan(action.plan, action.salt)
  const isPending =
    state.pending !== undefined && raw.equals(renderPlan(state.pending.plan, state.pending.salt))
  const agreed = new Set([...(isPending ? state.pending.agreed : []), action.who])
  return { missing: Math.max(0, needed(current) - agreed.size), isPending }
}

const sameDefinition = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

function apply(state: Reference, former: ManifestPlan, plan: ManifestPlan): Reference {
  const keeps = (name: string): boolean => sameDefinition(former.secrets[name], plan.secrets[name])
  const kept = (values: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(values).filter(([name]) => keeps(name)))
  const next = {
    ...state,
    plan,
    raised: {},
    pending: undefined,
    uploads: kept(state.uploads),
    shared: kept(state.shared),
    previous: kept(state.previous),
    ...(plan.rotate && { root: state.root + 1, previousRoot: state.root }),
  }
  return remakeCertificates(
    makeKeys(next, plan, (name) => plan.rotate || !keeps(name)),
    plan,
  )
}

/** New shared symmetric keys. One whose definition is the same keeps the former value as the previous one. */
function makeKeys(state: Reference, plan: ManifestPlan, isDue: (name: string) => boolean): Reference {
  return makeShared(state, plan, (name, { type }) => type === 'symmetric-key' && isDue(name))
}

/** Every update makes a new intermediate, and all shared certificates with it. */
function remakeCertificates(state: Reference, plan: ManifestPlan): Reference {
  const remade = makeShared(state, plan, (_name, { type }) => type !== 'symmetric-key')
  return { ...remade, epoch: state.epoch + 1 }
}

function makeShared(
  state: Reference,
  plan: ManifestPlan,
  isDue: (name: string, secret: SecretPlan) => boolean,
): Reference {
  const [shared, previous] = [{ ...state.shared }, { ...state.previous }]
  let { made } = state
  for (const [name, secret] of Object.entries(plan.secrets)) {
    if (secret?.shared !== true || secret.userDefined || !isDue(name, secret)) continue
    const former = shared[name]
    // A certificate without ValidFor has no former value (golden/rest/README.md).
    if (former !== undefined && (secret.type === 'symmetric-key' || secret.validFor !== 0))
      previous[name] = former
    shared[name] = `made ${++made}`
  }
  return { ...state, shared, previous, made }
}

const storedValue = (state: Reference, name: string): string =>
  state.uploads[name] === undefined ? (state.shared[name] ?? 'none') : `=${state.uploads[name]}`

function activation(state: Reference, type: string, uuid: string): Step {
  if (state.plan === undefined) return refuse(state, 'state_mismatch')
  const marble = state.plan.marbles[type]
  if (marble === undefined) return refuse(state, 'marble_unknown')
  const spent = state.activations[type] ?? 0
  const reasons = marble.limit > 0 && spent >= marble.limit ? ['activations_exhausted'] : []
  const tokens: Record<string, string> = {}
  for (const [name, secret] of Object.entries(state.plan.secrets)) {
    if (secret === undefined) continue
    const isPrivate = !secret.shared && !secret.userDefined
    const derived = (root: number): string =>
      secret.type === 'symmetric-key'
        ? `root ${root} ${uuid} ${name} ${marble.unbound ? 'any' : type} ${secret.size}`
        : 'fresh'
    tokens[`NOW_${name}`] = isPrivate ? derived(state.root) : storedValue(state, name)
    if (tokens[`NOW_${name}`] === 'none') reasons.push('template_failed', 'secret_unset')
    if (secret.userDefined) continue
    tokens[`PREVIOUS_${name}`] = isPrivate
      ? derived(state.previousRoot ?? state.root)
      : (state.previous[name] ?? storedValue(state, name))
  }
  if (reasons.length > 0) return refuse(state, ...reasons)
  const activations = marble.limit === 0 ? state.activations : { ...state.activations, [type]: spent + 1 }
  return [
    { result: { epoch: state.epoch, flavour: marble.flavour }, tokens },
    { ...state, activations },
  ]
}

function count(
  state: Reference,
  marble: { readonly epoch: number; readonly id: string } | undefined,
  counter: string,
  value: bigint,
): Step {
  if (marble?.epoch !== state.epoch) return refuse(state, 'caller_unknown')
  const key = `${marble.id} ${counter}`
  const former = state.counters[key] ?? 0n
  const counters = value > former ? { ...state.counters, [key]: value } : state.counters
  return [{ result: String(former) }, { ...state, counters }]
}

function pending(state: Reference): Step {
  if (state.pending === undefined || state.plan === undefined) return refuse(state, 'update_missing')
  const { plan, salt, agreed } = state.pending
  const missingUsers = updatersOf(state.plan).filter((name) => !agreed.includes(name))
  return [{ result: { raw: renderPlan(plan, salt).toString(), missingUsers } }, state]
}
