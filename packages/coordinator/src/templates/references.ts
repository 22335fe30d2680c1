import { bytesFromText, textFromBytes, type ByteString } from './bytes.ts'
import type { Code, Instruction, Program } from './code.ts'

/**
 * The secrets that a template can reach, whatever the data. Secrets that are not among them may be handed to
 * `execute` without their values (certificate, private and public part); their names and definitions must be there.
 */
export interface TemplateReferences {
  /** Names below `.Secrets`. */
  readonly secrets: ReadonlySet<string>
  /** Names below `.Previous.Secrets`. */
  readonly previousSecrets: ReadonlySet<string>
  /** It can't be told which secrets are reached, so that all of them may be. */
  readonly allSecrets: boolean
  readonly allPreviousSecrets: boolean
}

type Generation = 'current' | 'previous'

/**
 * What is known about a value before anything runs. Only the containers that lead to secrets by name are followed;
 * everything else is `other`, which holds no secret but those that were already noted.
 */
type Known =
  | { readonly kind: 'root' | 'wrapper' | 'previous' | 'other' }
  | { readonly kind: 'secrets'; readonly generation: Generation }
  | { readonly kind: 'string'; readonly value: ByteString }

const other: Known = { kind: 'other' }

/** Where the fields of the containers lead. */
const fieldsOfContainers: ReadonlyMap<string, Known> = new Map<string, Known>([
  ['root.SecretsWrapper', { kind: 'wrapper' }],
  ['root.Secrets', { kind: 'secrets', generation: 'current' }],
  ['root.Previous', { kind: 'previous' }],
  ['wrapper.Secrets', { kind: 'secrets', generation: 'current' }],
  ['previous.Secrets', { kind: 'secrets', generation: 'previous' }],
])

/** Finds the references of a program, in all its templates that are called, with every dot they are called with. */
export function findReferences(program: Program): TemplateReferences {
  const found = new References()
  const analysed = new Set<string>()
  const waiting: { readonly code: Code; readonly dot: Known }[] = [
    { code: program.main, dot: { kind: 'root' } },
  ]
  const call = (name: ByteString, dot: Known): void => {
    const code = program.templates.get(name)
    const key = `${keyOf(dot)} ${name}`
    if (code === undefined || analysed.has(key)) return
    analysed.add(key)
    waiting.push({ code, dot })
  }
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
    new Analysis(found, next.dot, call).run(next.code)
  return found
}

/** Strings as dot make no difference to what is reached. */
const keyOf = (dot: Known): string => (dot.kind === 'secrets' ? dot.generation : dot.kind)

class References implements TemplateReferences {
  readonly secrets = new Set<string>()
  readonly previousSecrets = new Set<string>()
  allSecrets = false
  allPreviousSecrets = false

  name(generation: Generation, name: ByteString): void {
    const text = textFromBytes(name)
    // No secret can have a name that is not UTF-8.
    if (text === undefined || bytesFromText(text) !== name) return
    if (generation === 'current') this.secrets.add(text)
    else this.previousSecrets.add(text)
  }

  /** Notes a value that goes where it can't be followed. */
  escape(value: Known): void {
    if (value.kind === 'root' || value.kind === 'wrapper') this.allSecrets = true
    if (value.kind === 'root' || value.kind === 'previous') this.allPreviousSecrets = true
    if (value.kind !== 'secrets') return
    if (value.generation === 'current') this.allSecrets = true
    else this.allPreviousSecrets = true
  }
}

/**
 * Goes through the instructions of one template once, in their order and without jumping.
 *
 * That is enough: dot changes only where a scope says so, variables other than `$` never hold a container (what is
 * given to one escapes), and where two ways meet, the values that came the other way have escaped.
 */
class Analysis {
  readonly #found: References
  readonly #call: (name: ByteString, dot: Known) => void
  /** What `$` is; assigning something else to it can only lead to less. */
  readonly #start: Known
  #dot: Known
  readonly #scopes: Known[] = []
  readonly #stack: Known[] = []
  /** What dot is again at the targets of jumps that skip a change of it. */
  readonly #dotAt = new Map<number, Known>()
  /** Where `and` and `or` end: the value on top there may be any of their operands. */
  readonly #meetings = new Set<number>()

