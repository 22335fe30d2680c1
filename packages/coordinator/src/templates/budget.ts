import { Fault } from './error.ts'
import type { TemplateLimits } from './limits.ts'

/** Counts what one execution uses, and ends it where it uses too much. */
export class Budget {
  readonly limits: TemplateLimits
  #steps = 0
  #built = 0

  constructor(limits: TemplateLimits) {
    this.limits = limits
  }

  spend(steps: number): void {
    this.#steps += steps
    if (this.#steps > this.limits.steps)
      throw new Fault(
        `the template needs more than ${this.limits.steps} steps; look for a range over a large number or an endless recursion`,
      )
  }

  /** To be called before bytes are put together. */
  build(bytes: number): void {
    this.#built += bytes
    if (this.#built > this.limits.builtBytes)
      throw new Fault(
        `the template puts together more than ${this.limits.builtBytes} bytes of text on its way`,
      )
  }
}
