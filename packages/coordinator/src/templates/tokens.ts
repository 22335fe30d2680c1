import { displayed } from './bytes.ts'
import type { Lexer, Token } from './lexer.ts'

/** The tokens of a template with a look ahead, and the parser's way to refuse one. */
export class TokenReader {
  readonly #lexer: Lexer
  #ahead: Token[] = []

  constructor(lexer: Lexer) {
    this.#lexer = lexer
  }

  /** The token that `next` will give after `distance` others. */
  peek(distance = 0): Token {
    for (;;) {
      const token = this.#ahead[distance]
      if (token !== undefined) return token
      this.#ahead.push(this.#lexer.next())
    }
  }

  next(): Token {
    return this.#ahead.shift() ?? this.#lexer.next()
  }

  skipSpace(): void {
    while (this.peek().kind === 'space') this.next()
  }

  nextNonSpace(): Token {
    this.skipSpace()
    return this.next()
  }

  fail(reason: string, offset: number): never {
    this.#lexer.fail(reason, offset)
  }

  unexpected(token: Token, where: string): never {
    const what =
      token.kind === 'end of template' || token.kind === 'space'
        ? token.kind
        : token.kind === 'close'
          ? 'the end of the action'
          : `"${displayed(token.text)}"`
    this.fail(`${what} cannot stand here, in ${where}`, token.offset)
  }
}
