import { getHeapStatistics } from 'node:v8'

/** No input may cost more than this. CPU time, because others may be using the machine. */
export const MAX_MILLISECONDS = 50
/** No input may allocate more. */
export const MAX_BYTES = 16 * 1024 * 1024

export interface FuzzReport {
  readonly inputs: number
  /** How many were accepted; nothing that anybody signed was altered in them. */
  readonly accepted: number
  readonly slowestMilliseconds: number
  readonly slowestInput: string
  readonly largestBytes: number
  readonly largestInput: string
  /** Inputs above {@link MAX_MILLISECONDS} or {@link MAX_BYTES}. */
  readonly expensive: readonly string[]
}

type Summary = Omit<FuzzReport, 'inputs' | 'accepted'>

/** A few are enough to look into. */
const MAX_EXPENSIVE = 20
/** How often what seems expensive is measured again. */
const REPEATS = 4

/**
 * What inputs cost: CPU time of this thread alone, and how much the heap and the memory beside it grew. A garbage
 * collection in between hides what was freed; among millions of inputs an expensive one is seen all the same. It can also
 * fall to an input that did not cause it, as the scheduler's work on a busy machine does: what seems expensive is measured
 * again, and the least counts.
 */
export class Costs {
  #slowest = { milliseconds: 0, input: '' }
  #largest = { bytes: 0, input: '' }
  readonly #expensive: string[] = []

  /** @param run has no effects: it may be called again */
  async of<T>(input: string, run: () => Promise<T>): Promise<T> {
    let { result, milliseconds, bytes } = await measured(run)
    for (let again = 0; again < REPEATS && isExpensive(milliseconds, bytes); again++) {
      const other = await measured(run)
      result = other.result
      milliseconds = Math.min(milliseconds, other.milliseconds)
      bytes = Math.min(bytes, other.bytes)
    }
    if (milliseconds > this.#slowest.milliseconds) this.#slowest = { milliseconds, input }
    if (bytes > this.#largest.bytes) this.#largest = { bytes, input }
    if (isExpensive(milliseconds, bytes) && this.#expensive.length < MAX_EXPENSIVE) {
      this.#expensive.push(`${input}: ${milliseconds.toFixed(1)} ms, ${(bytes / 1024 ** 2).toFixed(1)} MB`)
    }
    return result
  }

  report(): Summary {
    return {
      slowestMilliseconds: this.#slowest.milliseconds,
      slowestInput: this.#slowest.input,
      largestBytes: this.#largest.bytes,
      largestInput: this.#largest.input,
      expensive: this.#expensive,
    }
  }
}

interface Measured<T> {
  readonly result: T
  readonly milliseconds: number
  readonly bytes: number
}

async function measured<T>(run: () => Promise<T>): Promise<Measured<T>> {
  const memory = memoryInUse()
  const before = process.threadCpuUsage()
  const result = await run()
  const { user, system } = process.threadCpuUsage(before)
  return { result, milliseconds: (user + system) / 1000, bytes: memoryInUse() - memory }
}

function isExpensive(milliseconds: number, bytes: number): boolean {
  return milliseconds > MAX_MILLISECONDS || bytes > MAX_BYTES
}

function memoryInUse(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}
