import fc from 'fast-check'
import { people, recoveryKeys } from './test-deployment.ts'

/** A manifest as tests of updates think of it: few names, all that updates have rules for. */
export interface ManifestPlan {
  readonly appVersion: number
  readonly hasSecondPackage: boolean
  readonly debug: boolean
  readonly marbles: Readonly<Record<string, MarblePlan | undefined>>
  readonly secrets: Readonly<Record<string, SecretPlan | undefined>>
  /** User → roles, of those in {@link roleNames}. */
  readonly users: Readonly<Record<string, readonly RoleName[] | undefined>>
  readonly updateThreshold: number
  readonly rotate: boolean
  readonly counters: boolean
  /** Indices into `recoveryKeys`. */
  readonly recovery: readonly number[]
  readonly sealMode: 'ProductKey' | 'UniqueKey' | 'Disabled'
}

export interface MarblePlan {
  readonly package: 'app' | 'other'
  readonly limit: number
  readonly unbound: boolean
  readonly flavour: string
}

export interface SecretPlan {
  readonly type: 'symmetric-key' | 'cert-ecdsa' | 'cert-ed25519' | 'plain'
  readonly size: number
  readonly shared: boolean
  readonly userDefined: boolean
  readonly validFor: number
}

/** `m`: UpdateManifest; `v`: UpdateSecurityVersion on `app`; `r`, `w`: ReadSecret, WriteSecret. */
export const roleNames = ['m', 'v', 'r', 'w'] as const
export type RoleName = (typeof roleNames)[number]

const userNames = people.map(({ name }) => name).filter((name) => name !== 'mallory')

/** Secrets a user may read: what is neither shared nor user-defined has no value to read. */
export const readable = ({ secrets }: ManifestPlan): readonly string[] =>
  Object.entries(secrets).flatMap(([name, secret]) => (secret?.shared || secret?.userDefined ? [name] : []))

export const writable = ({ secrets }: ManifestPlan): readonly string[] =>
  Object.entries(secrets).flatMap(([name, secret]) => (secret?.userDefined ? [name] : []))

/** Users who may update the whole manifest. */
export const updatersOf = ({ users }: ManifestPlan): readonly string[] =>
  Object.entries(users).flatMap(([name, roles]) => (roles?.includes('m') ? [name] : []))

/** No role may be about nothing, so those that would be are left out. */
export const withoutEmptyRoles = (plan: ManifestPlan): ManifestPlan => ({
  ...plan,
  users: Object.fromEntries(
    Object.entries(plan.users).map(([name, roles]) => [
      name,
      roles?.filter(
        (role) => (role !== 'r' || readable(plan).length > 0) && (role !== 'w' || writable(plan).length > 0),
      ),
    ]),
  ),
})

