import { Body } from './body.ts'
import { displayed, textFromBytes, type ByteString } from './bytes.ts'
import type { Code, Program } from './code.ts'
import { Lexer, type Token } from './lexer.ts'
import { PipelineParser, type FunctionNames } from './pipeline.ts'
import { TokenReader } from './tokens.ts'
import { isUnicodeBlank } from './unicode.ts'

/** Name of the template that the text outside of definitions is; a template can call itself by it. */
const mainName = 'data'

type Branching = 'if' | 'with' | 'range'

interface OpenBranch {
  readonly kind: Branching
  readonly offset: number
  /** Variables that were declared before it. */
  readonly declared: number
  /** Its jumps to what runs when the condition is false. */
  toElse: { target: number }[]
  /** Its jumps to the end. */
  readonly toEnd: { target: number }[]
  hasElse: boolean
  /** Its `else` stands in a loop, and so has an entry of its own among the loops. */
  elseIsLoop: boolean
  /** Stands in the `else` of another branch, and ends together with it. */
  readonly chained: boolean
}

interface OpenDefinition {
  readonly kind: 'define' | 'block'
  readonly offset: number
  /** What the definition interrupts. */
  readonly outer: Body
}

/**
 * Parses a template.
 *
 * @throws {@link TemplateError} (stage `parse`)
 */
export function parse(source: ByteString, functions: FunctionNames, parenthesisDepth: number): Program {
  return new Parser(source, functions, parenthesisDepth).parse()
}

class Parser {
  readonly #source: ByteString
  readonly #reader: TokenReader
  readonly #pipelines: PipelineParser
  readonly #templates = new Map<ByteString, { readonly code: Code; readonly blank: boolean }>()
  readonly #open: (OpenBranch | OpenDefinition)[] = []
  #body = new Body(mainName)

  constructor(source: ByteString, functions: FunctionNames, parenthesisDepth: number) {
    this.#source = source
    this.#reader = new TokenReader(new Lexer(source))
    this.#pipelines = new PipelineParser(this.#reader, functions, parenthesisDepth, this.#body)
  }

  parse(): Program {
    for (;;) {
      const token = this.#reader.next()
      if (token.kind === 'end of template') break
      if (token.kind === 'text') this.#text(token)
      else this.#action(token)
    }
    const unclosed = this.#open.at(-1)
    if (unclosed !== undefined) this.#reader.fail(`this ${unclosed.kind} has no {{ end }}`, unclosed.offset)
    this.#add(this.#body, 0)

    const templates = new Map([...this.#templates].map(([name, { code }]) => [name, code]))
    const main = templates.get(mainName)
    if (main === undefined) throw new RangeError('the main template was just added')
    return { source: this.#source, main, templates }
  }

  #text(token: Token): void {
    const text = textFromBytes(token.text)
    if (text === undefined || !isUnicodeBlank(text)) this.#body.blank = false
    this.#body.emit({ op: 'text', text: token.text }, token.offset)
  }

  #action(opening: Token): void {
    this.#reader.skipSpace()
    const token = this.#reader.peek()
    if (token.kind !== 'keyword') {
      this.#body.blank = false
      const { names } = this.#pipelines.parse('a command', this.#body)
      this.#body.emit({ op: names.length > 0 ? 'discard' : 'print' }, token.offset)
      return
    }
    this.#reader.next()
    if (token.text === 'end') this.#end(token)
    else if (token.text === 'else') this.#else(token)
    else if (token.text === 'define') this.#define(token, opening)
    else {
      this.#body.blank = false
      if (token.text === 'block') this.#block(token)
      else if (token.text === 'template') this.#template(token)
      else if (token.text === 'break' || token.text === 'continue') this.#leaveLoop(token, token.text)
      else if (isBranching(token.text)) this.#branch(token.text, token.offset, false)
    }
  }

  #expectClose(where: string): void {
    const token = this.#reader.nextNonSpace()
    if (token.kind !== 'close') this.#reader.unexpected(token, where)
  }

