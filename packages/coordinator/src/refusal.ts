import type { RefusalCode } from '@taw/protocol'

/** The only error that a caller gets to see. Everything else is a defect: logged whole, answered as `internal`. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode

  /** @param message what was being done, what is, what should be, and what to do; never a secret value. */
  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
