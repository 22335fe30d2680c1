import type { ByteString } from './bytes.ts'

/**
 * Go's typed values, as far as templates can reach them.
 *
 * Fields and methods come from the tables of a type and from nowhere else, so no name in a template can reach a
 * property of a JavaScript object.
 */

export interface GoMethod {
  /** Types of the arguments. */
  readonly parameters: readonly GoType[]
  /** Carries the call out; absent where Go's templates refuse it, because it has two results or none. */
  readonly call?: (receiver: GoValue, operands: readonly GoValue[]) => GoValue | undefined
}

type MethodTable = ReadonlyMap<string, GoMethod>

interface NamedType {
  /** The name that `%T` prints. */
  readonly name: string
  readonly methods: MethodTable
}

export interface ScalarType extends NamedType {
  readonly kind: 'bool' | 'int' | 'uint' | 'float' | 'complex' | 'string'
}
export interface SliceType extends NamedType {
  readonly kind: 'slice'
  readonly element: GoType
}
export interface MapType extends NamedType {
  readonly kind: 'map'
  readonly element: GoType
}
interface StructField {
  readonly name: string
  readonly type: GoType
  /** A field whose own fields can be reached as if they were those of the struct. */
  readonly embedded?: boolean
}
export interface StructType extends NamedType {
  readonly kind: 'struct'
  readonly fields: readonly StructField[]
}
export interface PointerType extends NamedType {
  readonly kind: 'pointer'
  readonly element: GoType
  /** For the types that print themselves whatever the verb (Go's fmt.Formatter). */
  readonly format?: (value: GoValue, verb: string, flags: FormatFlags) => ByteString | undefined
}
interface InterfaceType extends NamedType {
  readonly kind: 'interface'
}
export type GoType = ScalarType | SliceType | MapType | StructType | PointerType | InterfaceType

/** What stood between the percent sign and the verb. */
export interface FormatFlags {
  plus: boolean
  minus: boolean
  sharp: boolean
  space: boolean
  zero: boolean
  /** `%+v`: structs with the names of their fields. */
  plusV: boolean
  /** `%#v`: Go syntax. */
  sharpV: boolean
  width: number | undefined
  precision: number | undefined
}

interface BoolValue {
  readonly kind: 'bool'
  readonly type: GoType
  readonly value: boolean
}
export interface IntValue {
  readonly kind: 'int'
  readonly type: GoType
  /** Within the signed 64 bits. */
  readonly value: bigint
}
export interface UintValue {
  readonly kind: 'uint'
  readonly type: GoType
  /** Within the unsigned 64 bits. */
  readonly value: bigint
}
interface FloatValue {
  readonly kind: 'float'
  readonly type: GoType
  readonly value: number
}
export interface ComplexValue {
  readonly kind: 'complex'
  readonly type: GoType
  readonly real: number
  readonly imaginary: number
}
interface StringValue {
  readonly kind: 'string'
  readonly type: GoType
  readonly value: ByteString
}
/** A slice of bytes, of whatever named type. */
export interface BytesValue {
  readonly kind: 'bytes'
  readonly type: SliceType
  /** The bytes up to the capacity; undefined for nil. */
  readonly data: Uint8Array | undefined
  readonly length: number
}
/** A slice of anything but bytes. */
export interface SliceValue {
  readonly kind: 'slice'
  readonly type: SliceType
  /** The elements up to the capacity; undefined for nil. */
  readonly items: readonly GoValue[] | undefined
  readonly length: number
}
/** A map from strings. */
export interface MapValue {
  readonly kind: 'map'
  readonly type: MapType
  readonly size: number
  /** The keys, in byte order. */
  readonly keys: () => readonly ByteString[]
  readonly get: (key: ByteString) => GoValue | undefined
}
export interface StructValue {
  readonly kind: 'struct'
  readonly type: StructType
  /** The field at an index of the type's fields. May throw a Fault where the data behind it can't be decoded. */
  readonly field: (index: number) => GoValue
}
export interface PointerValue {
  readonly kind: 'pointer'
  readonly type: PointerType
  /** What it points to; undefined for nil. */
  readonly target: GoValue | undefined
}
/** An interface that holds nothing. One that holds something is that something. */
interface NilInterface {
  readonly kind: 'nil-interface'
  readonly type: InterfaceType
}

/**
 * A value. Where `GoValue | undefined` stands, undefined is "no value": what a missing map key gives, and what nil is
 * to a function.
 */
export type GoValue =
  | BoolValue
  | IntValue
  | UintValue
  | FloatValue
  | ComplexValue
  | StringValue
  | BytesValue
  | SliceValue
  | MapValue
  | StructValue
  | PointerValue
  | NilInterface

export const noMethods: MethodTable = new Map()

const scalar = (kind: ScalarType['kind'], name: string): ScalarType => ({ kind, name, methods: noMethods })

