import type { GoMethod, GoType, GoValue } from '../values.ts'

/** A method without arguments. */
export const getter = (get: (receiver: GoValue) => GoValue): GoMethod => ({ parameters: [], call: get })

/** A method with one argument. */
export const unary = (
  parameter: GoType,
  apply: (receiver: GoValue, operand: GoValue) => GoValue,
): GoMethod => ({
  parameters: [parameter],
  call: (receiver, [operand]) => apply(receiver, needed(operand)),
})

/** A method that Go's templates refuse to call because of its results. */
export const uncallable: GoMethod = { parameters: [] }

/** The evaluator checks the number of arguments before a method is called. */
export function needed<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new RangeError('an argument is missing')
  return value
}
