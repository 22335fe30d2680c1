import {
  boolValue,
  bytesValue,
  intType,
  intValue,
  sliceOf,
  sliceValue,
  stringValue,
  structValue,
} from '../values.ts'
import {
  bytesType,
  type GoMethod,
  type GoValue,
  type SliceType,
  type SliceValue,
  type StructType,
  type StructValue,
} from '../values.ts'
import { arcsOf } from './der.ts'
import { getter, unary } from './methods.ts'

// Object identifiers: Go has them as a list of numbers (asn1.ObjectIdentifier) and as DER (x509.OID).

const identifierMethods = new Map<string, GoMethod>()
export const objectIdentifierType: SliceType = sliceOf(intType, 'asn1.ObjectIdentifier', identifierMethods)
export const objectIdentifiersType = sliceOf(objectIdentifierType)

const oidMethods = new Map<string, GoMethod>()
export const oidType: StructType = {
  kind: 'struct',
  name: 'x509.OID',
  methods: oidMethods,
  fields: [{ name: 'der', type: bytesType }],
}
export const oidsType = sliceOf(oidType)

/** Largest arc that an asn1.ObjectIdentifier holds: Go limits it to 31 bits. */
const maximumArc = 2n ** 31n - 1n

export const fitsObjectIdentifier = (content: Uint8Array): boolean =>
  arcsOf(content).every((arc) => arc <= maximumArc)

export const objectIdentifierValue = (content: Uint8Array): SliceValue =>
  sliceValue(
    arcsOf(content).map((arc) => intValue(arc)),
    objectIdentifierType,
  )

export const oidValue = (content: Uint8Array): StructValue => structValue(oidType, [bytesValue(content)])

/** An identifier in dotted form, from the content of its DER element. */
export const dotted = (content: Uint8Array): string => arcsOf(content).join('.')

function dottedOf(value: GoValue): string {
  if (value.kind === 'slice')
    return (value.items ?? []).map((arc) => (arc.kind === 'int' ? arc.value : 0n)).join('.')
  const der = value.kind === 'struct' ? value.field(0) : undefined
  return der?.kind === 'bytes' && der.data !== undefined ? dotted(der.data) : ''
}

const equality = (parameter: SliceType | StructType): GoMethod =>
  unary(parameter, (left, right) => boolValue(dottedOf(left) === dottedOf(right)))
const text = getter((value) => stringValue(dottedOf(value)))

identifierMethods.set('String', text)
identifierMethods.set('Equal', equality(objectIdentifierType))
oidMethods.set('String', text)
oidMethods.set('Equal', equality(oidType))
oidMethods.set('EqualASN1OID', equality(objectIdentifierType))
oidMethods.set(
  'MarshalText',
  getter((value) => bytesValue(Buffer.from(dottedOf(value)))),
)
oidMethods.set(
  'MarshalBinary',
  getter((value) => (value.kind === 'struct' ? value.field(0) : bytesValue(undefined))),
)
