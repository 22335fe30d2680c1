import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { coordinatorCommand, get } from './coordinator.ts'
import { assertNothingPlanted } from './planted.ts'

export interface ProcessEnd {
  /** null when a signal killed it. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
}

/** One Coordinator process with exactly the given environment, for tests of how it starts and ends. */
export class CoordinatorProcess {
  readonly ended: Promise<ProcessEnd>
  readonly #child: ChildProcess
  #stdout = ''
  #stderr = ''
  #awaited: { readonly text: string; readonly seen: () => void } | undefined

  /** @param abort kills it; give the test's own signal, so that nothing outlives a test that ran out of time */
  constructor(
    env: Readonly<Record<string, string | undefined>>,
    workingDirectory: string,
    abort: AbortSignal,
  ) {
    const child = spawn(coordinatorCommand, {
      cwd: workingDirectory,
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: abort,
      killSignal: 'SIGKILL',
    })
    // An abort is told as an error; that the process ends is what counts.
    child.on('error', () => undefined)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
      if (this.#awaited !== undefined && this.#stderr.includes(this.#awaited.text)) this.#awaited.seen()
    })
    this.#child = child
    this.ended = once(child, 'close').then(() => ({ exitCode: child.exitCode, signal: child.signalCode }))
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  /** Lines of standard error that are JSON objects, parsed; others make the test fail. */
  get log(): readonly Readonly<Record<string, unknown>>[] {
    const lines = this.#stderr.split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits until standard error holds the text, or the process has ended. */
  async logged(text: string): Promise<void> {
    const seen = Promise.withResolvers<undefined>()
    const tell = (): void => {
      seen.resolve(undefined)
    }
    this.#awaited = { text, seen: tell }
    if (!this.#stderr.includes(text)) await Promise.race([seen.promise, this.ended])
    if (!this.#stderr.includes(text)) throw new Error(`it never logged "${text}", but:\n${this.#stderr}`)
  }

  /** The state that the client API tells, once it answers. */
  async state(clientPort: number): Promise<number> {
    await this.logged('listening')
    const { text } = await get(clientPort, '/api/v2/status')
    const answer = JSON.parse(text) as { readonly data: { readonly code: number } }
    return answer.data.code
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill('SIGKILL')
    await this.ended
    assertNothingPlanted(`${this.#stdout}${this.#stderr}`)
  }
}
