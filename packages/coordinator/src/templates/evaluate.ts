import type { Budget } from './budget.ts'
import { callBuiltin } from './builtins/builtins.ts'
import { displayed, type ByteString } from './bytes.ts'
import type { Code, Instruction, Program } from './code.ts'
import { Fault, positionAt, TemplateError } from './error.ts'
import { fieldOf, methodResult, type Operand } from './fields.ts'
import { printable } from './format/print.ts'
import { loopOver, type Loop } from './loop.ts'
import { isTrue, type GoValue } from './values.ts'

interface Scope {
  /** What to restore when the scope ends. */
  readonly dot: GoValue | undefined
  readonly variables: number
  /** In the scope of a range, its elements and how many variables stay from round to round. */
  loop: Loop | undefined
  loopVariables: number
}

/** One running template. */
interface Frame {
  readonly code: Code
  at: number
  dot: GoValue | undefined
  readonly names: ByteString[]
  readonly values: (GoValue | undefined)[]
  readonly scopes: Scope[]
}

/**
 * Runs a compiled template.
 *
 * @throws {@link TemplateError} (stage `execute`)
 */
export function evaluate(program: Program, root: GoValue, budget: Budget): ByteString {
  const machine = new Machine(program, root, budget)
  try {
    return machine.run()
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    throw new TemplateError('execute', positionAt(program.source, machine.offset), error.message)
  }
}

class Machine {
  readonly #program: Program
  readonly #budget: Budget
  readonly #output: ByteString[] = []
  #outputLength = 0
  readonly #stack: Operand[] = []
  readonly #callers: Frame[] = []
  #frame: Frame

  constructor(program: Program, root: GoValue, budget: Budget) {
    this.#program = program
    this.#budget = budget
    this.#frame = newFrame(program.main, root)
  }

  /** Byte offset of the instruction that is running. */
  get offset(): number {
    return this.#frame.code.offsets[this.#frame.at - 1] ?? 0
  }

  run(): ByteString {
    for (;;) {
      const frame = this.#frame
      const instruction = frame.code.instructions[frame.at++]
      if (instruction !== undefined) {
        this.#budget.spend(1)
        this.#step(frame, instruction)
        continue
      }
      const caller = this.#callers.pop()
      if (caller === undefined) return this.#output.join('')
      this.#frame = caller
    }
  }

  #step(frame: Frame, instruction: Instruction): void {
    switch (instruction.op) {
      case 'text':
        this.#write(instruction.text)
        break
      case 'print':
        this.#write(printable(this.#pop(), this.#budget))
        break
      case 'discard':
        this.#pop()
        break
      case 'push':
        this.#stack.push(instruction.value)
        break
      case 'number':
        this.#stack.push({ kind: 'number', literal: instruction.literal })
        break
      case 'dot':
        this.#stack.push(frame.dot)
        break
      case 'variable':
        this.#stack.push(frame.values[this.#find(frame, instruction.name)])
        break
      case 'fields':
        this.#fields(instruction.names)
        break
      case 'skip-unless-value':
        this.#skipUnlessValue(frame, instruction.target, instruction.piped)
        break
      case 'method':
        this.#method(instruction.name, instruction.count, instruction.piped)
        break
      case 'call':
        this.#stack.push(
          callBuiltin(
            instruction.name,
            this.#popArguments(instruction.count, instruction.piped),
            this.#budget,
          ),
        )
        break
      case 'decide':
        this.#decide(frame, instruction.by, instruction.target, instruction.piped)
        break
      case 'declare':
        frame.names.push(instruction.name)
        frame.values.push(this.#top())
        break
      case 'assign':
        frame.values[this.#find(frame, instruction.name)] = this.#top()
        break
      case 'template':
        this.#template(instruction.name, instruction.argument)
        break
      case 'fail':
        throw new Fault(instruction.reason)
      case 'enter':
      case 'leave':
      case 'jump':
      case 'if':
      case 'with':
      case 'range':
      case 'next':
      case 'unwind':
        this.#control(frame, instruction)
    }
  }

  #control(frame: Frame, instruction: ControlInstruction): void {
    switch (instruction.op) {
      case 'enter':
        frame.scopes.push({
          dot: frame.dot,
          variables: frame.names.length,
          loop: undefined,
          loopVariables: 0,
        })
        break
      case 'leave': {
        const scope = frame.scopes.pop()
        if (scope === undefined) throw new RangeError('no scope to leave')
        frame.dot = scope.dot
        forget(frame, scope.variables)
        break
      }
      case 'jump':
        frame.at = instruction.target
        break
      case 'if':
        if (!isTrue(this.#pop())) frame.at = instruction.target
        break
      case 'with': {
        const value = this.#pop()
        if (isTrue(value)) frame.dot = value
        else frame.at = instruction.target
        break
      }
      case 'range':
        this.#range(frame, instruction)
        break
      case 'next':
        this.#next(frame, instruction.target)
        break
      case 'unwind':
        frame.scopes.length -= instruction.scopes
        frame.at = instruction.target
        break
    }
  }

  #top(): GoValue | undefined {
    const top = this.#stack.at(-1)
    return top?.kind === 'number' ? undefined : top
  }

