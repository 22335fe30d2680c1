import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { assertNothingPlanted } from './planted.ts'

const launcher = path.resolve(import.meta.dirname, '../../node_modules/.bin/taw')

/** Types are stripped once for all the processes of a test file: half of each start's time. */
const compileCache = mkdtempSync(path.join(tmpdir(), 'taw-compile-cache-'))
process.on('exit', () => {
  rmSync(compileCache, { recursive: true, force: true })
})

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A folder to run the CLI in: working folder and home at once. */
export interface CliFolder extends Disposable {
  readonly folder: string
  /** Absolute path of a file in it. */
  readonly file: (name: string) => string
  /** Runs the installed command as a user would, in a process of its own; `env` replaces HOME and XDG_CONFIG_HOME. */
  readonly taw: (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<CliResult>
}

export function makeCliFolder(): CliFolder {
  const folder = mkdtempSync(path.join(tmpdir(), 'taw-cli-'))
  return {
    folder,
    file: (name) => path.join(folder, name),
    taw: (args, env = { HOME: folder }) =>
      run(args, folder, { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: compileCache, ...env }),
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true })
    },
  }
}

function run(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(launcher, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
    child.on('error', reject)
    child.on('close', (code) => {
      try {
        assertNothingPlanted(output.stderr)
        resolve({ code, ...output })
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
  })
}
