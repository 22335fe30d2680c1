import { nodeCrypto } from '@taw/attestation/node'
import { CollateralUnavailable, createCollateralService } from '@taw/collateral'
import type { CollateralNotice, CollateralService, CollateralServiceOptions } from '@taw/collateral'
import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import type { VendorServer } from './vendor-server.ts'

/** A clock and timers that a test moves. */
export class TestTime {
  now: Date
  readonly #timers = new Set<{ readonly action: () => void; readonly at: number }>()

  constructor(start: string) {
    this.now = new Date(start)
  }

  /** Moves the clock, then runs what is due. */
  async set(time: string): Promise<void> {
    this.now = new Date(time)
    for (const timer of [...this.#timers]) {
      if (timer.at > this.now.getTime()) continue
      this.#timers.delete(timer)
      timer.action()
    }
    // What a timer started goes on, and sets the next one.
    await turn()
  }

  readonly timers = {
    set: (action: () => void, delayMs: number): { cancel: () => void } => {
      const timer = { action, at: this.now.getTime() + delayMs }
      this.#timers.add(timer)
      return {
        cancel: () => {
          this.#timers.delete(timer)
        },
      }
    },
  }
}

export interface TestService {
  readonly service: CollateralService
  readonly notices: CollateralNotice[]
}

/** A service that asks the server for everything, and waits as little as can be. */
export function collateralService(
  server: VendorServer,
  time: TestTime,
  options: Partial<CollateralServiceOptions> = {},
): TestService {
  const notices: CollateralNotice[] = []
  const service = createCollateralService({
    crypto: nodeCrypto,
    intel: { url: server.url, ca: server.ca },
    amd: { url: server.url, ca: server.ca },
    retry: { attempts: 2, backoffMs: 1 },
    now: () => time.now,
    random: () => 0.5,
    timers: time.timers,
    notice: (notice) => notices.push(notice),
    ...options,
  })
  return { service, notices }
}

/** The error of what must not work. */
export async function unavailable(work: Promise<unknown>): Promise<CollateralUnavailable> {
  try {
    await work
  } catch (error) {
    if (error instanceof CollateralUnavailable) return error
    throw error
  }
  return assert.fail('nothing was thrown')
}
