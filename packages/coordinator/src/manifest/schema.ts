import { collateralForm, infrastructureForm, packageForm } from '@taw/attestation'
import { certificateSource } from './certificate-shape.ts'
import type { ParameterValue } from './model.ts'
import { pathOf, type Place } from './path.ts'
import { policyRecord } from './policy-shape.ts'
import {
  flag,
  list,
  map,
  record,
  reportWrongKind,
  text,
  unsigned64,
  type DecodeContext,
  type RecordOf,
  type Shape,
} from './shape.ts'
import { decodeBase64, decodeHex } from './text-encodings.ts'

/** The members of a manifest (spec/manifest.md). `model.ts` says what they mean. */

const texts = list(text)

const parameterObject = record({ Data: text, Encoding: text, NoTemplates: flag })

/** An entry of `Files` or `Env`: a string, or an object that says how its data is encoded. */
const parameterValue: Shape<ParameterValue> = {
  expects: 'a string, or an object with "Data", "Encoding" and "NoTemplates"',
  empty: () => ({ data: new Uint8Array(), isTemplate: true }),
  read(value, place, _former, context) {
    if (value.kind === 'string') return { data: Buffer.from(value.value, 'utf8'), isTemplate: true }
    if (value.kind !== 'object') {
      reportWrongKind(this, value, place, context)
      return this.empty()
    }
    const { Data, Encoding, NoTemplates } = parameterObject.read(value, place, undefined, context)
    return {
      data: decodeData(Data ?? '', Encoding ?? '', place, context),
      isTemplate: NoTemplates !== true,
    }
  },
}

/** Never shows the data: people put credentials into manifests, against all advice. */
function decodeData(
  data: string,
  encoding: string,
  place: Place | undefined,
  { report }: DecodeContext,
): Uint8Array {
  const refuse = (member: string, message: string) => {
    report.undecodable(pathOf({ parent: place, key: member }), message)
    return new Uint8Array()
  }
  switch (encoding.toLowerCase()) {
    case '':
    case 'string':
      return Buffer.from(data, 'utf8')
    case 'base64':
      return (
        decodeBase64(data) ??
        refuse('Data', 'must be standard base64 with padding, as "Encoding" says, but is not')
      )
    case 'hex':
      return (
        decodeHex(data) ??
        refuse('Data', 'must be an even number of hex digits, as "Encoding" says, but is not')
      )
    default:
      return refuse(
        'Encoding',
        `must be "string", "base64" or "hex", but is ${JSON.stringify(encoding.slice(0, 100))}`,
      )
  }
}

const packagePolicy = policyRecord(packageForm)
const infrastructure = policyRecord(infrastructureForm)

const marble = record({
  Package: text,
  MaxActivations: unsigned64,
  Parameters: record({ Files: map(parameterValue), Env: map(parameterValue), Argv: texts }),
  TLS: texts,
  DisableSecretBinding: flag,
  AllowedNames: texts,
})

const secret = record({
  Type: text,
  Size: unsigned64,
  Shared: flag,
  UserDefined: flag,
  ValidFor: unsigned64,
  Cert: certificateSource,
})

const user = record({ Certificate: text, Roles: texts })
const role = record({ ResourceType: text, ResourceNames: texts, Actions: texts })

/** Incoming and outgoing entries have the same members; which of them count differs. */
const tlsEntry = record({ Port: text, Addr: text, Cert: text, DisableClientAuth: flag })
const tlsTag = record({ Incoming: list(tlsEntry), Outgoing: list(tlsEntry) })

const config = record({
  SealMode: text,
  FeatureGates: texts,
  UpdateThreshold: unsigned64,
  RecoveryThreshold: unsigned64,
  RotateRootSecret: flag,
  MinimumCurve: text,
  Collateral: policyRecord(collateralForm),
})

export const manifestShape = record({
  Packages: map(packagePolicy),
  Infrastructures: map(infrastructure),
  Marbles: map(marble),
  Secrets: map(secret),
  Users: map(user),
  Roles: map(role),
  RecoveryKeys: map(text),
  TLS: map(tlsTag),
  Config: config,
})

/** The manifest as written: members that are absent or null are undefined, nothing is checked but the kinds. */
export type ManifestSource = RecordOf<(typeof manifestShape)['fields']>
/** Members by their names; `policy-shape.ts` says what they decode to. */
export type PackageSource = Readonly<Record<string, unknown>>
export type MarbleSource = RecordOf<(typeof marble)['fields']>
export type SecretSource = RecordOf<(typeof secret)['fields']>
export type RoleSource = RecordOf<(typeof role)['fields']>
export type TlsEntrySource = RecordOf<(typeof tlsEntry)['fields']>
export type ConfigSource = RecordOf<(typeof config)['fields']>
