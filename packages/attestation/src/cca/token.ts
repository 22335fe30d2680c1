import {
  CborTagged,
  cborArray,
  cborBytes,
  cborInteger,
  cborMap,
  cborOptional,
  cborText,
  decodeCbor,
} from '../core/cbor.ts'
import type { CborMap } from '../core/cbor.ts'
import { parseCoseSign1 } from '../core/cose.ts'
import type { CoseSign1 } from '../core/cose.ts'
import { toHex } from '../core/encoding.ts'
import { decoding, malformed } from '../core/errors.ts'

// Arm DEN0137, "Realm Management Monitor specification" 1.0, A7.2: CCA attestation token.

/** Tag of the collection, and the labels of the two tokens in it. */
const TAG_COLLECTION = 399
export const LABEL = { platform: 44234, realm: 44241 } as const
/** Platform claims. */
export const PLATFORM = {
  profile: 265,
  challenge: 10,
  implementationId: 2396,
  instanceId: 256,
  config: 2401,
  lifecycle: 2395,
  softwareComponents: 2399,
  verificationService: 2400,
  hashAlgorithm: 2402,
} as const
/** Members of a software component. */
export const COMPONENT = { type: 1, measurement: 2, version: 4, signerId: 5, hashAlgorithm: 6 } as const
/** Realm claims. */
export const REALM = {
  profile: 265,
  challenge: 10,
  personalizationValue: 44235,
  hashAlgorithm: 44236,
  publicKey: 44237,
  initialMeasurement: 44238,
  extensibleMeasurements: 44239,
  publicKeyHashAlgorithm: 44240,
} as const

/** The first is of older implementations. */
const PLATFORM_PROFILES: readonly string[] = [
  'http://arm.com/CCA-SSD/1.0.0',
  'tag:arm.com,2023:cca_platform#1.0.0',
]
/** Older implementations leave the profile out. */
const REALM_PROFILES: readonly string[] = ['tag:arm.com,2023:realm#1.0.0']

/** Examples have 1.4 to 2.3 KB. */
const MAX_TOKEN_BYTES = 64 * 1024
/** Realm challenge and personalization value; bytes. */
const REALM_DATA_LENGTH = 64
/** Digests of SHA-256, SHA-384 and SHA-512; bytes. */
const DIGEST_LENGTHS: readonly number[] = [32, 48, 64]
/** UEID of type 1 (RFC 9711, 4.2.1.1): its type and 32 bytes. */
const INSTANCE_ID_LENGTH = 33
const REM_COUNT = 4

/** Byte strings are lower-case hex. */
export interface CcaPlatformClaims {
  readonly profile: string
  /** Hash of the realm's public key: what ties the two tokens together. */
  readonly challenge: string
  readonly implementationId: string
  readonly instanceId: string
  readonly config: string
  readonly lifecycle: number
  readonly softwareComponents: readonly CcaSoftwareComponent[]
  readonly verificationService: string | undefined
  readonly hashAlgorithm: string | undefined
}

export interface CcaSoftwareComponent {
  readonly type: string | undefined
  readonly measurement: string
  readonly version: string | undefined
  readonly signerId: string
  readonly hashAlgorithm: string | undefined
}

export interface CcaRealmClaims {
  /** Undefined in tokens of older implementations. */
  readonly profile: string | undefined
  /** 64 bytes that the requester gave. */
  readonly challenge: string
  readonly personalizationValue: string
  readonly initialMeasurement: string
  readonly extensibleMeasurements: readonly string[]
  readonly hashAlgorithm: string
  /** The realm attestation key (RAK) as it stands: COSE_Key, or an uncompressed point of P-384. */
  readonly publicKey: string
  readonly publicKeyHashAlgorithm: string
}

/** A token that was read, not verified. */
export interface CcaToken {
  readonly platform: { readonly cose: CoseSign1; readonly claims: CcaPlatformClaims }
  readonly realm: { readonly cose: CoseSign1; readonly claims: CcaRealmClaims }
}

/** @throws EvidenceInvalid `token-format` */
export function parseCcaToken(bytes: Uint8Array): CcaToken {
  return decoding('token-format', 'the CCA token', () => {
    if (bytes.length > MAX_TOKEN_BYTES) {
      throw malformed('it is too large', `at most ${MAX_TOKEN_BYTES} bytes`, `${bytes.length} bytes`)
    }
    const item = decodeCbor(bytes, { knownTags: [TAG_COLLECTION] })
    const collection = cborMap(item instanceof CborTagged ? item.value : item, 'the collection')
    const platform = parseCoseSign1(cborBytes(collection.get(LABEL.platform), 'the platform token'))
    const realm = parseCoseSign1(cborBytes(collection.get(LABEL.realm), 'the realm token'))
    return {
      platform: { cose: platform, claims: platformClaims(claimsOf(platform, 'the platform token')) },
      realm: { cose: realm, claims: realmClaims(claimsOf(realm, 'the realm token')) },
    }
  })
}