/** The JSON that is uploaded. `salt` makes other bytes with the same meaning. */
export function renderPlan(given: ManifestPlan, salt = 0): Buffer {
  const plan = withoutEmptyRoles(given)
  const signer = { SignerID: 'c1'.repeat(32), ProductID: 1 }
  const names = Object.entries(plan.secrets).flatMap(([name, secret]) => (secret ? [name] : []))
  const env: Record<string, string> = {}
  for (const name of names) {
    env[`NOW_${name}`] = `{{ base64 .Secrets.${name}.Private }}`
    if (plan.secrets[name]?.userDefined === true) continue
    env[`PREVIOUS_${name}`] = `{{ base64 .Previous.Secrets.${name}.Private }}`
  }
  const entries = <T>(
    from: Readonly<Record<string, T | undefined>>,
    toJson: (value: T) => unknown,
  ): unknown =>
    Object.fromEntries(
      Object.entries(from).flatMap(([name, value]) => (value === undefined ? [] : [[name, toJson(value)]])),
    )
  const some = (role: object, list: readonly string[]): object | undefined =>
    list.length === 0 ? undefined : { ...role, ResourceNames: list }
  const document = {
    Packages: {
      app: { ...signer, SecurityVersion: plan.appVersion, Debug: plan.debug },
      ...(plan.hasSecondPackage && { other: { ...signer, SecurityVersion: 1 } }),
    },
    Marbles: entries(plan.marbles, ({ package: wanted, limit, unbound, flavour }) => ({
      Package: plan.hasSecondPackage ? wanted : 'app',
      MaxActivations: limit,
      DisableSecretBinding: unbound,
      Parameters: { Env: { ...env, FLAVOUR: flavour } },
    })),
    Secrets: entries(plan.secrets, ({ type, size, shared, userDefined, validFor }) => ({
      Type: type,
      Size: size,
      Shared: shared,
      UserDefined: userDefined,
      ValidFor: validFor,
    })),
    Roles: entries(
      {
        m: { ResourceType: 'Manifest', Actions: ['UpdateManifest'] },
        v: { ResourceType: 'Packages', ResourceNames: ['app'], Actions: ['UpdateSecurityVersion'] },
        r: some({ ResourceType: 'Secrets', Actions: ['ReadSecret'] }, readable(plan)),
        w: some({ ResourceType: 'Secrets', Actions: ['WriteSecret'] }, writable(plan)),
      },
      (role) => role,
    ),
    Users: entries(
      Object.fromEntries(
        people.map(({ name, pem }) => {
          const roles = plan.users[name]
          return [name, roles && { Certificate: pem, Roles: roles }]
        }),
      ),
      (user) => user,
    ),
    RecoveryKeys: Object.fromEntries(plan.recovery.map((index) => [`party${index}`, recoveryKeys[index]])),
    Config: {
      SealMode: plan.sealMode,
      UpdateThreshold: plan.updateThreshold,
      RotateRootSecret: plan.rotate,
      FeatureGates: plan.counters ? ['MonotonicCounter'] : [],
    },
  }
  return Buffer.from(JSON.stringify(document) + ' '.repeat(salt))
}

const marble = fc.record<MarblePlan>({
  package: fc.constantFrom('app', 'other'),
  limit: fc.constantFrom(0, 0, 1, 2, 3),
  unbound: fc.boolean(),
  flavour: fc.constantFrom('', 'sweet'),
})

const secretKinds: readonly SecretPlan[] = [
  { type: 'symmetric-key', size: 128, shared: true, userDefined: false, validFor: 0 },
  { type: 'symmetric-key', size: 256, shared: true, userDefined: false, validFor: 0 },
  { type: 'symmetric-key', size: 128, shared: false, userDefined: false, validFor: 0 },
  { type: 'symmetric-key', size: 256, shared: false, userDefined: false, validFor: 0 },
  { type: 'symmetric-key', size: 128, shared: true, userDefined: true, validFor: 0 },
  { type: 'plain', size: 0, shared: false, userDefined: true, validFor: 0 },
  { type: 'cert-ecdsa', size: 256, shared: true, userDefined: false, validFor: 0 },
  { type: 'cert-ecdsa', size: 256, shared: true, userDefined: false, validFor: 7 },
  { type: 'cert-ed25519', size: 0, shared: false, userDefined: false, validFor: 7 },
]

const optional = <T>(value: fc.Arbitrary<T>, freq = 3): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq })

/** Manifests that are taken, except where a threshold is out of reach. */
export const manifestPlan = (secrets = ['a', 'b', 'c']): fc.Arbitrary<ManifestPlan> =>
  fc
    .record({
      appVersion: fc.constantFrom(1, 2, 3),
      hasSecondPackage: fc.boolean(),
      debug: fc.constantFrom(false, false, true),
      web: marble,
      job: optional(marble),
      secrets: fc.tuple(...secrets.map(() => optional(fc.constantFrom(...secretKinds)))),
      users: fc.tuple(...userNames.map(() => optional(fc.subarray([...roleNames], { minLength: 1 }), 5))),
      updateThreshold: fc.constantFrom(0, 0, 1, 2),
      rotate: fc.boolean(),
      counters: fc.boolean(),
      recovery: fc.constantFrom<readonly number[]>([], [], [0], [0, 1], [1]),
      sealMode: fc.constantFrom('ProductKey', 'ProductKey', 'ProductKey', 'UniqueKey', 'Disabled'),
    })
    .map(({ web, job, secrets: chosen, users, sealMode, ...rest }) => ({
      ...rest,
      sealMode,
      marbles: { web, job },
      secrets: Object.fromEntries(secrets.map((name, index) => [name, chosen[index]])),
      users: Object.fromEntries(userNames.map((name, index) => [name, users[index]])),
    }))
