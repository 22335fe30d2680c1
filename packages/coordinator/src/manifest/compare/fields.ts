import { createHash, createPublicKey } from 'node:crypto'
import type { PolicySource } from '@taw/attestation'
import type { FieldValue } from '@taw/protocol'
import type {
  InfrastructurePolicy,
  Manifest,
  MarbleDefinition,
  PackagePolicy,
  ParameterValue,
  RoleDefinition,
  SecretDefinition,
  TlsIncoming,
  TlsTag,
  UserDefinition,
} from '../model.ts'
import { certificateFields } from './certificate-fields.ts'

/** What an entry of a manifest says, in the manifest's own words. An absent field is undefined. */
export type Fields = Readonly<Record<string, FieldValue | undefined>>

/** Member → name → fields, for every member of a manifest whose entries have names. */
export function fieldsOf(manifest: Manifest): Readonly<Record<string, ReadonlyMap<string, Fields>>> {
  return {
    Packages: each(manifest.packages, packageFields),
    Infrastructures: each(manifest.infrastructures, infrastructureFields),
    Marbles: each(manifest.marbles, marbleFields),
    Secrets: each(manifest.secrets, secretFields),
    Users: each(manifest.users, userFields),
    Roles: each(manifest.roles, roleFields),
    RecoveryKeys: each(manifest.recoveryKeys, recoveryKeyFields),
    TLS: each(manifest.tls, tlsFields),
  }
}

export const configFields = ({ config }: Manifest): Fields => ({
  SealMode: config.sealMode,
  FeatureGates: asSet(config.featureGates),
  UpdateThreshold: config.updateThreshold,
  RecoveryThreshold: config.recoveryThreshold,
  RotateRootSecret: config.rotateRootSecret,
  MinimumCurve: config.minimumCurve,
  'Collateral.MaximumAge': seconds(config.collateral.maximumAge),
  'Collateral.GracePeriod': seconds(config.collateral.gracePeriod),
  'Collateral.MinimumTCBEvaluationDataNumber': config.collateral.minimumTcbEvaluationDataNumber,
})

const seconds = (milliseconds: number | undefined): string | undefined =>
  milliseconds === undefined ? undefined : `${milliseconds / 1000}s`

const each = <T>(
  entries: ReadonlyMap<string, T>,
  toFields: (entry: T) => Fields,
): ReadonlyMap<string, Fields> => new Map([...entries].map(([name, entry]) => [name, toFields(entry)]))

export const packageFields = ({ sgx, source }: PackagePolicy): Fields => ({
  ...(sgx && sgxFields(sgx)),
  ...memberFields(source, ['TDX', 'SNP', 'Nitro', 'AzureVTPM']),
})

const sgxFields = (policy: NonNullable<PackagePolicy['sgx']>): Fields => ({
  UniqueID: policy.uniqueId,
  SignerID: policy.signerId,
  ProductID: policy.productId === undefined ? undefined : exactNumber(BigInt(policy.productId)),
  SecurityVersion: policy.securityVersion,
  Debug: policy.debug,
  AcceptedTCBStatuses: policy.acceptedTcbStatuses && asSet(policy.acceptedTcbStatuses),
  AcceptedAdvisories: asSet(policy.acceptedAdvisories ?? []),
})

const infrastructureFields = ({ intel, source }: InfrastructurePolicy): Fields => ({
  CPUSVN: intel?.cpuSvn && Buffer.from(intel.cpuSvn).toString('hex'),
  QESVN: intel?.qeSvn,
  PCESVN: intel?.pceSvn,
  RootCA: intel?.rootCa && digest(intel.rootCa),
  ...memberFields(source, ['SNP', 'Nitro']),
})

/** Members that are objects, field by field: `SNP.MinimumTCB.Microcode`. */
const memberFields = (source: PolicySource | undefined, members: readonly string[]): Fields =>
  Object.fromEntries(members.flatMap((member) => flatten(member, source?.[member])))

function flatten(place: string, value: unknown): readonly (readonly [string, FieldValue])[] {
  // As good as absent, unlike other flags and lists.
  const isDefault = place.endsWith('.Debug') && value === false
  if (value === undefined || isDefault) return []
  if (value instanceof Uint8Array) return [[place, digest(value)]]
  if (Array.isArray(value)) return [[place, asSet(value.map(String))]]
  if (typeof value === 'bigint') return [[place, exactNumber(value)]]
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') {
    return [[place, value]]
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]) => flatten(`${place}.${name}`, member))
}

const marbleFields = (marble: MarbleDefinition): Fields => ({
  Package: marble.package,
  MaxActivations: marble.maxActivations,
  TLS: asSet(marble.tls),
  DisableSecretBinding: marble.disableSecretBinding,
  AllowedNames: marble.allowedNames && asSet(marble.allowedNames),
  ...parameterFields(marble),
})

/** Contents only by length and digest: people put credentials there, against all advice. */
export const parameterFields = ({ files, env, argv }: MarbleDefinition): Fields => ({
  ...Object.fromEntries([...files].map(([path, value]) => [`Parameters.Files.${path}`, contents(value)])),
  ...Object.fromEntries([...env].map(([name, value]) => [`Parameters.Env.${name}`, contents(value)])),
  'Parameters.Argv':
    argv.length === 0 ? undefined : { count: argv.length, sha256: digest(Buffer.from(JSON.stringify(argv))) },
})

const contents = ({ data, isTemplate }: ParameterValue): FieldValue => ({
  bytes: data.length,
  sha256: digest(data),
  ...(!isTemplate && { NoTemplates: true }),
})

const secretFields = (secret: SecretDefinition): Fields => ({
  Type: secret.type,
  Size: secret.size,
  Shared: secret.shared,
  UserDefined: secret.userDefined,
  ValidFor: secret.validFor,
  ...certificateFields(secret.certificate),
})

const userFields = ({ certificate, roles }: UserDefinition): Fields => ({
  Certificate: digest(certificate),
  Roles: asSet(roles),
})

const roleFields = ({ resourceType, resourceNames, actions }: RoleDefinition): Fields => ({
  ResourceType: resourceType,
  ResourceNames: asSet(resourceNames),
  Actions: asSet(actions),
})

/** The text counts too: recovery parties are known by it, so another text of the same key is another party. */
const recoveryKeyFields = (pem: string): Fields => ({
  Key: digest(createPublicKey(pem).export({ type: 'spki', format: 'der' })),
  'Key (PEM text)': digest(Buffer.from(pem)),
})

export const tlsFields = ({ incoming, outgoing }: TlsTag): Fields => ({
  Incoming: incoming.map(incomingField),
  Outgoing: outgoing.map(({ addr, port }) => ({ Addr: addr, Port: port })),
})

const incomingField = ({ port, cert, disableClientAuth }: TlsIncoming): FieldValue => ({
  Port: port,
  ...(cert !== undefined && { Cert: cert }),
  ...(disableClientAuth && { DisableClientAuth: true }),
})

/** Lists whose order and repetitions mean nothing. */
const asSet = (names: Iterable<string>): readonly string[] => [...new Set(names)].sort()

const exactNumber = (value: bigint): FieldValue =>
  value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value)

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