  #pop(): GoValue | undefined {
    const top = this.#stack.pop()
    if (top?.kind === 'number') throw new RangeError('a number was left without a type')
    return top
  }

  /** The arguments in their order: those on the stack, then the one piped. */
  #popOperands(count: number): Operand[] {
    return count === 0 ? [] : this.#stack.splice(-count)
  }

  #popArguments(count: number, piped: boolean): (GoValue | undefined)[] {
    const values = this.#popOperands(count + (piped ? 1 : 0)).map((operand) => {
      if (operand?.kind === 'number') throw new RangeError('a number was left without a type')
      return operand
    })
    if (piped) values.push(values.shift())
    return values
  }

  #find(frame: Frame, name: ByteString): number {
    const index = frame.names.lastIndexOf(name)
    this.#budget.spend((frame.names.length - Math.max(index, 0)) >> 4)
    if (index < 0)
      throw new Fault(`the variable "${displayed(name)}" has no value here; declare it with := before`)
    return index
  }

  #fields(names: readonly ByteString[]): void {
    this.#budget.spend(names.length)
    let value = this.#pop()
    for (const name of names) value = fieldOf(value, name)
    this.#stack.push(value?.kind === 'nil-interface' ? undefined : value)
  }

  #skipUnlessValue(frame: Frame, target: number, piped: boolean): void {
    if (this.#top() !== undefined) return
    this.#popOperands(piped ? 2 : 1)
    this.#stack.push(undefined)
    frame.at = target
  }

  #method(name: ByteString, count: number, piped: boolean): void {
    const operands = this.#popOperands(count)
    const receiver = this.#pop()
    if (piped) operands.push(this.#stack.pop())
    const result = receiver === undefined ? undefined : methodResult(receiver, name, operands)
    this.#stack.push(result?.kind === 'nil-interface' ? undefined : result)
  }

  #decide(frame: Frame, by: boolean, target: number, piped: boolean): void {
    const value = this.#pop()
    if (isTrue(value) !== by) return
    if (piped) this.#stack.pop()
    this.#stack.push(value)
    frame.at = target
  }

  #range(frame: Frame, instruction: Extract<Instruction, { op: 'range' }>): void {
    const loop = loopOver(this.#pop(), instruction.variables, this.#budget)
    const scope = frame.scopes.at(-1)
    if (scope === undefined) throw new RangeError('a range without its scope')
    scope.loop = loop
    scope.loopVariables = frame.names.length
    if (loop === undefined) frame.at = instruction.target
  }

  #next(frame: Frame, target: number): void {
    const scope = frame.scopes.at(-1)
    const loop = scope?.loop
    if (scope === undefined || loop === undefined) throw new RangeError('no loop is running')
    forget(frame, scope.loopVariables)
    const round = loop.next()
    if (round === undefined) {
      frame.at = target
      return
    }
    frame.dot = round.element
    const { names, assign } = loop.variables
    const values = names.length === 2 ? [round.index, round.element] : [round.element]
    names.forEach((name, number) => {
      // Declared ones are the last of the scope, in their order; assigned ones are wherever they are.
      const index = assign ? this.#find(frame, name) : frame.names.length - names.length + number
      frame.values[index] = values[number]
    })
  }

  #template(name: ByteString, argument: boolean): void {
    const code = this.#program.templates.get(name)
    if (code === undefined)
      throw new Fault(`there is no template "${displayed(name)}"; define it with define or block`)
    if (this.#callers.length >= this.#budget.limits.callDepth)
      throw new Fault(
        `template calls nest deeper than ${this.#budget.limits.callDepth}; look for an endless recursion`,
      )
    const dot = argument ? this.#pop() : undefined
    this.#callers.push(this.#frame)
    this.#frame = newFrame(code, dot)
  }

  #write(text: ByteString): void {
    this.#outputLength += text.length
    if (this.#outputLength > this.#budget.limits.outputBytes)
      throw new Fault(`the output is larger than ${this.#budget.limits.outputBytes} bytes`)
    this.#output.push(text)
  }
}

type ControlInstruction = Extract<
  Instruction,
  { op: 'enter' | 'leave' | 'jump' | 'if' | 'with' | 'range' | 'next' | 'unwind' }
>

const newFrame = (code: Code, dot: GoValue | undefined): Frame => ({
  code,
  at: 0,
  dot,
  names: ['$'],
  values: [dot],
  scopes: [],
})

function forget(frame: Frame, count: number): void {
  if (frame.names.length === count) return
  frame.names.length = count
  frame.values.length = count
}
