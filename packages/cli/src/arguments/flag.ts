/** A flag as the original's users know it; `type` is that of its flag parser (golden/cli/flags.json). */
export interface Flag {
  readonly name: string
  /** One letter. */
  readonly short?: string
  /** `strings`: a comma-separated list that may be repeated; `repeated`: may be repeated, each value as it stands. */
  readonly type: 'bool' | 'string' | 'strings' | 'repeated'
  /** As shown in help; a list is in brackets. */
  readonly default?: string
  readonly means: string
}

/** The flags that were given on a command line; one that was not given has no value, whatever its default. */
export class FlagValues {
  readonly #values = new Map<string, string | boolean | readonly string[]>()

  set(flag: Flag, value: string | boolean): void {
    if (flag.type === 'repeated') {
      this.#values.set(flag.name, [...(this.strings(flag.name) ?? []), String(value)])
      return
    }
    if (flag.type !== 'strings') {
      this.#values.set(flag.name, value)
      return
    }
    const items = String(value).split(',')
    this.#values.set(flag.name, [...(this.strings(flag.name) ?? []), ...items.filter((item) => item !== '')])
  }

  bool(name: string): boolean {
    return this.#values.get(name) === true
  }

  string(name: string): string | undefined {
    const value = this.#values.get(name)
    return typeof value === 'string' ? value : undefined
  }

  strings(name: string): readonly string[] | undefined {
    const value = this.#values.get(name)
    return typeof value === 'object' ? value : undefined
  }
}
