/** Something about a policy that its author should know. */
export interface PolicyFinding {
  /** Member names in their canonical spelling, and list indexes, from the root of what was read. */
  readonly path: readonly (string | number)[]
  readonly message: string
  /** A member that means nothing: perhaps a misspelt condition. */
  readonly isUnknownMember?: true
}

interface Findings {
  readonly problems: PolicyFinding[]
  readonly warnings: PolicyFinding[]
}

/** A place in a policy while it is read; all places of one policy share what was found. */
export class Place {
  readonly #path: PolicyFinding['path']
  readonly #findings: Findings

  private constructor(path: PolicyFinding['path'], findings: Findings) {
    this.#path = path
    this.#findings = findings
  }

  static root(): Place {
    return new Place([], { problems: [], warnings: [] })
  }

  get findings(): {
    readonly problems: readonly PolicyFinding[]
    readonly warnings: readonly PolicyFinding[]
  } {
    return this.#findings
  }

  in(key: string | number): Place {
    return new Place([...this.#path, key], this.#findings)
  }

  /** @returns null, which stands for what could not be read */
  problem(message: string): null {
    this.#findings.problems.push({ path: this.#path, message })
    return null
  }

  warn(message: string): void {
    this.#findings.warnings.push({ path: this.#path, message })
  }

  warnOfUnknownMember(message: string): void {
    this.#findings.warnings.push({ path: this.#path, message, isUnknownMember: true })
  }
}