  #name(where: string): ByteString {
    const token = this.#reader.nextNonSpace()
    if (token.kind !== 'string' && token.kind !== 'raw string')
      this.#reader.unexpected(token, `${where}, which needs a name in quotes`)
    return this.#pipelines.unquoted(token)
  }

  #define(token: Token, opening: Token): void {
    if (this.#open.length > 0) this.#reader.fail('define stands at the top level only', opening.offset)
    const name = this.#name('define')
    this.#expectClose('define')
    this.#open.push({ kind: 'define', offset: token.offset, outer: this.#body })
    this.#body = new Body(name)
  }

  #block(token: Token): void {
    const name = this.#name('block')
    this.#pipelines.parse('block', this.#body)
    this.#open.push({ kind: 'block', offset: token.offset, outer: this.#body })
    this.#body = new Body(name)
  }

  #template(token: Token): void {
    const name = this.#name('template')
    this.#reader.skipSpace()
    const argument = this.#reader.peek().kind !== 'close'
    if (argument) this.#pipelines.parse('template', this.#body)
    else this.#reader.next()
    this.#body.emit({ op: 'template', name, argument }, token.offset)
  }

  #leaveLoop(token: Token, how: 'break' | 'continue'): void {
    this.#expectClose(how)
    const loop = this.#body.loops.at(-1)
    if (loop === undefined) this.#reader.fail(`${how} stands outside of the body of a range`, token.offset)
    const scopes = this.#body.scopes - (how === 'break' ? loop.breakScopes : loop.scopes)
    const unwind = this.#body.emit({ op: 'unwind', scopes, target: loop.start }, token.offset)
    if (how === 'break') loop.breaks.push(unwind)
  }

  #branch(kind: Branching, offset: number, chained: boolean): void {
    const declared = this.#body.declaredCount
    this.#body.emit({ op: 'enter' }, offset)
    const variables = this.#pipelines.parse(kind, this.#body)
    const branch: OpenBranch = {
      kind,
      offset,
      declared,
      toElse: [],
      toEnd: [],
      hasElse: false,
      elseIsLoop: false,
      chained,
    }
    if (kind === 'range') {
      branch.toElse.push(this.#body.emit({ op: 'range', variables, target: 0 }, offset))
      const start = this.#body.position
      branch.toEnd.push(this.#body.emit({ op: 'next', target: 0 }, offset))
      const { scopes } = this.#body
      this.#body.loops.push({ start, scopes, breakScopes: scopes, breaks: [] })
    } else {
      branch.toElse.push(this.#body.emit({ op: kind, target: 0 }, offset))
    }
    this.#open.push(branch)
  }

  #else(token: Token): void {
    const branch = this.#open.at(-1)
    if (branch === undefined) this.#reader.fail('this else belongs to no if, with or range', token.offset)
    if (isDefinition(branch) || branch.hasElse)
      this.#reader.fail(`this ${branch.kind} cannot have an else here`, token.offset)
    branch.hasElse = true
    this.#endFirstPart(branch, token.offset)

    this.#reader.skipSpace()
    const next = this.#reader.peek()
    if (next.kind === 'keyword' && isBranching(next.text)) {
      if (next.text !== branch.kind || branch.kind === 'range')
        this.#reader.fail(`"else ${next.text}" cannot follow ${branch.kind}`, next.offset)
      this.#reader.next()
      this.#branch(branch.kind, next.offset, true)
      return
    }
    this.#expectClose('else')
  }

  /** Ends what runs while the condition is true; what comes now runs when it is false. */
  #endFirstPart(branch: OpenBranch, offset: number): void {
    if (branch.kind === 'range') this.#endLoop(branch, offset)
    if (branch.hasElse) branch.toEnd.push(this.#body.emit({ op: 'jump', target: 0 }, offset))
    for (const jump of branch.toElse) jump.target = this.#body.position
    branch.toElse = []
  }

  #endLoop(branch: OpenBranch, offset: number): void {
    const loop = this.#body.loops.pop()
    if (loop === undefined) throw new RangeError('a range without its loop')
    this.#body.emit({ op: 'jump', target: loop.start }, offset)
    branch.toEnd.push(...loop.breaks)
    // In the `else` of a range within another one, Go's `continue` belongs to the outer, but `break` to the inner.
    const outer = this.#body.loops.at(-1)
    if (branch.hasElse && outer !== undefined)
      this.#body.loops.push({ ...outer, breakScopes: this.#body.scopes, breaks: branch.toEnd })
    branch.elseIsLoop = branch.hasElse && outer !== undefined
  }

  #end(token: Token): void {
    this.#expectClose('end')
    for (;;) {
      const ended = this.#open.pop()
      if (ended === undefined) this.#reader.fail('this end belongs to nothing that is open', token.offset)
      if (isDefinition(ended)) {
        this.#endDefinition(ended)
        return
      }
      if (!ended.hasElse) this.#endFirstPart(ended, token.offset)
      if (ended.elseIsLoop) this.#body.loops.pop()
      for (const jump of ended.toEnd) jump.target = this.#body.position
      this.#body.emit({ op: 'leave' }, token.offset)
      this.#body.forgetSince(ended.declared)
      if (!ended.chained) return
    }
  }

  #endDefinition(ended: OpenDefinition): void {
    const body = this.#body
    this.#add(body, ended.offset)
    this.#body = ended.outer
    if (ended.kind === 'block')
      this.#body.emit({ op: 'template', name: body.name, argument: true }, ended.offset)
  }

  #add(body: Body, offset: number): void {
    const former = this.#templates.get(body.name)
    if (former === undefined || former.blank)
      this.#templates.set(body.name, { code: body.finish(), blank: body.blank })
    else if (!body.blank) this.#reader.fail(`the template "${displayed(body.name)}" is defined twice`, offset)
  }
}

const isDefinition = (open: OpenBranch | OpenDefinition): open is OpenDefinition =>
  open.kind === 'define' || open.kind === 'block'

const isBranching = (text: string): text is Branching => text === 'if' || text === 'with' || text === 'range'