const claimsOf = ({ payload }: CoseSign1, what: string): CborMap => cborMap(decodeCbor(payload), what)

function platformClaims(claims: CborMap): CcaPlatformClaims {
  const profile = cborText(claims.get(PLATFORM.profile), 'the profile of the platform token')
  requireProfile(profile, PLATFORM_PROFILES, 'platform')
  return {
    profile,
    challenge: hex(claims, PLATFORM.challenge, 'the platform challenge', DIGEST_LENGTHS),
    implementationId: hex(claims, PLATFORM.implementationId, 'the implementation id', [32]),
    instanceId: hex(claims, PLATFORM.instanceId, 'the instance id', [INSTANCE_ID_LENGTH]),
    config: hex(claims, PLATFORM.config, 'the platform configuration'),
    lifecycle: cborInteger(claims.get(PLATFORM.lifecycle), 'the lifecycle'),
    softwareComponents: cborArray(claims.get(PLATFORM.softwareComponents), 'the software components').map(
      component,
    ),
    verificationService: text(claims, PLATFORM.verificationService, 'the verification service'),
    hashAlgorithm: text(claims, PLATFORM.hashAlgorithm, 'the hash algorithm of the platform'),
  }
}

function component(item: unknown): CcaSoftwareComponent {
  const what = 'a software component'
  const members = cborMap(item, what)
  return {
    type: text(members, COMPONENT.type, `the type of ${what}`),
    measurement: hex(members, COMPONENT.measurement, `the measurement of ${what}`, DIGEST_LENGTHS),
    version: text(members, COMPONENT.version, `the version of ${what}`),
    signerId: hex(members, COMPONENT.signerId, `the signer of ${what}`, DIGEST_LENGTHS),
    hashAlgorithm: text(members, COMPONENT.hashAlgorithm, `the hash algorithm of ${what}`),
  }
}

function realmClaims(claims: CborMap): CcaRealmClaims {
  const profile = text(claims, REALM.profile, 'the profile of the realm token')
  if (profile !== undefined) requireProfile(profile, REALM_PROFILES, 'realm')
  const measurements = cborArray(claims.get(REALM.extensibleMeasurements), 'the extensible measurements')
  if (measurements.length !== REM_COUNT) {
    throw malformed('the realm token has other measurements', String(REM_COUNT), String(measurements.length))
  }
  return {
    profile,
    challenge: hex(claims, REALM.challenge, 'the realm challenge', [REALM_DATA_LENGTH]),
    personalizationValue: hex(claims, REALM.personalizationValue, 'the personalization value', [
      REALM_DATA_LENGTH,
    ]),
    initialMeasurement: hex(claims, REALM.initialMeasurement, 'the initial measurement', DIGEST_LENGTHS),
    extensibleMeasurements: measurements.map((item) => digest(item, 'an extensible measurement')),
    hashAlgorithm: cborText(claims.get(REALM.hashAlgorithm), 'the hash algorithm of the realm'),
    publicKey: hex(claims, REALM.publicKey, 'the public key of the realm'),
    publicKeyHashAlgorithm: cborText(
      claims.get(REALM.publicKeyHashAlgorithm),
      "the hash algorithm of the realm's key",
    ),
  }
}

function requireProfile(profile: string, known: readonly string[], which: string): void {
  if (known.includes(profile)) return
  throw malformed(
    `the profile of the ${which} token is unknown`,
    known.join(' or '),
    `'${profile.slice(0, 60)}'`,
  )
}

const text = (claims: CborMap, label: number, what: string): string | undefined =>
  cborOptional(claims.get(label), what, cborText)

function hex(claims: CborMap, label: number, what: string, lengths?: readonly number[]): string {
  return sized(cborBytes(claims.get(label), what), what, lengths)
}

const digest = (item: unknown, what: string): string => sized(cborBytes(item, what), what, DIGEST_LENGTHS)

function sized(bytes: Uint8Array, what: string, lengths: readonly number[] | undefined): string {
  if (lengths && !lengths.includes(bytes.length)) {
    throw malformed(`${what} has another length`, `${lengths.join(', ')} bytes`, `${bytes.length} bytes`)
  }
  return toHex(bytes)
}
