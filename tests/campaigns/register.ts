import { moment } from './changes.ts'

/** A write of a value that no other write has. */
interface Write {
  readonly value: string
  readonly began: number
  ended: number | undefined
  wasRefused: boolean
}

/** What a value that clients write and read concurrently may be: linearizability of a single register. */
export class Register {
  #writes: Write[] = []
  /** No value was ever written, as far as is known. */
  #mayBeUnset = true

  begin(value: string): Write {
    const write: Write = { value, began: moment(), ended: undefined, wasRefused: false }
    this.#writes.push(write)
    return write
  }

  /**
   * A read that began at `began` and ended now gave this value (undefined: none is set). What was read is as good as
   * answered: it must never be undone.
   *
   * @returns what is wrong
   */
  read(value: string | undefined, began: number): string | undefined {
    const superseding = (after: number): boolean =>
      this.#writes.some(
        (other) =>
          !other.wasRefused && other.began > after && other.ended !== undefined && other.ended < began,
      )
    if (value === undefined) {
      return this.#mayBeUnset && !superseding(0) ? undefined : 'a value that was set is gone'
    }
    const write = this.#writes.find((candidate) => candidate.value === value)
    if (write === undefined) return 'a value that nobody wrote since, or that was overwritten long ago'
    if (write.wasRefused) return 'a value whose write was refused'
    if (write.ended !== undefined && superseding(write.ended)) return 'a value that was overwritten before'
    write.ended ??= moment()
    return undefined
  }

  /** After a crash, when nothing is under way: the value that was read is the only one from now on. */
  settle(value: string | undefined): void {
    const write = this.#writes.find((candidate) => candidate.value === value)
    this.#writes = write === undefined ? [] : [write]
    this.#mayBeUnset = value === undefined
  }
}
