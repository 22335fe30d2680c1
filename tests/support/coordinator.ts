import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import https from 'node:https'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { assertNothingPlanted } from './planted.ts'

/** The command that `npm ci` installs. */
export const coordinatorCommand = path.resolve(import.meta.dirname, '../../node_modules/.bin/taw-coordinator')

export interface StartOptions {
  /** Added to, or with undefined taken from, the usual environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** An existing seal directory; it is then not removed at the end. */
  readonly sealDirectory?: string
  /** A program in place of the one that `npm ci` installs, and its arguments. */
  readonly command?: readonly string[]
  /** Milliseconds that a start may take. */
  readonly patience?: number
}

/** A real Coordinator process, in simulation, on free ports and a seal directory of its own. */
export class TestCoordinator {
  readonly meshPort: number
  readonly clientPort: number
  readonly sealDirectory: string
  readonly #env: NodeJS.ProcessEnv
  readonly #ownsDirectory: boolean
  readonly #patience: number
  readonly #command: readonly string[]
  #process: ChildProcess
  #output = ''

  private constructor(meshPort: number, clientPort: number, options: StartOptions) {
    this.meshPort = meshPort
    this.clientPort = clientPort
    this.#ownsDirectory = options.sealDirectory === undefined
    this.#patience = options.patience ?? 120_000
    this.#command = options.command ?? [coordinatorCommand]
    this.sealDirectory = options.sealDirectory ?? mkdtempSync(path.join(os.tmpdir(), 'taw-test-'))
    this.#env = {
      PATH: process.env['PATH'],
      OE_SIMULATION: '1',
      EDG_COORDINATOR_MESH_ADDR: `127.0.0.1:${meshPort}`,
      EDG_COORDINATOR_CLIENT_ADDR: `127.0.0.1:${clientPort}`,
      EDG_COORDINATOR_SEAL_DIR: this.sealDirectory,
      ...options.env,
    }
    this.#process = this.#spawn({})
  }

  /** Starts, and waits until it answers. */
  static async start(options: StartOptions = {}): Promise<TestCoordinator> {
    const coordinator = new TestCoordinator(await freePort(), await freePort(), options)
    await coordinator.#answers()
    return coordinator
  }

  /** Everything it wrote to its standard streams, over all its lives. */
  get output(): string {
    return this.#output
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Ends it by `signal` and waits; gives its exit code, or null when the signal killed it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill(signal)
      await ended
    }
    return this.#process.exitCode
  }

  /** Ends it and starts it again on the same directory and ports. */
  async restart(
    signal: NodeJS.Signals = 'SIGTERM',
    env: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await this.stop(signal)
    this.#process = this.#spawn(env)
    await this.#answers()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
    try {
      assertNothingPlanted(this.#output, this.sealDirectory)
    } finally {
      if (this.#ownsDirectory) rmSync(this.sealDirectory, { recursive: true, force: true })
    }
  }

  #spawn(env: Readonly<Record<string, string>>): ChildProcess {
    const [program = coordinatorCommand, ...args] = this.#command
    const child = spawn(program, args, {
      env: { ...this.#env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
    }
    return child
  }

  async #answers(): Promise<void> {
    const deadline = Date.now() + this.#patience
    for (;;) {
      const status = await get(this.clientPort, '/api/v2/status').catch(() => undefined)
      if (status?.status === 200) return
      if (this.#process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the Coordinator did not start:\n${this.#output}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

export interface RestAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

export interface RestOptions {
  readonly method?: string
  readonly body?: string | Uint8Array
  /** PEM of a user's certificate and key. */
  readonly user?: { readonly cert: string; readonly key: string }
  readonly headers?: Readonly<Record<string, string>>
}

/** One HTTPS request on a connection of its own; the server certificate is not verified. */
export function get(port: number, target: string, options: RestOptions = {}): Promise<RestAnswer> {
  return new Promise((resolve, reject) => {
    const request = https.request(
      {
        host: '127.0.0.1',
        port,
        path: target,
        method: options.method ?? 'GET',
        agent: false,
        rejectUnauthorized: false,
        headers: options.headers ?? {},
        ...options.user,
      },
      (response) => {
        let text = ''
        response
          .setEncoding('utf8')
          .on('data', (part: string) => {
            text += part
          })
          .on('end', () => {
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
          })
          .on('error', reject)
      },
    )
    request.on('error', reject)
    request.end(options.body)
  })
}

/**
 * A port that nobody listens on, below those that systems give to outgoing connections (from 32768 on Linux): one of those
 * could be taken by any other test before the caller listens.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_240, 32_768)
    const server = net.createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
