import { displayed, type ByteString } from './bytes.ts'
import { Fault } from './error.ts'
import { nearest } from './hint.ts'
import type { NumberLiteral } from './literals.ts'
import {
  bytesType,
  intValue,
  zeroValue,
  type GoMethod,
  type GoType,
  type GoValue,
  type StructType,
  type StructValue,
} from './values.ts'

/** An operand before it is known what takes it. */
interface NumberOperand {
  readonly kind: 'number'
  readonly literal: NumberLiteral
}
export type Operand = GoValue | NumberOperand | undefined

/** The value of `.name` on a receiver, or of a method that takes no arguments. */
export function fieldOf(receiver: GoValue | undefined, name: ByteString): GoValue | undefined {
  if (receiver === undefined) return undefined
  const method = receiver.type.methods.get(name)
  if (method !== undefined) return callMethod(receiver, name, method, [])
  const holder = receiver.kind === 'pointer' && receiver.target !== undefined ? receiver.target : receiver
  if (holder.kind === 'map') return holder.get(name)
  const own = holder === receiver ? undefined : holder.type.methods.get(name)
  if (own !== undefined) return callMethod(holder, name, own, [])
  if (holder.kind === 'struct') return structField(holder, name, receiver.type)
  if (receiver.kind === 'nil-interface' || receiver.kind === 'pointer')
    throw new Fault(`".${displayed(name)}" is asked of a nil value of type ${receiver.type.name}`)
  throw noSuchField(receiver.type, name)
}

/** The result of `.name arguments…` on a receiver that has a value. */
export function methodResult(
  receiver: GoValue,
  name: ByteString,
  operands: readonly Operand[],
): GoValue | undefined {
  const holder = receiver.kind === 'pointer' && receiver.target !== undefined ? receiver.target : receiver
  for (const candidate of [receiver, holder]) {
    const method = candidate.type.methods.get(name)
    if (method !== undefined) return callMethod(candidate, name, method, operands)
  }
  if (holder.kind === 'map' || (holder.kind === 'struct' && fieldsOf(holder.type).has(name)))
    throw new Fault(`".${displayed(name)}" is given an argument but is not a method`)
  throw noSuchField(receiver.type, name)
}

function callMethod(
  receiver: GoValue,
  name: ByteString,
  method: GoMethod,
  operands: readonly Operand[],
): GoValue | undefined {
  const { parameters, call } = method
  if (call === undefined)
    throw new Fault(`the method "${name}" gives more than one result, so that it cannot be used here`)
  if (operands.length !== parameters.length)
    throw new Fault(`the method "${name}" takes ${parameters.length} arguments, not ${operands.length}`)
  return call(
    receiver,
    parameters.map((type, index) => convert(operands[index], type, name)),
  )
}

/** An operand as an argument of a type (Go's assignability; literals take the type they are used as). */
function convert(operand: Operand, type: GoType, method: string): GoValue {
  const refuse = (found: string): Fault =>
    new Fault(`the method "${method}" takes an argument of type ${type.name}, not ${found}`)
  if (operand === undefined) {
    if (type.kind === 'pointer' || type.kind === 'slice') return zeroValue(type)
    throw refuse('a missing value')
  }
  if (operand.kind !== 'number') {
    if (operand.type === type) return operand
    if (operand.kind === 'pointer' && operand.target?.type === type) return operand.target
    if (operand.kind === 'bytes' && type.kind === 'slice' && operand.type === bytesType)
      return { ...operand, type }
    throw refuse(operand.type.name)
  }
  if (type.kind === 'int' && operand.literal.integer !== undefined)
    return intValue(operand.literal.integer, type)
  throw refuse('a number')
}

interface FoundField {
  readonly index: number
  /** Index within the embedded struct that really has it. */
  readonly inner: number | undefined
}

const fieldIndexes = new WeakMap<StructType, ReadonlyMap<string, FoundField>>()

/** Fields by name; those of embedded structs are among them. */
function fieldsOf(type: StructType): ReadonlyMap<string, FoundField> {
  const known = fieldIndexes.get(type)
  if (known !== undefined) return known
  const table = new Map<string, FoundField>()
  type.fields.forEach((field, index) => {
    if (field.embedded === true && field.type.kind === 'struct')
      field.type.fields.forEach((promoted, inner) => table.set(promoted.name, { index, inner }))
  })
  type.fields.forEach((field, index) => table.set(field.name, { index, inner: undefined }))
  fieldIndexes.set(type, table)
  return table
}

function structField(struct: StructValue, name: ByteString, type: GoType): GoValue {
  const found = fieldsOf(struct.type).get(name)
  if (found === undefined) throw noSuchField(type, name)
  if (!isExported(name)) throw new Fault(`the field ".${name}" of ${struct.type.name} is not public`)
  const field = struct.field(found.index)
  return found.inner !== undefined && field.kind === 'struct' ? field.field(found.inner) : field
}

/** Go's public names begin with a capital. */
export const isExported = (name: string): boolean => /^[A-Z]/.test(name)

function noSuchField(type: GoType, name: ByteString): Fault {
  const written = displayed(name)
  const names = [...type.methods.keys()]
  const struct = type.kind === 'pointer' ? type.element : type
  if (struct.kind === 'struct') names.push(...[...fieldsOf(struct).keys()].filter(isExported))
  const near = nearest(written, names)
  const hint =
    near !== undefined
      ? `; did you mean ".${near}"?`
      : names.length > 0 && names.length <= 12
        ? `; it has .${names.join(', .')}`
        : ''
  return new Fault(`".${written}" is no field of a value of type ${type.name}${hint}`)
}
