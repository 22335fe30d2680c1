import { Fault } from '../error.ts'
import { isNilSlice, type GoType, type GoValue } from '../values.ts'

type Operand = GoValue | undefined

/** Whether the first operand equals one of the others; a match ends the search before the next is looked at. */
export function isAnyEqual(first: Operand, others: readonly Operand[]): boolean {
  return others.some((other) => areEqual(first, other))
}

/** Go's `eq`: within one kind of basic values, with signed and unsigned integers as one, or with nil. */
export function areEqual(left: Operand, right: Operand): boolean {
  if (left === undefined || right === undefined) return isNil(left) && isNil(right)
  if (isInteger(left) && isInteger(right)) return left.value === right.value
  if (left.kind === 'complex' && right.kind === 'complex')
    return left.real === right.real && left.imaginary === right.imaginary
  if (
    (left.kind === 'bool' && right.kind === 'bool') ||
    (left.kind === 'float' && right.kind === 'float') ||
    (left.kind === 'string' && right.kind === 'string')
  )
    return left.value === right.value
  if (isBasic(left) || isBasic(right) || kindOf(left) !== kindOf(right)) throw incompatible(left, right)
  if (isNil(left) || isNil(right)) return isNil(left) === isNil(right)
  if (!isComparable(left.type)) throw new Fault(`values of type ${left.type.name} cannot be compared`)
  return left.type === right.type && areIdentical(left, right)
}

/** Go's `lt`: integers, floats and strings, each among themselves. */
export function isLess(left: Operand, right: Operand): boolean {
  if (left !== undefined && right !== undefined) {
    if (isInteger(left) && isInteger(right)) return left.value < right.value
    if (left.kind === 'float' && right.kind === 'float') return left.value < right.value
    if (left.kind === 'string' && right.kind === 'string') return left.value < right.value
  }
  throw incompatible(left, right)
}

const isInteger = (value: GoValue): value is Extract<GoValue, { kind: 'int' | 'uint' }> =>
  value.kind === 'int' || value.kind === 'uint'

const basicKinds: ReadonlySet<GoValue['kind']> = new Set([
  'bool',
  'int',
  'uint',
  'float',
  'complex',
  'string',
])

const isBasic = (value: GoValue): boolean => basicKinds.has(value.kind)

const kindOf = (value: GoValue): string => (value.kind === 'bytes' ? 'slice' : value.kind)

function isNil(value: Operand): boolean {
  if (value === undefined || value.kind === 'nil-interface') return true
  if (value.kind === 'pointer') return value.target === undefined
  return (value.kind === 'bytes' || value.kind === 'slice') && isNilSlice(value)
}

function isComparable(type: GoType): boolean {
  if (type.kind === 'slice' || type.kind === 'map') return false
  return type.kind !== 'struct' || type.fields.every((field) => isComparable(field.type))
}

/** Go's `==` on values of one comparable type. */
function areIdentical(left: GoValue, right: GoValue): boolean {
  if (left.kind === 'pointer' && right.kind === 'pointer') return left.target === right.target
  if (left.kind !== 'struct' || right.kind !== 'struct') return areEqual(left, right)
  return left.type.fields.every((_, index) => areIdentical(left.field(index), right.field(index)))
}

function incompatible(left: Operand, right: Operand): Fault {
  const names = [left, right].map((value) => value?.type.name ?? 'nil')
  const hint =
    names.includes('int') && names.includes('float64') ? '; write whole numbers with a point as well' : ''
  return new Fault(`a value of type ${names.join(' and one of type ')} cannot be compared${hint}`)
}
