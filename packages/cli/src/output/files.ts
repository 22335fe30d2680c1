import { randomBytes } from 'node:crypto'
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { CliError } from '../errors.ts'

/** Only the owner may read what the CLI writes (golden/cli/behaviour.json, `files`). */
const fileMode = 0o600

/** Bytes of a file that the CLI reads: the Coordinator takes no manifest above 24 MiB. */
const maxInputBytes = 64 * 1024 * 1024

/**
 * Reads a whole file.
 * @param file its name, or the descriptor of an open one
 * @param what names the file in the error: `the manifest`
 */
export function readInput(file: string | number, what: string, exitCode?: number): Buffer {
  const name = typeof file === 'number' ? '-' : file
  const exit = exitCode === undefined ? {} : { exitCode }
  try {
    const bytes = readFileSync(file)
    if (bytes.length <= maxInputBytes) return bytes
  } catch (error) {
    throw fileError(`Reading ${what}`, name, error, exit)
  }
  throw new CliError(
    `Reading ${what} from ${JSON.stringify(name)}: the file is larger than ${maxInputBytes} bytes`,
    exit,
  )
}

/** The same, undefined if there is no such file. */
export function readInputIfPresent(file: string, what: string): Buffer | undefined {
  return statSync(file, { throwIfNoEntry: false }) === undefined ? undefined : readInput(file, what)
}

/** Writes a file that holds no secrets; an existing one is overwritten and keeps its mode. */
export function writeOutput(file: string, data: string | Uint8Array, what: string): void {
  attempt(`Writing ${what}`, file, () => {
    writeFileSync(file, data, { mode: fileMode })
  })
}

/** The same for what is too long to hold in memory: text is written piece by piece. */
export function openOutput(
  file: string,
  what: string,
): { readonly write: (text: string) => void; readonly close: () => void } {
  const doing = `Writing ${what}`
  const descriptor = attempt(doing, file, () => openSync(file, 'w', fileMode))
  let waiting = ''
  const flush = (): void => {
    const bytes = Buffer.from(waiting)
    waiting = ''
    attempt(doing, file, () => {
      for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written)
    })
  }
  return {
    write: (text) => {
      waiting += text
      if (waiting.length >= pieceLength) flush()
    },
    close: () => {
      try {
        flush()
      } finally {
        closeSync(descriptor)
      }
    },
  }
}

/** Characters that are written at once. */
const pieceLength = 64 * 1024

/** What {@link writeSecretOutput} would refuse, found out before the secrets exist. */
export function checkSecretOutput(file: string, what: string, force: boolean): void {
  const doing = `Writing ${what}`
  const existing = attempt(doing, file, () => lstatSync(file, { throwIfNoEntry: false }))
  const folder = path.dirname(file)
  if (existing === undefined && statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new CliError(`${doing} to ${JSON.stringify(file)}: there is no folder ${JSON.stringify(folder)}`)
  }
  if (existing?.isDirectory() === true)
    throw new CliError(`${doing} to ${JSON.stringify(file)}: that is a folder`)
  if (existing !== undefined && !isStream(file) && !force) {
    throw new CliError(
      `${doing} to ${JSON.stringify(file)}: the file exists; overwrite it with --force, or give another name`,
    )
  }
}

/**
 * Writes a file with secrets, readable by the owner alone. An existing file is replaced with `force` only, as a whole
 * and with the new mode; pipes and devices such as /dev/stdout are written to.
 */
export function writeSecretOutput(
  file: string,
  data: string | Uint8Array,
  what: string,
  force: boolean,
): void {
  checkSecretOutput(file, what, force)
  attempt(`Writing ${what}`, file, () => {
    if (isStream(file)) writeFileSync(file, data)
    else if (force) replaceFile(file, data)
    else writeFileSync(file, data, { mode: fileMode, flag: 'wx' })
  })
}

/** Puts a file there at once or not at all, making missing folders (0755, as recorded for the pinned chain). */
export function storeFile(file: string, data: string, what: string): void {
  attempt(`Writing ${what}`, file, () => {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 })
    replaceFile(file, data)
  })
}

function replaceFile(file: string, data: string | Uint8Array): void {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`
  try {
    writeFileSync(temporary, data, { mode: fileMode, flag: 'wx' })
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** A pipe, a terminal or another device: nothing there can be overwritten. */
function isStream(file: string): boolean {
  const found = statSync(file, { throwIfNoEntry: false })
  return found !== undefined && !found.isFile() && !found.isDirectory()
}

function attempt<Result>(doing: string, file: string, action: () => Result): Result {
  try {
    return action()
  } catch (error) {
    throw fileError(doing, file, error)
  }
}

function fileError(
  doing: string,
  file: string,
  error: unknown,
  exit: { readonly exitCode?: number } = {},
): CliError {
  const reason = error instanceof Error ? error.message : String(error)
  return new CliError(`${doing}, file ${JSON.stringify(file)}: ${reason}`, { cause: error, ...exit })
}
