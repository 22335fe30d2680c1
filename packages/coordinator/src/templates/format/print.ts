import type { Budget } from '../budget.ts'
import type { ByteString } from '../bytes.ts'
import type { GoValue } from '../values.ts'
import { Printer } from './printer.ts'

/** What an action prints where its value is missing. */
export const noValueText = '<no value>'

/** What a pointer points to, unless the pointer knows how to print itself. Only actions and escapers look there. */
export const shown = (value: GoValue | undefined): GoValue | undefined =>
  value?.kind === 'pointer' && value.target !== undefined && !value.type.methods.has('String')
    ? value.target
    : value

/** A value as `{{ … }}` prints it. */
export function printable(value: GoValue | undefined, budget: Budget): ByteString {
  if (value === undefined) return noValueText
  if (value.kind === 'string' && value.type.methods.size === 0) return value.value
  const printer = new Printer(budget)
  printer.operand(shown(value), 'v')
  return printer.text()
}

/** Go's Sprint: blanks between operands where neither is a string. */
export function sprint(values: readonly (GoValue | undefined)[], budget: Budget): ByteString {
  const printer = new Printer(budget)
  values.forEach((value, index) => {
    const former = values[index - 1]
    if (index > 0 && value?.kind !== 'string' && former?.kind !== 'string') printer.write(' ')
    printer.operand(value, 'v')
  })
  return printer.text()
}

/** Go's Sprintln: blanks between all operands, and a line feed at the end. */
export function sprintln(values: readonly (GoValue | undefined)[], budget: Budget): ByteString {
  const printer = new Printer(budget)
  values.forEach((value, index) => {
    if (index > 0) printer.write(' ')
    printer.operand(value, 'v')
  })
  printer.write('\n')
  return printer.text()
}
