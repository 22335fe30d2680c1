import { excerpt } from './encoding.ts'
import { malformed } from './errors.ts'

/** Intel's TCB info nests to 7. */
const MAX_DEPTH = 16
const WHITE_SPACE = ' \t\r\n'
/** Numbers and the three words; one that is longer falls apart, and is refused. */
const SCALAR = /[-+.0-9A-Za-z]{1,64}/y

/**
 * The members of a JSON object as they stand in the text: what a signature over a member is checked against. Nothing is
 * decoded but the names; whoever decodes a value has `JSON.parse` read that very substring.
 *
 * @param text one JSON object, at most `maxDepth` levels deep
 * @throws EvidenceInvalid when it is no object, is too deep, or has a name twice
 */
export function rawMembers(text: string): Map<string, string> {
  const members = new Map<string, string>()
  const scanner = new Scanner(text)
  scanner.punctuation('{')
  if (scanner.peek() === '}') {
    scanner.punctuation('}')
  } else {
    do {
      const name = parseJson(scanner.string())
      scanner.punctuation(':')
      const value = scanner.value()
      if (typeof name !== 'string' || members.has(name)) {
        throw malformed('the JSON object has a name twice', 'each name once', excerpt(String(name)))
      }
      members.set(name, value)
    } while (scanner.separator('}'))
  }
  scanner.end()
  return members
}

/** `JSON.parse` with the package's own error. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw malformed('the text is not JSON', 'JSON (RFC 8259)', excerpt(text))
  }
}

class Scanner {
  readonly #text: string
  #offset = 0

  constructor(text: string) {
    this.#text = text
  }

  peek(): string {
    let mark = this.#text.charAt(this.#offset)
    while (mark !== '' && WHITE_SPACE.includes(mark)) {
      this.#offset += 1
      mark = this.#text.charAt(this.#offset)
    }
    return mark
  }

  punctuation(mark: string): void {
    if (this.peek() !== mark) throw this.#unexpected(`'${mark}'`)
    this.#offset += 1
  }

  /** Reads a comma (true) or the closing mark (false). */
  separator(close: string): boolean {
    const mark = this.peek()
    if (mark !== ',' && mark !== close) throw this.#unexpected(`',' or '${close}'`)
    this.#offset += 1
    return mark === ','
  }

  string(): string {
    if (this.peek() !== '"') throw this.#unexpected('a string')
    const start = this.#offset
    // A loop, because a regular expression needs stack for each character of a long string.
    for (let at = start + 1; at < this.#text.length; at++) {
      const mark = this.#text.charAt(at)
      if (mark === '\\') {
        at += 1
      } else if (mark === '"') {
        this.#offset = at + 1
        return this.#text.slice(start, this.#offset)
      }
    }
    throw this.#unexpected('a string that ends')
  }

  /**
   * Skips a value and returns its text. Inside it only strings and brackets are looked at: whether the rest is JSON,
   * `JSON.parse` decides.
   */
  value(): string {
    this.peek()
    const start = this.#offset
    const open: string[] = []
    do {
      const mark = this.peek()
      if (mark === '{' || mark === '[') {
        if (open.length === MAX_DEPTH) {
          throw malformed('the JSON text is too deep', `at most ${MAX_DEPTH} levels`, 'more')
        }
        open.push(mark === '{' ? '}' : ']')
        this.#offset += 1
      } else if (open.length > 0 && mark === open.at(-1)) {
        open.pop()
        this.#offset += 1
      } else if (open.length > 0 && (mark === ',' || mark === ':')) {
        this.#offset += 1
      } else if (mark === '"') {
        this.string()
      } else {
        this.#scalar()
      }
    } while (open.length > 0)
    return this.#text.slice(start, this.#offset)
  }

  end(): void {
    if (this.peek() !== '') throw this.#unexpected('the end of the text')
  }

  #scalar(): void {
    SCALAR.lastIndex = this.#offset
    const [match] = SCALAR.exec(this.#text) ?? []
    if (match === undefined) throw this.#unexpected('a value')
    this.#offset += match.length
  }

  #unexpected(expected: string): Error {
    return malformed(
      `the JSON text is malformed at character ${this.#offset}`,
      expected,
      excerpt(this.#text.slice(this.#offset, this.#offset + 20)) || 'the end',
    )
  }
}
