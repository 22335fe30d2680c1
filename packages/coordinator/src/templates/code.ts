import type { ByteString } from './bytes.ts'
import type { NumberLiteral } from './literals.ts'
import type { GoValue } from './values.ts'

/**
 * What a template is compiled to: straight instructions for a machine with a stack of values, a stack of variables
 * and a stack of scopes. Nesting in the template is depth of these stacks, never of the host's, so that 10000
 * parentheses or 100000 template calls are as safe as one.
 */
export type Instruction =
  /** Writes literal text. */
  | { readonly op: 'text'; readonly text: ByteString }
  /** Pops a value and writes it as `{{ … }}` does. */
  | { readonly op: 'print' }
  /** Pops a value. */
  | { readonly op: 'discard' }
  | { readonly op: 'push'; readonly value: GoValue | undefined }
  /** Pushes a number whose type depends on the method that it is an argument of. */
  | { readonly op: 'number'; readonly literal: NumberLiteral }
  | { readonly op: 'dot' }
  | { readonly op: 'variable'; readonly name: ByteString }
  /** Replaces the top by what a chain of fields leads to. */
  | { readonly op: 'fields'; readonly names: readonly ByteString[] }
  /**
   * Before the arguments of a field: with no value on top there is nothing to call, so that no argument is evaluated
   * and the whole command has no value.
   */
  | { readonly op: 'skip-unless-value'; target: number; readonly piped: boolean }
  /** Pops `count` arguments and the receiver, and the piped value below it; pushes the result. */
  | { readonly op: 'method'; readonly name: ByteString; readonly count: number; readonly piped: boolean }
  /** Pops `count` arguments, and the piped value below them, which is the last argument; pushes the result. */
  | { readonly op: 'call'; readonly name: string; readonly count: number; readonly piped: boolean }
  /**
   * After an argument of `and` or `or`: pops it, and jumps with it as the result (instead of the piped value, if
   * there is one) where it decides.
   */
  | { readonly op: 'decide'; readonly by: boolean; target: number; readonly piped: boolean }
  /** Gives the top a name, which hides an earlier one. The value stays. */
  | { readonly op: 'declare'; readonly name: ByteString }
  /** Gives the top to the latest variable of the name. The value stays. */
  | { readonly op: 'assign'; readonly name: ByteString }
  /** Opens a scope: what is declared and done to dot from here on ends with its `leave`. */
  | { readonly op: 'enter' }
  | { readonly op: 'leave' }
  | { readonly op: 'jump'; target: number }
  /** Pops a value and jumps where it is not true. */
  | { readonly op: 'if'; target: number }
  /** Pops a value: dot from here on where it is true, else jumps. */
  | { readonly op: 'with'; target: number }
  /** Pops what is iterated, and jumps where it is empty. */
  | { readonly op: 'range'; readonly variables: LoopVariables; target: number }
  /** Takes the next element as dot and into the variables, or jumps where none is left. */
  | { readonly op: 'next'; target: number }
  /** Leaves scopes without running what is left in them: `break` and `continue`. */
  | { readonly op: 'unwind'; readonly scopes: number; target: number }
  /** Pops dot for a named template and runs it; `argument` is false where there is no argument to pop. */
  | { readonly op: 'template'; readonly name: ByteString; readonly argument: boolean }
  /** What parses but can only fail, such as `nil` as a command, in place of the value of `pops` others. */
  | { readonly op: 'fail'; readonly reason: string; readonly pops: number }

export interface LoopVariables {
  /** None, the element's, or the index's and the element's. */
  readonly names: readonly ByteString[]
  /** Whether they were assigned (`=`) rather than declared (`:=`). */
  readonly assign: boolean
}

/** The body of one template. */
export interface Code {
  readonly instructions: readonly Instruction[]
  /** Byte offset in the source for each instruction. */
  readonly offsets: readonly number[]
}

export interface Program {
  readonly source: ByteString
  readonly main: Code
  /** Every template by name, the main one included. */
  readonly templates: ReadonlyMap<ByteString, Code>
}
