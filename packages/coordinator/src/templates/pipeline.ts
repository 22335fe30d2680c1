import type { Body } from './body.ts'
import { displayed, type ByteString } from './bytes.ts'
import type { LoopVariables } from './code.ts'
import { Command, type Head } from './command.ts'
import { nearest } from './hint.ts'
import type { Token, TokenKind } from './lexer.ts'
import { parseCharacter, parseComplex, parseNumber, unquote, type NumberLiteral } from './literals.ts'
import type { TokenReader } from './tokens.ts'
import { boolValue, stringValue } from './values.ts'

interface OpenPipeline {
  /** For messages: `if`, `range`, "a command" … */
  readonly context: string
  readonly offset: number
  readonly variables: LoopVariables
  stages: number
  command: Command | undefined
}

/** What a template of one kind may call; `elsewhere` says where a function is that only the other kind has. */
export interface FunctionNames {
  readonly names: ReadonlySet<string>
  readonly elsewhere: ReadonlyMap<string, string>
}

/**
 * Parses pipelines into instructions that leave one value. Parentheses are a stack here rather than recursion.
 */
export class PipelineParser {
  readonly #reader: TokenReader
  readonly #functions: FunctionNames
  readonly #parenthesisDepth: number
  #body: Body
  #open: OpenPipeline[] = []

  constructor(reader: TokenReader, functions: FunctionNames, parenthesisDepth: number, body: Body) {
    this.#reader = reader
    this.#functions = functions
    this.#parenthesisDepth = parenthesisDepth
    this.#body = body
  }

  /** Parses up to and with the closing delimiter. Gives the variables that were declared or assigned. */
  parse(context: string, body: Body): LoopVariables {
    this.#body = body
    this.#open = [this.#begin(context)]
    for (;;) {
      const pipeline = this.#open.at(-1)
      if (pipeline === undefined) throw new RangeError('no pipeline is open')
      const { command } = pipeline
      if (command !== undefined) this.#continueCommand(pipeline, command)
      else if (this.#continuePipeline(pipeline)) return pipeline.variables
    }
  }

  #begin(context: string): OpenPipeline {
    this.#reader.skipSpace()
    const { offset } = this.#reader.peek()
    return { context, offset, variables: this.#declarations(context), stages: 0, command: undefined }
  }

  /** The `$x :=`, `$x =` or, for range, `$i, $x :=` before a pipeline, if there is one. */
  #declarations(context: string): LoopVariables {
    const names: ByteString[] = []
    for (;;) {
      this.#reader.skipSpace()
      const variable = this.#reader.peek()
      if (variable.kind !== 'variable') return { names, assign: false }
      const distance = this.#reader.peek(1).kind === 'space' ? 2 : 1
      const operator = this.#reader.peek(distance)
      const isComma = operator.kind === 'symbol' && operator.text === ','
      if (!isComma && operator.kind !== 'declare' && operator.kind !== 'assign')
        return { names, assign: false }

      for (let taken = 0; taken <= distance; taken++) this.#reader.next()
      names.push(variable.text)
      this.#body.declare(variable.text)
      if (!isComma) return { names, assign: operator.kind === 'assign' }
      this.#checkSecondVariable(context, names.length, operator)
    }
  }

