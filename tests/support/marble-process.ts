import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { assertNothingPlanted } from './planted.ts'

/** How a marble ended. */
export interface MarbleResult {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface MarbleCall {
  /** The command line after `taw run --`. */
  readonly command: readonly string[]
  /** The whole environment; Node.js gets no other. */
  readonly environment: Readonly<Record<string, string>>
  readonly workingFolder: string
  readonly onStart?: (child: ChildProcess) => void
  /** Told about everything on standard error as it comes. */
  readonly onStandardError?: (text: string, child: ChildProcess) => void
}

const runner = path.join(import.meta.dirname, 'run-marble.ts')

/** Runs a marble as its own process, as a user would. */
export function runMarbleProcess(call: MarbleCall): Promise<MarbleResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', runner, ...call.command],
      {
        cwd: call.workingFolder,
        env: call.environment,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      call.onStandardError?.(stderr, child)
    })
    child.once('error', reject)
    child.once('close', (exitCode, signal) => {
      try {
        assertNothingPlanted(stderr)
        resolve({ exitCode, signal, stdout, stderr })
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
    call.onStart?.(child)
  })
}

/** A folder of its own, removed after the test. */
export function temporaryFolder(test: { after: (action: () => void) => void }): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'taw-marble-'))
  test.after(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}
