import { once } from 'node:events'
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type InspectedRecord, inspectLedger } from '../../packages/coordinator/src/ledger/inspect.ts'
import { CoordinatorProcess } from '../support/coordinator-process.ts'
import type { Ports } from './load.ts'

/** Milliseconds after which a start, or an end, counts as never happening. */
const patience = 120_000

/** One process on a seal directory, from its start to its end. */
export class Life {
  readonly ports: Ports
  readonly process: CoordinatorProcess

  private constructor(process: CoordinatorProcess, ports: Ports) {
    this.process = process
    this.ports = ports
  }

  /** A process of which nothing is known yet. */
  static spawn(sealDirectory: string, env: Readonly<Record<string, string>> = {}): CoordinatorProcess {
    return new CoordinatorProcess(
      {
        OE_SIMULATION: '1',
        EDG_COORDINATOR_MESH_ADDR: '127.0.0.1:0',
        EDG_COORDINATOR_CLIENT_ADDR: '127.0.0.1:0',
        EDG_COORDINATOR_SEAL_DIR: sealDirectory,
        ...env,
      },
      path.dirname(sealDirectory),
      new AbortController().signal,
    )
  }

  /** Waits until it listens. @throws Error with its log when it ends, or takes for ever */
  static async of(process: CoordinatorProcess): Promise<Life> {
    await inTime(process, process.logged('listening'))
    const line = process.log.find(({ msg }) => msg === 'listening')
    return new Life(process, { mesh: Number(line?.['mesh']), client: Number(line?.['client']) })
  }

  /** Kills it, and waits until it is gone. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.process.ended
  }

  /** Asks it to end, and kills it when it takes longer than `milliseconds`. */
  async end(milliseconds: number): Promise<void> {
    this.process.kill('SIGTERM')
    await Promise.race([this.process.ended, setTimeout(milliseconds)])
    await this.kill()
  }
}

async function inTime(process: CoordinatorProcess, promise: Promise<void>): Promise<void> {
  const clock = AbortSignal.timeout(patience)
  const late = once(clock, 'abort').then(() => {
    throw new Error(`the Coordinator did not start within ${patience} ms:\n${process.stderr}`)
  })
  await Promise.race([promise, late])
}

/** All records of a ledger. @returns undefined when there is none. @throws Error when the chain is broken */
export function recordsOf(directory: string): readonly InspectedRecord[] | undefined {
  if (!existsSync(path.join(directory, 'ledger.db'))) return undefined
  const records: InspectedRecord[] = []
  const { problem, entries } = inspectLedger(directory, (record) => records.push(record))
  if (problem !== undefined) throw new Error(`the chain is broken: ${problem}`)
  if (records.length !== entries)
    throw new Error(`${entries} records are said to be there, ${records.length} are`)
  return records
}

/** Whether a set of files was on its way in: only the next start knows where they belong. */
export const isSwitching = (directory: string): boolean => existsSync(path.join(directory, 'switch'))

export function copyAside(directory: string, copy: string): void {
  rmSync(copy, { recursive: true, force: true })
  cpSync(directory, copy, { recursive: true })
}

/** The folder with what a new manifest replaced. */
export function replacedFolder(directory: string): string | undefined {
  const [name] = readdirSync(directory).filter((entry) => entry.startsWith('replaced-'))
  return name === undefined ? undefined : path.join(directory, name)
}
