import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'

import { activate, type Activation } from '../activation/activate.ts'
import { formatAddress } from '../activation/address.ts'
import { systemClock, type RetryClock } from '../activation/retry.ts'
import { MarbleError, reasonOf } from '../errors.ts'
import { chooseEvidence } from '../evidence/choose.ts'
import { loadOrCreateUuid } from '../identity/uuid-file.ts'
import { checkDecoded, mergeEnvironment } from './environment.ts'
import { findExecutable } from './executable.ts'
import { defectExitCode, exitCodeOf, exitCodeOfSignal } from './exit-code.ts'
import { writeFiles } from './files.ts'
import { RunnerLog, writeStandardError, type WriteLine } from './log.ts'
import { checkSize, replaceProcess, type Program, type ReplaceProcess } from './replace-process.ts'
import { readSettings, type Environment, type RunnerSettings } from './settings.ts'
import { checkTtls, ttlsVariable } from './ttls.ts'

export interface RunOptions {
  /** The command line after `--`: executable and arguments. Empty: the manifest's `Argv` says both. */
  readonly command: readonly string[]
  readonly environment: Environment
  /** Default: that of this process. */
  readonly workingFolder?: string
  /** Default: straight to descriptor 2. */
  readonly writeLine?: WriteLine
  readonly clock?: RetryClock
  /** Default: `process.execve`. */
  readonly replace?: ReplaceProcess
}

/** These end a marble that isn't started yet. As process 1 of a container it would not even notice them by itself. */
const endingSignals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const

/** Takes the place of Node's handler, which opens its debugger to anyone on the machine. Ends with execve(2). */
const ignoreSignal = (): void => undefined

/**
 * `taw run`: activates this process as a marble, then becomes the application.
 *
 * The caller must end the process with the code that this returns, at once (`process.exit`): a request to a TEE that
 * hangs can't be taken back. Before, it must not touch `process.stdin`, `process.stdout` or `process.stderr`.
 *
 * @returns only when the application was not started: the exit code, after one line on standard error has said why
 */
export async function runMarble(options: RunOptions): Promise<number> {
  const log = new RunnerLog(
    options.writeLine ?? writeStandardError,
    options.environment['EDG_LOG_FORMAT'] === 'json',
  )
  const interruption = new AbortController()
  let signalled: NodeJS.Signals | undefined
  const onSignal = (signal: NodeJS.Signals): void => {
    signalled ??= signal
    interruption.abort(new MarbleError('interrupted', `${signal} came before the application was started`))
  }
  process.on('SIGUSR1', ignoreSignal)
  for (const signal of endingSignals) process.on(signal, onSignal)
  try {
    const program = await untilAborted(interruption.signal, prepare(options, log, interruption.signal))
    // Signals that came meanwhile are delivered here; after this there is no turn of the event loop any more.
    await nextTurn()
    interruption.signal.throwIfAborted()
    ;(options.replace ?? replaceProcess)(program)
    return 0
  } catch (error) {
    log.log('fatal', reasonOf(error))
    if (signalled !== undefined) return exitCodeOfSignal(signalled)
    return error instanceof MarbleError ? exitCodeOf[error.code] : defectExitCode
  } finally {
    for (const signal of endingSignals) process.off(signal, onSignal)
    process.off('SIGUSR1', ignoreSignal)
  }
}

/** The result, or the signal's reason as soon as it aborts, even if the work doesn't listen to it. */
async function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => {
    aborted.reject(signal.reason as Error)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Everything up to the point of no return. */
async function prepare(options: RunOptions, log: RunnerLog, signal: AbortSignal): Promise<Program> {
  const workingFolder = options.workingFolder ?? process.cwd()
  const settings = readSettings(options.environment, workingFolder)
  checkBeforeActivation(options, workingFolder)
  const uuid = await loadOrCreateUuid(settings.uuidFile)
  const activation = await activateWith(settings, uuid, options, log, signal)

  checkTtls(activation.env.get(ttlsVariable)?.revealText(), settings.applicationDoesTtls)
  const environment = mergeEnvironment(options.environment, activation.env)
  await writeFiles(activation.files, { workingFolder })

  const { executable, argv } = commandOf(options.command, activation.argv)
  const program = { file: findExecutable(executable, environment['PATH'], workingFolder), argv, environment }
  checkSize(program)
  log.log(
    'info',
    `activated as marble type "${settings.marbleType}" with UUID ${uuid}, starting "${program.file}"`,
  )
  return program
}

/** What would surely fail is told before it costs one of the marble's activations. */
function checkBeforeActivation({ command, environment }: RunOptions, workingFolder: string): void {
  const variables = Object.entries(environment).map(
    ([name, value]) => [`the variable "${name}"`, value ?? ''] as const,
  )
  checkDecoded(new Map(variables), () => readFileSync('/proc/self/environ'))
  const words = command.map((text, index) => [`word ${index + 1} of the command line`, text] as const)
  checkDecoded(new Map(words), () => readFileSync('/proc/self/cmdline'))
  const [name] = command
  if (name?.includes('/') && !existsSync(path.resolve(workingFolder, name))) {
    throw new MarbleError('executable_missing', `starting "${name}": there is no such file`)
  }
}

async function activateWith(
  settings: RunnerSettings,
  uuid: string,
  options: RunOptions,
  log: RunnerLog,
  signal: AbortSignal,
): Promise<Activation> {
  const evidence = await chooseEvidence(settings.evidence, {
    ...(settings.gramineRoot !== undefined && { gramineRoot: settings.gramineRoot }),
    ...(settings.tsmRoot !== undefined && { tsmRoot: settings.tsmRoot }),
  })
  if (evidence.name === 'none') {
    log.log('warn', 'simulation: activating without evidence; only a Coordinator in simulation accepts this')
  }
  let lastReason = ''
  return activate({
    coordinator: settings.coordinator,
    marbleType: settings.marbleType,
    uuid,
    names: settings.names,
    evidence,
    retry: { totalMs: settings.retryMs },
    clock: options.clock ?? systemClock,
    signal,
    onRetry: ({ reason }) => {
      if (reason !== lastReason) {
        const seconds = settings.retryMs / 1000
        log.log('warn', `waiting up to ${seconds} s for ${formatAddress(settings.coordinator)}: ${reason}`)
      }
      lastReason = reason
    },
  })
}

/**
 * The executable is the command line's; `Argv` of the manifest replaces all arguments, its first word the name that
 * the program sees as its own (argv[0]). Without a command line the first word of `Argv` is the executable too.
 */
export function commandOf(
  command: readonly string[],
  granted: readonly string[],
): { readonly executable: string; readonly argv: readonly string[] } {
  const argv = granted.length > 0 ? granted : command
  const executable = command[0] ?? argv[0]
  if (executable === undefined) {
    throw new MarbleError(
      'configuration_invalid',
      'there is nothing to start: neither does taw run have a command line (taw run -- app args…) nor the marble an ' +
        'Argv in the manifest',
    )
  }
  const withNul = argv.findIndex((argument) => argument.includes('\0'))
  if (withNul === -1) return { executable, argv }
  throw new MarbleError(
    'grant_inapplicable',
    `argument ${withNul} of the manifest's Argv has a NUL, which none can hold`,
  )
}
