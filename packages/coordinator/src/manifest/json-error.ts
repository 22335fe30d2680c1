/** A text is no JSON, or over a limit; `offset` is the byte where the mistake stands. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
  readonly offset: number

  constructor(offset: number, message: string) {
    super(message)
    this.offset = offset
  }
}
