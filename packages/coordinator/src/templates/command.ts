import type { Body } from './body.ts'
import type { ByteString } from './bytes.ts'
import type { NumberLiteral } from './literals.ts'

/** What stands first in a command, and so decides what its other operands are. */
export type Head =
  | { readonly kind: 'function'; readonly name: string }
  /** A chain of fields: arguments go to the last one. */
  | { readonly kind: 'fields'; readonly names: readonly ByteString[] }
  /** A literal or dot: not allowed in a later stage of a pipeline. */
  | { readonly kind: 'literal' }
  | { readonly kind: 'nil' }
  | { readonly kind: 'value' }

/** One stage of a pipeline, while its operands are read. Emits what makes its value out of them. */
export class Command {
  readonly offset: number
  /** Whether the stage before left its value below. */
  readonly piped: boolean
  head: Head | undefined
  arguments = 0
  readonly #body: Body
  /** Jumps to the end of the command. */
  readonly #exits: { target: number }[] = []

  constructor(body: Body, offset: number, piped: boolean) {
    this.#body = body
    this.offset = offset
    this.piped = piped
  }

  /** To be called before an operand: the first one may ask for something before another one is evaluated. */
  beforeOperand(): void {
    const { head } = this
    if (head?.kind === 'fields' && this.arguments === 0) {
      this.#shortenFields(head.names)
      const { piped, offset } = this
      this.#exits.push(this.#body.emit({ op: 'skip-unless-value', target: 0, piped }, offset))
    }
    if (head?.kind === 'function' && this.arguments > 0) this.#decision(head.name)
  }

  /** To be called after each operand, which is `head` if it is the first. */
  afterOperand(head: Head): void {
    if (this.head === undefined) this.head = head
    else this.arguments++
  }

  /** A number: only methods give it a type; functions take what it is by itself. */
  number(literal: NumberLiteral, offset: number): void {
    if (this.head !== undefined && this.head.kind !== 'function')
      this.#body.emit({ op: 'number', literal }, offset)
    else if (literal.ideal !== undefined) this.#body.emit({ op: 'push', value: literal.ideal }, offset)
    else this.#fail(`the number ${literal.text} does not fit an int`, 0)
  }

  end(): void {
    const { head } = this
    const hasArguments = this.arguments > 0 || this.piped
    if (head?.kind === 'function') this.#functionCall(head.name)
    else if (head?.kind === 'fields') this.#methodCall(head.names)
    else if (head?.kind === 'nil')
      this.#failInstead('nil alone is not a value to work with; it may only be an argument')
    else if (hasArguments) this.#failInstead('an argument is given to something that is not a function')
    for (const exit of this.#exits) exit.target = this.#body.position
  }

  #functionCall(name: string): void {
    const { piped, offset, arguments: count } = this
    const decides = name === 'and' || name === 'or'
    if (!decides || (count === 0 && !piped)) this.#body.emit({ op: 'call', name, count, piped }, offset)
    else if (piped && count > 0) this.#decision(name)
  }

  #decision(name: string): void {
    if (name !== 'and' && name !== 'or') return
    const { piped, offset } = this
    this.#exits.push(this.#body.emit({ op: 'decide', by: name === 'or', target: 0, piped }, offset))
  }

  #methodCall(names: readonly ByteString[]): void {
    const { piped, offset, arguments: count } = this
    if (count === 0 && !piped) return
    if (count === 0) this.#shortenFields(names)
    this.#body.emit({ op: 'method', name: names.at(-1) ?? '', count, piped }, offset)
  }

  /** Takes the last name off the fields that were just emitted: it is called rather than read. */
  #shortenFields(names: readonly ByteString[]): void {
    this.#body.retract()
    if (names.length > 1) this.#body.emit({ op: 'fields', names: names.slice(0, -1) }, this.offset)
  }

  #failInstead(reason: string): void {
    this.#fail(reason, this.arguments + 1 + (this.piped ? 1 : 0))
  }

  #fail(reason: string, pops: number): void {
    this.#body.emit({ op: 'fail', reason, pops }, this.offset)
  }
}
