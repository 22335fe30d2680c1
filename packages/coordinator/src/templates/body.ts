import type { ByteString } from './bytes.ts'
import type { Code, Instruction } from './code.ts'

/** What `break` and `continue` do at some place. */
interface OpenLoop {
  /** Index of the `next` instruction that `continue` goes to. */
  readonly start: number
  /** Scopes that are open there. */
  readonly scopes: number
  /** Scopes that are open where `break` goes. */
  readonly breakScopes: number
  /** The `unwind` instructions of the `break`s, whose target is not known yet. */
  readonly breaks: { target: number }[]
}

/** Collects the instructions of one template while it is parsed. */
export class Body {
  readonly name: ByteString
  /** Nothing but blanks and comments so far: such a body never replaces another, and is always replaced. */
  blank = true
  /** The loops whose body is being parsed, and within one of those also loops whose `else` is. */
  readonly loops: OpenLoop[] = []
  readonly #instructions: Instruction[] = []
  readonly #offsets: number[] = []
  readonly #declared: ByteString[] = []
  readonly #declarations = new Map<ByteString, number>()
  #scopes = 0

  constructor(name: ByteString) {
    this.name = name
    this.declare('$')
  }

  /** Index of the next instruction. */
  get position(): number {
    return this.#instructions.length
  }

  get scopes(): number {
    return this.#scopes
  }

  emit<Kind extends Instruction>(instruction: Kind, offset: number): Kind {
    if (instruction.op === 'enter') this.#scopes++
    if (instruction.op === 'leave') this.#scopes--
    this.#instructions.push(instruction)
    this.#offsets.push(offset)
    return instruction
  }

  /** Takes the latest instruction back. */
  retract(): void {
    this.#instructions.pop()
    this.#offsets.pop()
  }

  declare(name: ByteString): void {
    this.#declared.push(name)
    this.#declarations.set(name, (this.#declarations.get(name) ?? 0) + 1)
  }

  isDeclared(name: ByteString): boolean {
    return (this.#declarations.get(name) ?? 0) > 0
  }

  get declaredNames(): readonly ByteString[] {
    return this.#declared
  }

  get declaredCount(): number {
    return this.#declared.length
  }

  /** Forgets what was declared since the count was taken. */
  forgetSince(count: number): void {
    for (const name of this.#declared.splice(count))
      this.#declarations.set(name, (this.#declarations.get(name) ?? 0) - 1)
  }

  finish(): Code {
    return { instructions: this.#instructions, offsets: this.#offsets }
  }
}
