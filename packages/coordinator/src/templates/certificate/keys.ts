import {
  anyType,
  bytesValue,
  intType,
  intValue,
  noMethods,
  pointerValue,
  sliceOf,
  structValue,
  uint8Type,
  zeroValue,
  type GoMethod,
  type GoValue,
  type PointerType,
  type SliceType,
  type StructType,
} from '../values.ts'
import { bitStringBytes, DerReader, hexOf, integerOf, tag } from './der.ts'
import { getter } from './methods.ts'
import { bigIntType, bigIntValue } from './numbers.ts'
import { dotted } from './oids.ts'

// Public keys as Go's certificate has them.

const rsaMethods = new Map<string, GoMethod>()
const rsaStruct: StructType = {
  kind: 'struct',
  name: 'rsa.PublicKey',
  methods: noMethods,
  fields: [
    { name: 'N', type: bigIntType },
    { name: 'E', type: intType },
  ],
}
const rsaType: PointerType = {
  kind: 'pointer',
  name: '*rsa.PublicKey',
  element: rsaStruct,
  methods: rsaMethods,
}

const ecdsaStruct: StructType = {
  kind: 'struct',
  name: 'ecdsa.PublicKey',
  methods: noMethods,
  fields: [
    { name: 'Curve', type: anyType },
    { name: 'X', type: bigIntType },
    { name: 'Y', type: bigIntType },
  ],
}
const ecdsaType: PointerType = {
  kind: 'pointer',
  name: '*ecdsa.PublicKey',
  element: ecdsaStruct,
  methods: noMethods,
}

const ed25519Type: SliceType = sliceOf(uint8Type, 'ed25519.PublicKey')

/** Algorithms by object identifier, with Go's numbers for them (x509.PublicKeyAlgorithm). */
const algorithms: ReadonlyMap<string, bigint> = new Map([
  ['1.2.840.113549.1.1.1', 1n],
  ['1.2.840.10040.4.1', 2n],
  ['1.2.840.10045.2.1', 3n],
  ['1.3.101.112', 4n],
])

interface DecodedKey {
  readonly algorithm: bigint
  readonly value: GoValue
}

/** A SubjectPublicKeyInfo, whole. */
export function decodeKey(info: Uint8Array): DecodedKey {
  const fields = new DerReader(info).inside(tag.sequence)
  const oid = dotted(fields.inside(tag.sequence).expect(tag.objectIdentifier).content)
  const key = bitStringBytes(fields.expect(tag.bitString).content)
  const algorithm = algorithms.get(oid) ?? 0n
  if (algorithm === 1n) return { algorithm, value: rsaKey(key) }
  if (algorithm === 3n) return { algorithm, value: ecdsaKey(key) }
  if (algorithm === 4n) return { algorithm, value: bytesValue(key, ed25519Type) }
  return { algorithm, value: zeroValue(anyType) }
}

/** RSAPublicKey (RFC 8017, A.1.1). */
function rsaKey(key: Uint8Array): GoValue {
  const numbers = new DerReader(key).inside(tag.sequence)
  const modulus = integerOf(numbers.expect(tag.integer).content)
  const exponent = integerOf(numbers.expect(tag.integer).content)
  return pointerValue(rsaType, structValue(rsaStruct, [bigIntValue(modulus), intValue(exponent)]))
}

/** An uncompressed point (SEC 1, 2.3.3): 4, then both coordinates in equal lengths. */
function ecdsaKey(point: Uint8Array): GoValue {
  const half = (point.length + 1) / 2
  const coordinates = [point.subarray(1, half), point.subarray(half)]
  const numbers = coordinates.map((coordinate) => bigIntValue(BigInt(`0x0${hexOf(coordinate)}`)))
  return pointerValue(ecdsaType, structValue(ecdsaStruct, [zeroValue(anyType), ...numbers]))
}

rsaMethods.set(
  'Size',
  getter((value) => {
    const target = value.kind === 'pointer' ? value.target : undefined
    const modulus = target?.kind === 'struct' ? target.field(0) : undefined
    const length = modulus?.type.methods.get('BitLen')?.call?.(modulus, [])
    return intValue(length?.kind === 'int' ? (length.value + 7n) / 8n : 0n)
  }),
)
