import { decodeRune, displayed, encodeRune, type ByteString } from './bytes.ts'
import { positionAt, TemplateError } from './error.ts'
import { isAlphanumeric } from './unicode.ts'

export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'space'
  | 'end of template'
  | 'keyword'
  | 'nil'
  | 'bool'
  | 'identifier'
  | 'field'
  | 'variable'
  | 'dot'
  | 'number'
  | 'complex'
  | 'character'
  | 'string'
  | 'raw string'
  | 'pipe'
  | 'declare'
  | 'assign'
  | '('
  | ')'
  | 'symbol'

export interface Token {
  readonly kind: TokenKind
  /** The token as written; fields and variables with their leading `.` or `$`. */
  readonly text: ByteString
  /** Byte offset in the template. */
  readonly offset: number
}

const keywords: ReadonlySet<string> = new Set([
  'block',
  'break',
  'continue',
  'define',
  'else',
  'end',
  'if',
  'range',
  'template',
  'with',
])

const opening = '{{'
const closing = '}}'
const commentStart = '/*'
const commentEnd = '*/'

/** Blanks in Go's sense, inside actions and for trimming: space, tab, CR, LF and no other. */
const isBlank = (char: string | undefined): boolean =>
  char === ' ' || char === '\t' || char === '\r' || char === '\n'

const digits = /[0-9_]/
const hexDigits = /[0-9a-fA-F_]/
const octalDigits = /[0-7_]/
const binaryDigits = /[01_]/

/** Takes a template apart into tokens, one at a time, as the parser asks for them. */
export class Lexer {
  readonly source: ByteString
  #at = 0
  #insideAction = false
  #openParentheses = 0

  constructor(source: ByteString) {
    this.source = source
  }

