import { EvidenceInvalid } from './errors.ts'
import type { ErrorDetail } from './errors.ts'
import type { Check } from './result.ts'

/** Records the checks of one verification in order, and turns the first failing one into {@link EvidenceInvalid}. */
export class Checks {
  readonly #list: Check[] = []

  get list(): readonly Check[] {
    return [...this.#list]
  }

  passed(name: string, detail: { expected?: string; found?: string } = {}): void {
    this.#list.push({ name, outcome: 'passed', ...detail })
  }

  /** @param found why the check was not made */
  skipped(name: string, found: string): void {
    this.#list.push({ name, outcome: 'skipped', found })
  }

  /** @throws {@link EvidenceInvalid} when `condition` is false; the detail is only made then, or for the record. */
  require(name: string, condition: boolean, detail: () => ErrorDetail): void {
    if (!condition) throw this.failure(name, detail())
    this.passed(name)
  }

  /** The error of a check that failed, for the caller to throw. */
  failure(name: string, detail: ErrorDetail): EvidenceInvalid {
    return new EvidenceInvalid(name, detail, this.#list)
  }

  /** Records an equality of texts (hex, names, numbers) with both sides. */
  requireEqual(
    name: string,
    values: { expected: string; found: string; message: string; remedy?: string },
  ): void {
    if (values.expected !== values.found) throw this.failure(name, values)
    this.passed(name, { expected: values.expected, found: values.found })
  }

  /**
   * Runs one step of a verification. An {@link EvidenceInvalid} from a step that doesn't know this recorder (a decoder,
   * the chain verification) gets the checks that went before.
   */
  async run<T>(step: () => T | Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      if (!(error instanceof EvidenceInvalid) || error.checks.length > this.#list.length) throw error
      throw new EvidenceInvalid(error.check, error, this.#list)
    }
  }
}
