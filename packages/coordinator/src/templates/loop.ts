import type { Budget } from './budget.ts'
import type { LoopVariables } from './code.ts'
import { Fault } from './error.ts'
import { elementAt, intValue, stringValue, type GoValue, type MapValue } from './values.ts'

interface Round {
  /** Index or key; none for a range over a number. */
  readonly index: GoValue | undefined
  readonly element: GoValue | undefined
}

/** A running range. */
export interface Loop {
  readonly variables: LoopVariables
  /** The next element, or undefined where none is left. */
  next(): Round | undefined
}

/** Starts a range over a value; undefined where that is empty. */
export function loopOver(
  value: GoValue | undefined,
  variables: LoopVariables,
  budget: Budget,
): Loop | undefined {
  if (value === undefined) return undefined
  const target = value.kind === 'pointer' && value.target !== undefined ? value.target : value
  if (target.kind === 'int' || target.kind === 'uint') {
    if (variables.names.length > 1)
      throw new Fault('a range over a number has one variable at most, which takes the element')
    return overNumber(target.type, target.kind, target.value, variables)
  }
  if (target.kind === 'bytes' || target.kind === 'slice') return overSlice(target, variables)
  if (target.kind === 'map') {
    budget.spend(target.size)
    return overMap(target, variables)
  }
  throw new Fault(
    `a value of type ${value.type.name} cannot be iterated; range takes lists, maps and integers`,
  )
}

function overNumber(
  type: GoValue['type'],
  kind: 'int' | 'uint',
  bound: bigint,
  variables: LoopVariables,
): Loop | undefined {
  if (bound <= 0n) return undefined
  let at = 0n
  return {
    variables,
    next: () => (at < bound ? { index: undefined, element: { kind, type, value: at++ } } : undefined),
  }
}

function overSlice(
  slice: Extract<GoValue, { kind: 'bytes' | 'slice' }>,
  variables: LoopVariables,
): Loop | undefined {
  if (slice.length === 0) return undefined
  let at = 0
  return {
    variables,
    next: () => {
      const element = elementAt(slice, at)
      return element === undefined ? undefined : { index: intValue(BigInt(at++)), element }
    },
  }
}

function overMap(map: MapValue, variables: LoopVariables): Loop | undefined {
  const keys = map.keys()
  if (keys.length === 0) return undefined
  let at = 0
  return {
    variables,
    next: () => {
      const key = keys[at++]
      return key === undefined ? undefined : { index: stringValue(key), element: map.get(key) }
    },
  }
}