export const boolType = scalar('bool', 'bool')
export const intType = scalar('int', 'int')
export const int64Type = scalar('int', 'int64')
export const uintType = scalar('uint', 'uint')
export const uint8Type = scalar('uint', 'uint8')
export const uint64Type = scalar('uint', 'uint64')
const float64Type = scalar('float', 'float64')
export const complexType = scalar('complex', 'complex128')
export const stringType = scalar('string', 'string')
/** The empty interface: it takes every value. */
export const anyType: InterfaceType = { kind: 'interface', name: 'interface {}', methods: noMethods }

export const sliceOf = (element: GoType, name = `[]${element.name}`, methods = noMethods): SliceType => ({
  kind: 'slice',
  name,
  element,
  methods,
})
export const bytesType = sliceOf(uint8Type)
export const stringsType = sliceOf(stringType)

export const boolValue = (value: boolean): BoolValue => ({ kind: 'bool', type: boolType, value })
export const intValue = (value: bigint, type: GoType = intType): IntValue => ({ kind: 'int', type, value })
export const uintValue = (value: bigint, type: GoType = uintType): UintValue => ({
  kind: 'uint',
  type,
  value,
})
export const floatValue = (value: number): FloatValue => ({ kind: 'float', type: float64Type, value })
export const stringValue = (value: ByteString, type: GoType = stringType): StringValue => ({
  kind: 'string',
  type,
  value,
})
export const bytesValue = (data: Uint8Array | undefined, type: SliceType = bytesType): BytesValue => ({
  kind: 'bytes',
  type,
  data,
  length: data?.length ?? 0,
})
export const sliceValue = (items: readonly GoValue[] | undefined, type: SliceType): SliceValue => ({
  kind: 'slice',
  type,
  items,
  length: items?.length ?? 0,
})
export const structValue = (type: StructType, fields: readonly GoValue[]): StructValue => ({
  kind: 'struct',
  type,
  field: (index) => fields[index] ?? zeroValue(fieldType(type, index)),
})
export const pointerValue = (type: PointerType, target: GoValue | undefined): PointerValue => ({
  kind: 'pointer',
  type,
  target,
})

function fieldType(type: StructType, index: number): GoType {
  const field = type.fields[index]
  if (field === undefined) throw new RangeError(`${type.name} has no field number ${index}`)
  return field.type
}

/** The value that Go gives a variable of a type that is set to nothing. */
export function zeroValue(type: GoType): GoValue {
  switch (type.kind) {
    case 'bool':
      return { kind: 'bool', type, value: false }
    case 'int':
      return { kind: 'int', type, value: 0n }
    case 'uint':
      return { kind: 'uint', type, value: 0n }
    case 'float':
      return { kind: 'float', type, value: 0 }
    case 'complex':
      return { kind: 'complex', type, real: 0, imaginary: 0 }
    case 'string':
      return { kind: 'string', type, value: '' }
    case 'slice':
      return type.element === uint8Type
        ? { kind: 'bytes', type, data: undefined, length: 0 }
        : { kind: 'slice', type, items: undefined, length: 0 }
    case 'map':
      return { kind: 'map', type, size: 0, keys: () => [], get: () => undefined }
    case 'struct':
      return { kind: 'struct', type, field: (index) => zeroValue(fieldType(type, index)) }
    case 'pointer':
      return { kind: 'pointer', type, target: undefined }
    case 'interface':
      return { kind: 'nil-interface', type }
  }
}

/** Elements of a slice, or undefined past its length. */
export function elementAt(slice: BytesValue | SliceValue, index: number): GoValue | undefined {
  if (index < 0 || index >= slice.length) return undefined
  if (slice.kind === 'slice') return slice.items?.[index]
  const byte = slice.data?.[index]
  return byte === undefined ? undefined : uintValue(BigInt(byte), slice.type.element)
}

/** The bytes of a slice, without what lies between its length and its capacity. */
export const dataOf = (slice: BytesValue): Uint8Array =>
  slice.data === undefined ? new Uint8Array() : slice.data.subarray(0, slice.length)

export const isNilSlice = (slice: BytesValue | SliceValue): boolean =>
  slice.kind === 'bytes' ? slice.data === undefined : slice.items === undefined

/** Go's truth: false, zero, nil and the empty are false, and so is no value; a struct is always true. */
export function isTrue(value: GoValue | undefined): boolean {
  if (value === undefined) return false
  switch (value.kind) {
    case 'bool':
      return value.value
    case 'int':
    case 'uint':
      return value.value !== 0n
    case 'float':
      return value.value !== 0
    case 'complex':
      return value.real !== 0 || value.imaginary !== 0
    case 'string':
      return value.value.length > 0
    case 'bytes':
    case 'slice':
      return value.length > 0
    case 'map':
      return value.size > 0
    case 'struct':
      return true
    case 'pointer':
      return value.target !== undefined
    case 'nil-interface':
      return false
  }
}
