import { timingSafeEqual } from 'node:crypto'

import { bytesFromText, textFromBytes, type ByteString } from './bytes.ts'
import { certificateType, certificateValue } from './certificate/certificate.ts'
import {
  boolType,
  boolValue,
  bytesValue,
  noMethods,
  sliceOf,
  stringType,
  stringValue,
  structValue,
  uint8Type,
  uintType,
  uintValue,
  zeroValue,
  type GoMethod,
  type GoValue,
  type MapType,
  type MapValue,
  type StructType,
  type StructValue,
} from './values.ts'

/** A secret as templates see it: its definition, and its value where it has one. */
export interface TemplateSecret {
  /** `Type` of the manifest, such as `symmetric-key`. */
  readonly type: string
  /** `Size` of the manifest, in bits. */
  readonly size: number
  readonly shared: boolean
  readonly userDefined: boolean
  /** `ValidFor` of the manifest, in days. */
  readonly validFor: number
  /** The certificate in DER; undefined where there is none. It is decoded only when a template asks for a field. */
  readonly certificate: Uint8Array | undefined
  /** PKCS #8 in DER, or the bytes of a symmetric key or plain secret; undefined where it is not set. */
  readonly private: Uint8Array | undefined
  /** SubjectPublicKeyInfo in DER, or the same as `private`; undefined where it is not set. */
  readonly public: Uint8Array | undefined
}

/** Everything that a template can reach. */
export interface TemplateData {
  readonly secrets: ReadonlyMap<string, TemplateSecret>
  readonly previousSecrets: ReadonlyMap<string, TemplateSecret>
  readonly marbleRun: {
    readonly rootCA: TemplateSecret
    readonly marbleCert: TemplateSecret
    readonly coordinatorRoot: TemplateSecret
    readonly coordinatorIntermediate: TemplateSecret
  }
}

// The names of the types are what `%T` prints in the original; templates may compare them.
export const privateKeyType = sliceOf(uint8Type, 'manifest.PrivateKey')
export const publicKeyType = sliceOf(uint8Type, 'manifest.PublicKey')

const secretMethods = new Map<string, GoMethod>()

const secretType: StructType = {
  kind: 'struct',
  name: 'manifest.Secret',
  methods: secretMethods,
  fields: [
    { name: 'Type', type: stringType },
    { name: 'Size', type: uintType },
    { name: 'Shared', type: boolType },
    { name: 'UserDefined', type: boolType },
    { name: 'Cert', type: certificateType },
    { name: 'ValidFor', type: uintType },
    { name: 'Private', type: privateKeyType },
    { name: 'Public', type: publicKeyType },
  ],
}

const secretValues = new WeakMap<StructValue, TemplateSecret>()

function secretValue(secret: TemplateSecret): StructValue {
  let certificate: StructValue | undefined
  const parts: readonly (() => GoValue)[] = [
    () => stringValue(bytesFromText(secret.type)),
    () => uintValue(BigInt(secret.size)),
    () => boolValue(secret.shared),
    () => boolValue(secret.userDefined),
    () => (certificate ??= certificateValue(secret.certificate)),
    () => uintValue(BigInt(secret.validFor)),
    () => bytesValue(secret.private, privateKeyType),
    () => bytesValue(secret.public, publicKeyType),
  ]
  const value: StructValue = {
    kind: 'struct',
    type: secretType,
    field: (index) => parts[index]?.() ?? zeroValue(secretType),
  }
  secretValues.set(value, secret)
  return value
}

/** A secret whose definition is all zero: what `index` gives for a name that is not there. */
const emptySecret: TemplateSecret = {
  type: '',
  size: 0,
  shared: false,
  userDefined: false,
  validFor: 0,
  certificate: undefined,
  private: undefined,
  public: undefined,
}

/** The secret behind a value of {@link secretType}; undefined for any other value. */
export function secretBehind(value: GoValue): TemplateSecret | undefined {
  if (value.kind !== 'struct' || value.type !== secretType) return undefined
  return secretValues.get(value) ?? emptySecret
}

