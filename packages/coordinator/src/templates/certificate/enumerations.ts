import {
  intValue,
  sliceOf,
  stringValue,
  type GoMethod,
  type GoValue,
  type IntValue,
  type ScalarType,
} from '../values.ts'
import { getter } from './methods.ts'

// The numbered kinds of Go's package x509, which print as names.

const enumeration = (name: string, text: (number: number) => string): ScalarType => ({
  kind: 'int',
  name,
  methods: new Map<string, GoMethod>([['String', getter((value) => stringValue(text(numberOf(value))))]]),
})

const numberOf = (value: GoValue): number => (value.kind === 'int' ? Number(value.value) : 0)

const signatureNames = [
  undefined,
  'MD2-RSA',
  'MD5-RSA',
  'SHA1-RSA',
  'SHA256-RSA',
  'SHA384-RSA',
  'SHA512-RSA',
  'DSA-SHA1',
  'DSA-SHA256',
  'ECDSA-SHA1',
  'ECDSA-SHA256',
  'ECDSA-SHA384',
  'ECDSA-SHA512',
  'SHA256-RSAPSS',
  'SHA384-RSAPSS',
  'SHA512-RSAPSS',
  'Ed25519',
]
export const signatureAlgorithmType = enumeration(
  'x509.SignatureAlgorithm',
  (number) => signatureNames[number] ?? `${number}`,
)

const keyNames = [undefined, 'RSA', 'DSA', 'ECDSA', 'Ed25519']
export const keyAlgorithmType = enumeration(
  'x509.PublicKeyAlgorithm',
  (number) => keyNames[number] ?? `${number}`,
)

// A set of several bits has no name (Go 1.26).
const keyUsageNames: ReadonlyMap<number, string> = new Map([
  [1, 'digitalSignature'],
  [2, 'contentCommitment'],
  [4, 'keyEncipherment'],
  [8, 'dataEncipherment'],
  [16, 'keyAgreement'],
  [32, 'keyCertSign'],
  [64, 'cRLSign'],
  [128, 'encipherOnly'],
  [256, 'decipherOnly'],
])
export const keyUsageType = enumeration(
  'x509.KeyUsage',
  (number) => keyUsageNames.get(number) ?? `KeyUsage(${number})`,
)

/** Extended key usages in the order of Go's numbers, with their object identifiers. */
const extendedUsages: readonly (readonly [name: string, oid: string])[] = [
  ['anyExtendedKeyUsage', '2.5.29.37.0'],
  ['serverAuth', '1.3.6.1.5.5.7.3.1'],
  ['clientAuth', '1.3.6.1.5.5.7.3.2'],
  ['codeSigning', '1.3.6.1.5.5.7.3.3'],
  ['emailProtection', '1.3.6.1.5.5.7.3.4'],
  ['ipsecEndSystem', '1.3.6.1.5.5.7.3.5'],
  ['ipsecTunnel', '1.3.6.1.5.5.7.3.6'],
  ['ipsecUser', '1.3.6.1.5.5.7.3.7'],
  ['timeStamping', '1.3.6.1.5.5.7.3.8'],
  ['OCSPSigning', '1.3.6.1.5.5.7.3.9'],
  ['msSGC', '1.3.6.1.4.1.311.10.3.3'],
  ['nsSGC', '2.16.840.1.113730.4.1'],
  ['msCodeCom', '1.3.6.1.4.1.311.2.1.22'],
  ['msKernelCode', '1.3.6.1.4.1.311.61.1.1'],
]
const extendedKeyUsageType = enumeration(
  'x509.ExtKeyUsage',
  (number) => extendedUsages[number]?.[0] ?? `ExtKeyUsage(${number})`,
)
export const extendedKeyUsagesType = sliceOf(extendedKeyUsageType)

/** The usage of an object identifier; undefined where Go has no number for it. */
export function extendedKeyUsage(oid: string): IntValue | undefined {
  const number = extendedUsages.findIndex(([, known]) => known === oid)
  return number < 0 ? undefined : intValue(BigInt(number), extendedKeyUsageType)
}

/** Signature algorithms by object identifier; RSASSA-PSS is told apart by its parameters. */
const signatures: ReadonlyMap<string, number> = new Map([
  ['1.2.840.113549.1.1.4', 2],
  ['1.2.840.113549.1.1.5', 3],
  ['1.3.14.3.2.29', 3],
  ['1.2.840.113549.1.1.11', 4],
  ['1.2.840.113549.1.1.12', 5],
  ['1.2.840.113549.1.1.13', 6],
  ['1.2.840.10040.4.3', 7],
  ['2.16.840.1.101.3.4.3.2', 8],
  ['1.2.840.10045.4.1', 9],
  ['1.2.840.10045.4.3.2', 10],
  ['1.2.840.10045.4.3.3', 11],
  ['1.2.840.10045.4.3.4', 12],
  ['1.3.101.112', 16],
])
const pss = '1.2.840.113549.1.1.10'

/** Hashes in the parameters of RSASSA-PSS, as the hexadecimal of their identifiers. */
const pssHashes: readonly (readonly [der: string, number: number])[] = [
  ['0609608648016503040201', 13],
  ['0609608648016503040202', 14],
  ['0609608648016503040203', 15],
]

export function signatureAlgorithm(oid: string, parameters: string): IntValue {
  const number = oid === pss ? pssHashes.find(([der]) => parameters.includes(der))?.[1] : signatures.get(oid)
  return intValue(BigInt(number ?? 0), signatureAlgorithmType)
}
