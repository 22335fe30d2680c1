import type { Budget } from '../budget.ts'
import { displayed } from '../bytes.ts'
import { Fault } from '../error.ts'
import { sprint, sprintln } from '../format/print.ts'
import { sprintf } from '../format/printf.ts'
import type { FunctionNames } from '../pipeline.ts'
import { boolValue, isTrue, stringValue, type GoValue } from '../values.ts'
import { indexOf, lengthOf, sliceOf } from './collections.ts'
import { areEqual, isAnyEqual, isLess } from './compare.ts'
import { escapeHtml, escapeJs, escapeQuery, joined } from './escape.ts'
import { bytesAsBase64, bytesAsHex, bytesAsIs, partAsPem, plainAsText } from './secrets.ts'

/** Files get bytes, environment variables get text: they differ in one function. */
export type TemplateKind = 'file' | 'env'

type Arguments = readonly (GoValue | undefined)[]

interface Builtin {
  readonly minimum: number
  readonly maximum: number
  readonly run: (operands: Arguments, budget: Budget) => GoValue | undefined
}

const any = Infinity

const one = (run: (operand: GoValue | undefined) => GoValue): Builtin => ({
  minimum: 1,
  maximum: 1,
  run: ([operand]) => run(operand),
})

const ordering = (compare: (left: GoValue | undefined, right: GoValue | undefined) => boolean): Builtin => ({
  minimum: 2,
  maximum: 2,
  run: ([left, right]) => boolValue(compare(left, right)),
})

const escaping = (escape: (text: string, budget: Budget) => string): Builtin => ({
  minimum: 0,
  maximum: any,
  run: (operands, budget) => stringValue(escape(joined(operands, budget), budget)),
})

/** These two decide before all their arguments are evaluated, so the evaluator does them; here they only count. */
const decided: Builtin = { minimum: 1, maximum: any, run: ([operand]) => operand }

const common: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ['and', decided],
  ['or', decided],
  ['not', one((operand) => boolValue(!isTrue(operand)))],
  ['eq', { minimum: 2, maximum: any, run: ([first, ...others]) => boolValue(isAnyEqual(first, others)) }],
  ['ne', ordering((left, right) => !areEqual(left, right))],
  ['lt', ordering(isLess)],
  ['le', ordering((left, right) => isLess(left, right) || areEqual(left, right))],
  ['gt', ordering((left, right) => !isLess(left, right) && !areEqual(left, right))],
  ['ge', ordering((left, right) => !isLess(left, right))],
  ['len', one(lengthOf)],
  ['index', { minimum: 1, maximum: any, run: ([item, ...indexes]) => indexOf(item, indexes) }],
  ['slice', { minimum: 1, maximum: any, run: ([item, ...bounds]) => sliceOf(item, bounds) }],
  ['print', { minimum: 0, maximum: any, run: (operands, budget) => stringValue(sprint(operands, budget)) }],
  [
    'println',
    { minimum: 0, maximum: any, run: (operands, budget) => stringValue(sprintln(operands, budget)) },
  ],
  ['printf', { minimum: 1, maximum: any, run: printf }],
  ['html', escaping(escapeHtml)],
  ['js', escaping(escapeJs)],
  ['urlquery', escaping(escapeQuery)],
  ['call', { minimum: 1, maximum: any, run: refuseCall }],
  ['pem', one(partAsPem)],
  ['hex', one(bytesAsHex)],
  ['base64', one(bytesAsBase64)],
])

const ofKind: Readonly<Record<TemplateKind, readonly [string, Builtin]>> = {
  file: ['raw', one(bytesAsIs)],
  env: ['string', one(plainAsText)],
}

const builtins: ReadonlyMap<string, Builtin> = new Map([...common, ofKind.file, ofKind.env])

const namesFor = (kind: TemplateKind, elsewhere: readonly [string, string]): FunctionNames => ({
  names: new Set([...common.keys(), ofKind[kind][0]]),
  elsewhere: new Map([elsewhere]),
})

/** What each kind of template may call. */
export const functionNames: Readonly<Record<TemplateKind, FunctionNames>> = {
  file: namesFor('file', ['string', ': it is for Env; in Files use raw']),
  env: namesFor('env', ['raw', ': it is for Files; in Env use string for plain secrets, or hex or base64']),
}

/** Calls a function that the parser has found to exist. */
export function callBuiltin(name: string, operands: Arguments, budget: Budget): GoValue | undefined {
  const builtin = builtins.get(name)
  if (builtin === undefined) throw new RangeError(`no function ${name}`)
  const { minimum, maximum, run } = builtin
  if (operands.length < minimum || operands.length > maximum) {
    const wanted = minimum === maximum ? `${minimum}` : `at least ${minimum}`
    throw new Fault(
      `${name} takes ${wanted} ${minimum === 1 ? 'argument' : 'arguments'}, not ${operands.length}`,
    )
  }
  try {
    return run(operands, budget)
  } catch (error) {
    throw error instanceof Fault ? new Fault(`${name}: ${error.message}`) : error
  }
}

function printf([format, ...operands]: Arguments, budget: Budget): GoValue {
  if (format?.kind !== 'string')
    throw new Fault(
      `the format must be a string, not ${format === undefined ? 'nil' : displayed(format.type.name)}`,
    )
  return stringValue(sprintf(format.value, operands, budget))
}

/** No value that templates can reach is a function. */
function refuseCall([callee]: Arguments): never {
  throw new Fault(
    callee === undefined ? 'there is nothing to call' : `a ${callee.type.name} is not a function`,
  )
}
