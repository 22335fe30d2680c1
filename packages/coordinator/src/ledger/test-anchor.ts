import { type RollbackAnchor, RollbackAnchorUnavailable } from './rollback-anchor.ts'

/** A counter as a TPM has it, which outlives the ledgers of a test and can be out of reach. */
export class MemoryAnchor implements RollbackAnchor {
  readonly name = 'the counter'
  value: bigint | undefined
  /** Advances that still work; then it is out of reach. Undefined: all do. */
  worksFor: number | undefined

  read(): Promise<bigint | undefined> {
    if (this.worksFor === 0) return Promise.reject(unreachable())
    return Promise.resolve(this.value)
  }

  begin(): Promise<bigint> {
    if (this.worksFor === 0) return Promise.reject(unreachable())
    return Promise.resolve((this.value ??= 1000n))
  }

  advanceTo(value: bigint): Promise<void> {
    if (this.worksFor === 0) return Promise.reject(unreachable())
    if (this.worksFor !== undefined) this.worksFor--
    if (value !== this.value && value !== (this.value ?? 0n) + 1n) {
      return Promise.reject(new RollbackAnchorUnavailable(`it stands at ${String(this.value)}`))
    }
    this.value = value
    return Promise.resolve()
  }
}

const unreachable = (): RollbackAnchorUnavailable => new RollbackAnchorUnavailable('no TPM answers')