  constructor(found: References, dot: Known, call: (name: ByteString, dot: Known) => void) {
    this.#found = found
    this.#start = dot
    this.#dot = dot
    this.#call = call
  }

  run(code: Code): void {
    code.instructions.forEach((instruction, index) => {
      this.#dot = this.#dotAt.get(index) ?? this.#dot
      if (this.#meetings.has(index) && this.#stack.at(-1)?.kind === 'string')
        this.#stack[this.#stack.length - 1] = other
      this.#step(instruction)
    })
  }

  #step(instruction: Instruction): void {
    switch (instruction.op) {
      case 'text':
      case 'skip-unless-value':
      case 'jump':
      case 'unwind':
        break
      case 'print':
        this.#escapeTop()
        break
      case 'discard':
        this.#pop()
        break
      case 'push':
        this.#stack.push(
          instruction.value?.kind === 'string' ? { kind: 'string', value: instruction.value.value } : other,
        )
        break
      case 'number':
        this.#stack.push(other)
        break
      case 'dot':
        this.#stack.push(this.#dot)
        break
      case 'variable':
        this.#stack.push(instruction.name === '$' ? this.#start : other)
        break
      case 'fields':
        this.#stack.push(
          instruction.names.reduce<Known>((value, name) => this.#field(value, name), this.#pop()),
        )
        break
      case 'method':
        this.#escapeTop(instruction.count)
        this.#stack.push(this.#field(this.#pop(), instruction.name))
        if (instruction.piped) this.#replaceBelowTop()
        break
      case 'call':
        this.#callFunction(
          instruction.name,
          instruction.count + (instruction.piped ? 1 : 0),
          instruction.piped,
        )
        break
      case 'decide':
        this.#escapeTop()
        this.#meetings.add(instruction.target)
        break
      case 'declare':
      case 'assign':
        this.#found.escape(this.#stack.at(-1) ?? other)
        break
      case 'fail':
        // Nothing goes on from here, so that the values go nowhere.
        for (let popped = 0; popped < instruction.pops; popped++) this.#pop()
        this.#stack.push(other)
        break
      case 'template':
        this.#call(instruction.name, instruction.argument ? this.#pop() : other)
        break
      case 'enter':
      case 'leave':
      case 'if':
      case 'with':
      case 'range':
      case 'next':
        this.#control(instruction)
    }
  }

  #control(
    instruction: Extract<Instruction, { op: 'enter' | 'leave' | 'if' | 'with' | 'range' | 'next' }>,
  ): void {
    switch (instruction.op) {
      case 'enter':
        this.#scopes.push(this.#dot)
        break
      case 'leave':
        this.#dot = this.#scopes.pop() ?? other
        break
      case 'if':
        this.#test(this.#pop())
        break
      case 'with': {
        const value = this.#pop()
        this.#test(value)
        this.#dotAt.set(instruction.target, this.#dot)
        this.#dot = value
        break
      }
      case 'range':
        this.#escapeTop()
        this.#dotAt.set(instruction.target, this.#dot)
        break
      case 'next':
        this.#dot = other
        break
    }
  }

  #pop(): Known {
    return this.#stack.pop() ?? other
  }

  #escapeTop(count = 1): void {
    for (let index = 0; index < count; index++) this.#found.escape(this.#pop())
  }

  /** Takes the piped value, which lies below the result. */
  #replaceBelowTop(): void {
    const result = this.#pop()
    this.#escapeTop()
    this.#stack.push(result)
  }

  /** Whether a map is empty depends on all its names; a struct is true in any case. */
  #test(value: Known): void {
    if (value.kind === 'secrets') this.#found.escape(value)
  }

  #field(value: Known, name: ByteString): Known {
    if (value.kind !== 'secrets') return fieldsOfContainers.get(`${value.kind}.${name}`) ?? other
    this.#found.name(value.generation, name)
    return other
  }

  #callFunction(name: string, count: number, piped: boolean): void {
    const operands = count === 0 ? [] : this.#stack.splice(-count)
    const piece = piped ? operands.shift() : undefined
    if (piece !== undefined) operands.push(piece)
    const [item, key] = operands
    if (name === 'index' && item?.kind === 'secrets' && key?.kind === 'string') {
      this.#found.name(item.generation, key.value)
      operands.shift()
    }
    for (const operand of operands) this.#found.escape(operand)
    this.#stack.push(other)
  }
}
