import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'

/** How the TPM is reached. */
export interface TpmOptions {
  /**
   * Transmission interface as tpm2-tools name it (tpm2-tools, "common/tcti"): `device:/dev/tpmrm0`, `tabrmd:`,
   * `swtpm:path=FILE`. Undefined: the kernel's resource manager, `device:/dev/tpmrm0`.
   */
  readonly tcti?: string
  /** Folders of the programs, as in `PATH`; they must be part of what is measured. */
  readonly programPath?: string
  /** Where folders (0700) for what programs hand on to each other are made; nothing secret is written there. */
  readonly temporaryDirectory?: string
  /** Milliseconds that one program may take. */
  readonly timeout?: number
}

const defaults = {
  tcti: 'device:/dev/tpmrm0',
  programPath: '/usr/local/bin:/usr/bin:/bin',
  // A tmpfs on every Linux, and writable where the root file system is not.
  temporaryDirectory: '/dev/shm',
  // A discrete TPM takes up to some seconds for a primary key; a virtual one, milliseconds.
  timeout: 30_000,
} as const

/** A program of tpm2-tools could not be run, or failed. The message says which one, and what it said. */
export class TpmError extends Error {
  override readonly name = 'TpmError'
  /** TPM_RC (TPM 2.0 Library, part 2), where the TPM itself refused. */
  readonly code: number | undefined

  constructor(message: string, code?: number) {
    super(message)
    this.code = code
  }
}

/** One use of the TPM: programs that hand files on to each other. */
export interface TpmJob {
  /** A file of this job alone, gone when the job ends. */
  file(name: string): string
  /**
   * Runs a program of tpm2-tools.
   *
   * @returns what it wrote to standard output; the caller wipes it when it is secret
   * @throws {@link TpmError}
   */
  run(program: string, args: readonly string[], input?: Uint8Array): Promise<Buffer>
}

/** Programs that leave an object, or when they fail a session, in a TPM without a resource manager. */
const leaving = new Set(['tpm2_createprimary', 'tpm2_create', 'tpm2_load', 'tpm2_unseal'])

/** Longest standard error that is kept, and standard output that is accepted; bytes. The known ones have under 2 KiB. */
const maxOutput = 64 * 1024

/**
 * A TPM, through the programs of tpm2-tools 5: no shell, no inherited environment, secrets only over pipes. Jobs run
 * one after the other, since a TPM without a resource manager serves one connection and has three places for objects.
 */
export class Tpm {
  readonly #options: Required<TpmOptions>
  #queue: Promise<unknown> = Promise.resolve()

  constructor(options: TpmOptions) {
    this.#options = { ...defaults, ...options }
  }

  get tcti(): string {
    return this.#options.tcti
  }

  use<T>(action: (job: TpmJob) => Promise<T>): Promise<T> {
    const result = this.#queue.then(() => this.#perform(action))
    this.#queue = result.catch(() => undefined)
    return result
  }

  async #perform<T>(action: (job: TpmJob) => Promise<T>): Promise<T> {
    const { temporaryDirectory } = this.#options
    let folder: string
    try {
      folder = await mkdtemp(path.join(temporaryDirectory, 'taw-tpm-'))
    } catch (error) {
      throw new TpmError(
        `making a folder in "${temporaryDirectory}" for the TPM's files: ${messageOf(error)}`,
      )
    }
    try {
      return await action({
        file: (name) => path.join(folder, name),
        run: async (program, args, input) => {
          try {
            return await this.#run(program, args, input)
          } finally {
            if (leaving.has(program)) await this.#flush()
          }
        },
      })
    } catch (error) {
      // Of the files that programs hand on: the temporary directory may be full.
      if (!(error instanceof Error && 'syscall' in error)) throw error
      throw new TpmError(`handing files to the TPM's programs: ${error.message}`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** A resource manager gives back what a program leaves as soon as it ends; without one we do. */
  async #flush(): Promise<void> {
    const { tcti } = this.#options
    if (tcti.startsWith('device:/dev/tpmrm') || tcti.startsWith('tabrmd')) return
    for (const kind of ['--transient-object', '--loaded-session'])
      await this.#run('tpm2_flushcontext', [kind])
  }

  #run(program: string, args: readonly string[], input?: Uint8Array): Promise<Buffer> {
    const { tcti, programPath, timeout } = this.#options
    return new Promise((resolve, reject) => {
      const child = spawn(program, ['--tcti', tcti, ...args], {
        // The libraries' own log repeats what the programs say.
        env: { PATH: programPath, TSS2_LOG: 'all+NONE' },
      })
      const timer = setTimeout(() => child.kill('SIGKILL'), timeout)
      const output = new BoundedOutput()
      const complaints = new BoundedOutput()
      child.stdout.on('data', (chunk: Buffer) => {
        output.add(chunk)
      })
      child.stderr.on('data', (chunk: Buffer) => {
        complaints.add(chunk)
      })
      child.on('error', (error) => {
        clearTimeout(timer)
        reject(new TpmError(startFailure(program, programPath, error)))
      })
      child.on('close', (status, signal) => {
        clearTimeout(timer)
        const stdout = output.take()
        if (status === 0) {
          resolve(stdout)
          return
        }
        stdout.fill(0)
        const how =
          signal === null ? `exit status ${status ?? 'none'}` : `ended by ${signal}, limit ${timeout} ms`
        reject(failure(program, tcti, complaints.take().toString('utf8'), how))
      })
      // A program that ends before it has read its input says why on standard error.
      child.stdin.on('error', () => undefined)
      child.stdin.end(input)
    })
  }
}

/** Collects what a program writes; what is over the limit is dropped, and wiped. */
class BoundedOutput {
  readonly #chunks: Buffer[] = []
  #length = 0

  add(chunk: Buffer): void {
    if (this.#length + chunk.length > maxOutput) {
      chunk.fill(0)
      return
    }
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  /** Everything in one buffer; the chunks are wiped. */
  take(): Buffer {
    const whole = Buffer.allocUnsafeSlow(this.#length)
    let offset = 0
    for (const chunk of this.#chunks) {
      offset += chunk.copy(whole, offset)
      chunk.fill(0)
    }
    return whole
  }
}

function startFailure(program: string, programPath: string, error: Error): string {
  if ('code' in error && error.code === 'ENOENT') {
    return `"${program}" is in none of "${programPath}"; install tpm2-tools 5 in this Coordinator's image`
  }
  return `starting "${program}": ${error.message}`
}

function failure(program: string, tcti: string, complaints: string, how: string): TpmError {
  const lines = complaints.split('\n').filter((line) => line.startsWith('ERROR: '))
  if (lines.some((line) => line.includes('Could not load tcti'))) {
    return new TpmError(`no TPM answers at "${tcti}"; is there one, and may this process use it?`)
  }
  const said = lines[0]?.slice('ERROR: '.length) ?? how
  // tpm2-tools print a refusal of the TPM as `Esys_Load(0x1DF) - tpm:…`.
  const code = /\(0x([0-9A-F]{1,8})\) - tpm:/.exec(said)?.[1]
  return new TpmError(
    `"${program}" failed: ${said}`,
    code === undefined ? undefined : Number.parseInt(code, 16),
  )
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