  #checkSecondVariable(context: string, count: number, comma: Token): void {
    if (context !== 'range' || count > 1)
      this.#reader.fail(
        `too many variables are declared; ${context} takes ${context === 'range' ? 2 : 1}`,
        comma.offset,
      )
    this.#reader.skipSpace()
    const token = this.#reader.peek()
    if (token.kind !== 'variable' && token.kind !== 'close' && token.kind !== ')')
      this.#reader.fail('only variables can stand on the left in range', token.offset)
  }

  /** Between two commands: begins the next one, or ends the pipeline. True when the outermost has ended. */
  #continuePipeline(pipeline: OpenPipeline): boolean {
    this.#reader.skipSpace()
    const token = this.#reader.peek()
    const isOutermost = this.#open.length === 1
    if (token.kind === (isOutermost ? 'close' : ')')) {
      this.#reader.next()
      this.#endPipeline(pipeline)
      if (isOutermost) return true
      this.#open.pop()
      const outer = this.#open.at(-1)?.command
      if (outer !== undefined) this.#endOperand(outer, { kind: 'value' }, pipeline.offset)
      return false
    }
    if (!startsOperand(token)) this.#reader.unexpected(token, pipeline.context)
    pipeline.command = new Command(this.#body, token.offset, pipeline.stages > 0)
    return false
  }

  #endPipeline(pipeline: OpenPipeline): void {
    if (pipeline.stages === 0)
      this.#reader.fail(`a value is missing for ${pipeline.context}`, pipeline.offset)
    const { names, assign } = pipeline.variables
    for (const name of names) this.#body.emit({ op: assign ? 'assign' : 'declare', name }, pipeline.offset)
  }

  /** Inside a command: takes one operand, or ends the command. */
  #continueCommand(pipeline: OpenPipeline, command: Command): void {
    this.#reader.skipSpace()
    if (startsOperand(this.#reader.peek())) {
      this.#operand(command, this.#reader.next())
      return
    }
    const token = this.#reader.peek()
    if (token.kind !== 'close' && token.kind !== ')' && token.kind !== 'pipe')
      this.#reader.unexpected(token, 'a command')
    this.#endCommand(pipeline, command)
  }

  #operand(command: Command, token: Token): void {
    command.beforeOperand()
    if (token.kind === '(') {
      if (this.#open.length > this.#parenthesisDepth)
        this.#reader.fail(`parentheses nest deeper than ${this.#parenthesisDepth}`, token.offset)
      this.#open.push(this.#begin('a parenthesis'))
    } else if (token.kind === 'identifier') this.#functionOperand(command, token)
    else if (token.kind === 'field') {
      this.#body.emit({ op: 'dot' }, token.offset)
      this.#endOperand(command, { kind: 'value' }, token.offset, [token.text.slice(1)])
    } else if (token.kind === 'variable') {
      this.#checkDeclared(token)
      this.#body.emit({ op: 'variable', name: token.text }, token.offset)
      this.#endOperand(command, { kind: 'value' }, token.offset)
    } else this.#literal(command, token)
  }

  #functionOperand(command: Command, token: Token): void {
    this.#checkFunction(token)
    const hasFields = this.#reader.peek().kind === 'field'
    const isHead = command.head === undefined && !hasFields
    if (!isHead) this.#body.emit({ op: 'call', name: token.text, count: 0, piped: false }, token.offset)
    this.#endOperand(
      command,
      isHead ? { kind: 'function', name: token.text } : { kind: 'value' },
      token.offset,
    )
  }

  #literal(command: Command, token: Token): void {
    const { kind, offset } = token
    if (kind === 'dot') this.#body.emit({ op: 'dot' }, offset)
    else if (kind === 'nil') this.#body.emit({ op: 'push', value: undefined }, offset)
    else if (kind === 'bool') this.#body.emit({ op: 'push', value: boolValue(token.text === 'true') }, offset)
    else if (kind === 'string' || kind === 'raw string')
      this.#body.emit({ op: 'push', value: stringValue(this.unquoted(token)) }, offset)
    else command.number(this.#number(token), offset)
    const after = this.#reader.peek()
    if (after.kind === 'field')
      this.#reader.fail(
        `"${displayed(token.text)}" has no fields, so that no point may follow it`,
        after.offset,
      )
    this.#endOperand(command, { kind: token.kind === 'nil' ? 'nil' : 'literal' }, token.offset)
  }

  /** After an operand: takes the fields that follow it directly, and notes the operand in its command. */
  #endOperand(command: Command, head: Head, offset: number, firstFields: readonly ByteString[] = []): void {
    const names = [...firstFields]
    while (this.#reader.peek().kind === 'field') names.push(this.#reader.next().text.slice(1))
    if (names.length > 0) this.#body.emit({ op: 'fields', names }, offset)
    command.afterOperand(names.length > 0 ? { kind: 'fields', names } : head)

    const token = this.#reader.peek()
    const mayFollow =
      token.kind === 'space' || token.kind === 'close' || token.kind === ')' || token.kind === 'pipe'
    if (!mayFollow) {
      if (token.kind === '(') this.#reader.fail('a blank is missing before this parenthesis', token.offset)
      this.#reader.unexpected(token, 'a command')
    }
  }

  #endCommand(pipeline: OpenPipeline, command: Command): void {
    const { head } = command
    if (command.piped && (head?.kind === 'nil' || head?.kind === 'literal'))
      this.#reader.fail('only the first stage of a pipeline may be a literal, dot or nil', command.offset)
    command.end()
    pipeline.stages++
    pipeline.command = undefined
    if (this.#reader.peek().kind === 'pipe') this.#reader.next()
  }

  #number(token: Token): NumberLiteral {
    const parse =
      token.kind === 'complex' ? parseComplex : token.kind === 'character' ? parseCharacter : parseNumber
    const literal = parse(token.text)
    if (literal !== undefined) return literal
    const what = token.kind === 'character' ? 'character constant' : 'number, or one that is too large'
    this.#reader.fail(`malformed ${what}: ${displayed(token.text)}`, token.offset)
  }

  /** The bytes of a string token. */
  unquoted(token: Token): ByteString {
    const bytes = unquote(token.text)
    if (bytes !== undefined) return bytes
    const written = displayed(token.text)
    this.#reader.fail(
      `malformed escape in ${written}; backquotes make a string without escapes`,
      token.offset,
    )
  }

  #checkFunction(token: Token): void {
    if (this.#functions.names.has(token.text)) return
    const name = displayed(token.text)
    const elsewhere = this.#functions.elsewhere.get(token.text)
    const near = nearest(name, this.#functions.names)
    const hint = elsewhere ?? (near === undefined ? '' : `; did you mean "${near}"?`)
    this.#reader.fail(`unknown function "${name}"${hint}`, token.offset)
  }

  #checkDeclared(token: Token): void {
    if (this.#body.isDeclared(token.text)) return
    const name = displayed(token.text)
    const near = nearest(name, this.#body.declaredNames.map(displayed))
    const hint = near === undefined ? '' : `; did you mean "${near}"?`
    this.#reader.fail(`the variable "${name}" is not declared before this point${hint}`, token.offset)
  }
}

const operandKinds: ReadonlySet<TokenKind> = new Set<TokenKind>([
  'bool',
  'character',
  'complex',
  'dot',
  'field',
  'identifier',
  'number',
  'nil',
  'raw string',
  'string',
  'variable',
  '(',
])

const startsOperand = (token: Token): boolean => operandKinds.has(token.kind)