  /** The next token; at the end of the template, the token for it again and again. */
  next(): Token {
    for (;;) {
      if (this.#insideAction) return this.#insideActionToken()
      const token = this.#text() ?? this.#openAction()
      if (token !== undefined) return token
    }
  }

  fail(reason: string, offset: number): never {
    throw new TemplateError('parse', positionAt(this.source, offset), reason)
  }

  #token(kind: TokenKind, from: number): Token {
    return { kind, text: this.source.slice(from, this.#at), offset: from }
  }

  /** Literal text up to the next action, or undefined where none is left once blanks are trimmed. */
  #text(): Token | undefined {
    const from = this.#at
    const found = this.source.indexOf(opening, from)
    if (found < 0) {
      this.#at = this.source.length
      return this.#token(from === this.#at ? 'end of template' : 'text', from)
    }
    let end = found
    if (this.#trimsLeft(found + opening.length)) while (end > from && isBlank(this.source[end - 1])) end--
    this.#at = found
    return end === from ? undefined : { kind: 'text', text: this.source.slice(from, end), offset: from }
  }

  /** The opening delimiter, or undefined after a comment, which is skipped whole. */
  #openAction(): Token | undefined {
    const from = this.#at
    const inside = from + opening.length
    const start = this.#trimsLeft(inside) ? inside + 2 : inside
    if (this.source.startsWith(commentStart, start)) {
      this.#skipComment(start)
      return undefined
    }
    this.#at = start
    this.#insideAction = true
    this.#openParentheses = 0
    return { kind: 'open', text: opening, offset: from }
  }

  #skipComment(start: number): void {
    const end = this.source.indexOf(commentEnd, start + commentStart.length)
    if (end < 0) this.fail('the comment is never closed; end it with */ right before }}', start)
    this.#at = end + commentEnd.length
    if (!this.#closeAction())
      this.fail('only }} or " -}}" may follow the end of a comment, and comments do not nest', this.#at)
  }

  /** Takes the closing delimiter and what it trims; false where none stands. */
  #closeAction(): boolean {
    const trims = this.#trimsRight(this.#at)
    if (!trims && !this.source.startsWith(closing, this.#at)) return false
    this.#at += closing.length + (trims ? 2 : 0)
    if (trims) while (isBlank(this.source[this.#at])) this.#at++
    return true
  }

  #trimsLeft(offset: number): boolean {
    return this.source[offset] === '-' && isBlank(this.source[offset + 1])
  }

  #trimsRight(offset: number): boolean {
    return isBlank(this.source[offset]) && this.source.startsWith('-' + closing, offset + 1)
  }

  #insideActionToken(): Token {
    const from = this.#at
    if (this.#closeAction()) {
      if (this.#openParentheses > 0) this.fail('a parenthesis is never closed', from)
      this.#insideAction = false
      return { kind: 'close', text: closing, offset: from }
    }
    const char = this.source[from]
    if (char === undefined) this.fail('the action is never closed; end it with }}', from)
    if (isBlank(char)) return this.#space()
    this.#at++
    if (char === '"') return this.#quoted('string', '"')
    if (char === "'") return this.#quoted('character', "'")
    if (char === '`') return this.#rawString()
    if (char === '.') return this.#dotOrNumber()
    if (char === '$') return this.#name(from, 'variable')
    if (char === '+' || char === '-' || (char >= '0' && char <= '9')) return this.#number(from)
    return this.#punctuation(char, from) ?? this.#wordOrSymbol(from)
  }

  #space(): Token {
    const from = this.#at
    while (isBlank(this.source[this.#at])) this.#at++
    // The last blank belongs to the closing delimiter where that trims.
    if (this.#trimsRight(this.#at - 1)) this.#at--
    return this.#at === from ? this.#insideActionToken() : this.#token('space', from)
  }

  #punctuation(char: string, from: number): Token | undefined {
    switch (char) {
      case '=':
        return this.#token('assign', from)
      case '|':
        return this.#token('pipe', from)
      case ':':
        if (this.source[this.#at] !== '=') this.fail('a colon stands only in ":="', from)
        this.#at++
        return this.#token('declare', from)
      case '(':
        this.#openParentheses++
        return this.#token('(', from)
      case ')':
        if (this.#openParentheses-- === 0)
          this.fail('this closing parenthesis has no opening one in the same action', from)
        return this.#token(')', from)
      default:
        return undefined
    }
  }

  #quoted(kind: 'string' | 'character', quote: string): Token {
    const from = this.#at - 1
    for (;;) {
      const char = this.source[this.#at++]
      if (char === quote) return this.#token(kind, from)
      const escaped = char === '\\' ? this.source[this.#at++] : char
      if (escaped === undefined || escaped === '\n')
        this.fail(`the ${kind} constant is not ended by ${quote} on its line`, from)
    }
  }

  #rawString(): Token {
    const from = this.#at - 1
    const end = this.source.indexOf('`', this.#at)
    if (end < 0) this.fail('the raw string constant is not ended by a backquote', from)
    this.#at = end + 1
    return this.#token('raw string', from)
  }

  #dotOrNumber(): Token {
    const from = this.#at - 1
    const next = this.source[this.#at]
    if (next !== undefined && next >= '0' && next <= '9') return this.#number(from)
    return this.#name(from, 'field')
  }

  /** What follows `.` or `$`: a name, or nothing. */
  #name(from: number, kind: 'field' | 'variable'): Token {
    this.#takeAlphanumerics()
    this.#checkTerminator(from)
    return this.#token(kind === 'field' && this.#at === from + 1 ? 'dot' : kind, from)
  }

  #wordOrSymbol(from: number): Token {
    this.#at = from
    this.#takeAlphanumerics()
    if (this.#at === from) return this.#symbol(from)
    this.#checkTerminator(from)
    const word = this.source.slice(from, this.#at)
    if (keywords.has(word)) return this.#token('keyword', from)
    if (word === 'nil') return this.#token('nil', from)
    return this.#token(word === 'true' || word === 'false' ? 'bool' : 'identifier', from)
  }

  #symbol(from: number): Token {
    const char = this.source[from] ?? ''
    if (char < ' ' || char >= '\x7f') {
      const { rune } = decodeRune(this.source, from)
      this.fail(`the character ${describeRune(rune)} is not allowed inside an action`, from)
    }
    this.#at = from + 1
    return this.#token('symbol', from)
  }

  #takeAlphanumerics(): void {
    for (;;) {
      const { rune, width } = decodeRune(this.source, this.#at)
      if (width === 0 || !isAlphanumeric(rune)) return
      this.#at += width
    }
  }

  /** Names may be followed by a blank, the end, or one of `.,|:()`. */
  #checkTerminator(from: number): void {
    const char = this.source[this.#at]
    if (char === undefined || isBlank(char) || '.,|:()'.includes(char)) return
    if (this.source.startsWith(closing, this.#at)) return
    const { rune } = decodeRune(this.source, this.#at)
    const hint =
      this.source[from] === '.' && char === '-'
        ? '; reach a name that holds such a character with index, as in index .Secrets "my-key"'
        : ''
    this.fail(`the character ${describeRune(rune)} cannot follow a name${hint}`, this.#at)
  }

  #number(from: number): Token {
    this.#at = from
    if (!this.#scanNumber()) this.#badNumber(from)
    const sign = this.source[this.#at]
    if (sign !== '+' && sign !== '-') return this.#token('number', from)
    if (!this.#scanNumber() || this.source[this.#at - 1] !== 'i') this.#badNumber(from)
    return this.#token('complex', from)
  }

  #badNumber(from: number): never {
    const written = displayed(this.source.slice(from, this.#at))
    this.fail(`malformed number that starts with "${written}"; a blank must follow a number`, from)
  }

  /** Takes what looks like a number; false where a letter or digit follows it directly. */
  #scanNumber(): boolean {
    this.#takeOne('+-')
    let allowed = digits
    if (this.#takeOne('0')) {
      if (this.#takeOne('xX')) allowed = hexDigits
      else if (this.#takeOne('oO')) allowed = octalDigits
      else if (this.#takeOne('bB')) allowed = binaryDigits
    }
    this.#takeAll(allowed)
    if (this.#takeOne('.')) this.#takeAll(allowed)
    const exponent = allowed === digits ? 'eE' : allowed === hexDigits ? 'pP' : ''
    if (this.#takeOne(exponent)) {
      this.#takeOne('+-')
      this.#takeAll(digits)
    }
    this.#takeOne('i')
    const { rune, width } = decodeRune(this.source, this.#at)
    if (width === 0 || !isAlphanumeric(rune)) return true
    this.#at += width
    return false
  }

  #takeOne(allowed: string): boolean {
    const char = this.source[this.#at]
    if (char === undefined || !allowed.includes(char)) return false
    this.#at++
    return true
  }

  #takeAll(allowed: RegExp): void {
    for (;;) {
      const char = this.source[this.#at]
      if (char === undefined || !allowed.test(char)) return
      this.#at++
    }
  }
}

/** A code point for a message: `U+2019`, with the character itself where it is plain ASCII. */
function describeRune(rune: number): string {
  const code = `U+${rune.toString(16).toUpperCase().padStart(4, '0')}`
  return rune > 0x20 && rune < 0x7f ? `${code} "${encodeRune(rune)}"` : code
}
