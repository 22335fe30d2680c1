import { setTimeout } from 'node:timers/promises'

/** Milliseconds between two pieces of work while the process has something else to do. */
const busyPause = 20

/** The same once nothing else has been going on for {@link quietPauses}. */
const quietPause = 1

/** Pauses in a row in which nothing else may have gone on: 100 ms. */
const quietPauses = 5

/**
 * Milliseconds of CPU that the process may use in a pause without counting as busy. An activation takes some 3; the
 * timer itself, and garbage that the work left, some tenths.
 */
const busyUse = 1

export interface PacePorts {
  /** Waits so many milliseconds, and tells how many of CPU the process used meanwhile. */
  readonly restFor: (ms: number) => Promise<number>
}

/**
 * Spreads background work, so that it takes a few hundredths of a processor while requests are served, and most of it
 * when there are none.
 */
export class Pace {
  readonly #restFor: PacePorts['restFor']
  #quiet = 0

  constructor({ restFor }: PacePorts = { restFor: rest }) {
    this.#restFor = restFor
  }

  /** Comes when the next piece of work may be done. @returns whether it may be a large one: nobody else is there */
  async turn(): Promise<boolean> {
    const used = await this.#restFor(this.#isQuiet ? quietPause : busyPause)
    this.#quiet = used < busyUse ? this.#quiet + 1 : 0
    return this.#isQuiet
  }

  get #isQuiet(): boolean {
    return this.#quiet >= quietPauses
  }
}

/** CPU rather than time: on a machine that others use too, what takes long need not be much. */
async function rest(ms: number): Promise<number> {
  const before = process.cpuUsage()
  await setTimeout(ms)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
