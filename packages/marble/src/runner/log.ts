import { writeSync } from 'node:fs'

import { oneLine } from '../errors.ts'

export type Level = 'info' | 'warn' | 'fatal'

/** Takes one line with its end. */
export type WriteLine = (line: string) => void

/**
 * Straight to the descriptor. `process.stderr` would make a pipe non-blocking, and the application would inherit that.
 */
export const writeStandardError: WriteLine = (line) => {
  try {
    writeSync(2, line)
  } catch {
    // Nobody is left to be told.
  }
}

/** Log lines of the runner, each one line: text, or JSON with `level`, `ts` (seconds since 1970), `caller`, `msg`. */
export class RunnerLog {
  readonly #write: WriteLine
  readonly #json: boolean
  readonly #now: () => number

  /** @param now milliseconds since 1970 */
  constructor(write: WriteLine, json: boolean, now: () => number = Date.now) {
    this.#write = write
    this.#json = json
    this.#now = now
  }

  log(level: Level, message: string): void {
    const msg = oneLine(message)
    const line = this.#json
      ? JSON.stringify({ level, ts: this.#now() / 1000, caller: 'marble/runner', msg })
      : `taw run: ${level === 'info' ? '' : `${level}: `}${msg}`
    this.#write(`${line}\n`)
  }
}
