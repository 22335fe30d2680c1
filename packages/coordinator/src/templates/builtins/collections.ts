import { Fault } from '../error.ts'
import {
  elementAt,
  intValue,
  stringType,
  stringValue,
  uint8Type,
  uintValue,
  zeroValue,
  type GoValue,
} from '../values.ts'

type Operand = GoValue | undefined

function targetOf(value: Operand): GoValue {
  const target = value?.kind === 'pointer' && value.target !== undefined ? value.target : value
  if (target === undefined) throw new Fault('the value does not exist')
  return target
}

/** Go's `len`: bytes of a string, elements of a list, entries of a map. */
export function lengthOf(value: Operand): GoValue {
  const target = targetOf(value)
  if (target.kind === 'string') return intValue(BigInt(target.value.length))
  if (target.kind === 'bytes' || target.kind === 'slice') return intValue(BigInt(target.length))
  if (target.kind === 'map') return intValue(BigInt(target.size))
  throw new Fault(`a value of type ${target.type.name} has no length`)
}

/** Go's `index`: one index after the other into lists, strings and maps. */
export function indexOf(item: Operand, indexes: readonly Operand[]): GoValue {
  if (item === undefined) throw new Fault('the value does not exist')
  let value = item
  for (const index of indexes) value = at(targetOf(value), index)
  return value
}

function at(value: GoValue, index: Operand): GoValue {
  if (value.kind === 'map') {
    if (index?.kind !== 'string' || index.type !== stringType)
      throw new Fault(`the index of a ${value.type.name} must be a string, not ${typeOf(index)}`)
    return value.get(index.value) ?? zeroValue(value.type.element)
  }
  if (value.kind !== 'string' && value.kind !== 'bytes' && value.kind !== 'slice')
    throw new Fault(`a value of type ${value.type.name} cannot be indexed`)
  const length = value.kind === 'string' ? value.value.length : value.length
  const number = position(index, length)
  const found =
    value.kind === 'string'
      ? uintValue(BigInt(value.value.charCodeAt(number) || 0), uint8Type)
      : elementAt(value, number)
  if (found === undefined || number === length) throw outOfRange()
  return found
}

/** Go's `slice`: the part of a string or list between bounds; it keeps the type. */
export function sliceOf(item: Operand, bounds: readonly Operand[]): GoValue {
  if (item === undefined) throw new Fault('the value does not exist')
  if (bounds.length > 3) throw new Fault('it takes three bounds at most')
  if (item.kind === 'string') {
    if (bounds.length === 3) throw new Fault('a string takes two bounds at most')
    const [from, to] = checkedBounds(bounds, item.value.length, item.value.length)
    return stringValue(item.value.slice(from, to), item.type)
  }
  if (item.kind === 'bytes') {
    const [from, to, limit] = checkedBounds(bounds, item.length, item.data?.length ?? 0)
    return { ...item, data: item.data?.subarray(from, limit), length: to - from }
  }
  if (item.kind === 'slice') {
    const [from, to, limit] = checkedBounds(bounds, item.length, item.items?.length ?? 0)
    return { ...item, items: item.items?.slice(from, limit), length: to - from }
  }
  throw new Fault(`a value of type ${item.type.name} cannot be sliced`)
}

/** First, end and capacity, where what is not given is 0, the length and the capacity. */
function checkedBounds(
  bounds: readonly Operand[],
  length: number,
  capacity: number,
): readonly [number, number, number] {
  const [from = 0, to = length, limit = capacity] = bounds.map((bound) => position(bound, capacity))
  if (from > to || to > limit)
    throw new Fault('the bounds are in the wrong order, or the first is past the end')
  return [from, to, limit]
}

/** An operand as an index from 0 up to and with the limit. The message names no number: it may be part of a secret. */
function position(index: Operand, limit: number): number {
  if (index?.kind !== 'int' && index?.kind !== 'uint')
    throw new Fault(`the index must be an integer, not ${typeOf(index)}`)
  if (index.value < 0n || index.value > BigInt(limit)) throw outOfRange()
  return Number(index.value)
}

const outOfRange = (): Fault =>
  new Fault('the index is negative, or past the end of the value; test its length with len')

const typeOf = (value: Operand): string => (value === undefined ? 'nil' : value.type.name)