function sameBytes(left: Uint8Array = new Uint8Array(), right: Uint8Array = new Uint8Array()): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}

const sameDefinition = (left: TemplateSecret, right: TemplateSecret): boolean =>
  left.type === right.type &&
  left.size === right.size &&
  left.shared === right.shared &&
  left.userDefined === right.userDefined &&
  left.validFor === right.validFor

const sameSecret = (left: TemplateSecret, right: TemplateSecret): boolean =>
  sameDefinition(left, right) &&
  sameBytes(left.certificate, right.certificate) &&
  sameBytes(left.private, right.private) &&
  sameBytes(left.public, right.public)

const comparison = (compare: (left: TemplateSecret, right: TemplateSecret) => boolean): GoMethod => ({
  parameters: [secretType],
  call: (receiver, [operand]) => {
    const left = secretBehind(receiver)
    const right = operand === undefined ? undefined : secretBehind(operand)
    return boolValue(left !== undefined && right !== undefined && compare(left, right))
  },
})
secretMethods.set('Equal', comparison(sameSecret))
secretMethods.set('EqualDefinition', comparison(sameDefinition))

const secretMapType: MapType = {
  kind: 'map',
  name: 'map[string]manifest.Secret',
  element: secretType,
  methods: noMethods,
}

/** A map value over the secrets. Only those that are asked for become values. */
function secretMap(secrets: ReadonlyMap<string, TemplateSecret>): MapValue {
  const values = new Map<ByteString, StructValue>()
  return {
    kind: 'map',
    type: secretMapType,
    size: secrets.size,
    keys: () => Array.from(secrets.keys(), bytesFromText).sort(compareBytes),
    get: (key) => {
      const known = values.get(key)
      if (known !== undefined) return known
      const name = textFromBytes(key)
      const secret = name === undefined ? undefined : secrets.get(name)
      if (secret === undefined) return undefined
      const value = secretValue(secret)
      values.set(key, value)
      return value
    },
  }
}

const compareBytes = (left: ByteString, right: ByteString): number =>
  left < right ? -1 : left > right ? 1 : 0

const reservedType: StructType = {
  kind: 'struct',
  name: 'manifest.ReservedSecrets',
  methods: noMethods,
  fields: [
    { name: 'RootCA', type: secretType },
    { name: 'MarbleCert', type: secretType },
    { name: 'CoordinatorRoot', type: secretType },
    { name: 'CoordinatorIntermediate', type: secretType },
  ],
}
const wrapperType: StructType = {
  kind: 'struct',
  name: 'manifest.SecretsWrapper',
  methods: noMethods,
  fields: [
    { name: 'MarbleRun', type: reservedType },
    { name: 'Secrets', type: secretMapType },
  ],
}
const previousType: StructType = {
  kind: 'struct',
  name: 'struct { Secrets map[string]manifest.Secret }',
  methods: noMethods,
  fields: [{ name: 'Secrets', type: secretMapType }],
}
const rootType: StructType = {
  kind: 'struct',
  name: 'manifest.TemplateSecrets',
  methods: noMethods,
  fields: [
    { name: 'SecretsWrapper', type: wrapperType, embedded: true },
    { name: 'Previous', type: previousType },
  ],
}

/** What dot is at the start of a template. */
export function rootValue(data: TemplateData): StructValue {
  const { rootCA, marbleCert, coordinatorRoot, coordinatorIntermediate } = data.marbleRun
  const reserved = lazyStruct(reservedType, [rootCA, marbleCert, coordinatorRoot, coordinatorIntermediate])
  return structValue(rootType, [
    structValue(wrapperType, [reserved, secretMap(data.secrets)]),
    structValue(previousType, [secretMap(data.previousSecrets)]),
  ])
}

function lazyStruct(type: StructType, secrets: readonly TemplateSecret[]): StructValue {
  const values: StructValue[] = []
  return {
    kind: 'struct',
    type,
    field: (index) => (values[index] ??= secretValue(secrets[index] ?? emptySecret)),
  }
}
