import type { FlagValues, Flag } from './arguments/flag.ts'

/** What a command has to work with besides its arguments; main.ts makes it from the process. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Results: what scripts read. */
  readonly stdout: (data: string | Uint8Array) => void
  /** Progress, warnings and errors: one line each, without its newline. */
  readonly stderr: (line: string) => void
  /** Ends the process at once, without waiting for what is under way. */
  readonly exit: (code: number) => never
}

/** One call of a command, its command line read. */
export interface Invocation extends Surroundings {
  readonly args: readonly string[]
  readonly flags: FlagValues
}

/** @returns nothing, or the exit code; throws CliError, UsageError or ClientError */
export type CommandHandler = (invocation: Invocation) => Promise<number | undefined>

export interface CommandSpec {
  /** Words that call it: `['manifest', 'set']`. */
  readonly path: readonly string[]
  /** As shown in usage. */
  readonly arguments: string
  /** Fewest and most arguments. */
  readonly count: readonly [number, number]
  readonly about: string
  /** The command's own flags. */
  readonly flags: readonly Flag[]
  /** Flags that all commands of its group have. */
  readonly inheritedFlags?: readonly Flag[]
  /** Exit code when the command line is at fault; 1 if it is not given. */
  readonly usageExitCode?: number
  /** False: everything after the command's own words belongs to another program, and no flag is read. */
  readonly readsFlags?: false
  /** True: for programs alone, and in no help. */
  readonly hidden?: true
  /** Loads the command's code, which no other command needs to start. */
  readonly load: () => Promise<CommandHandler>
}

export interface GroupSpec {
  /** The words that call it: `manifest`, or `manifest update` for a group within a group. */
  readonly name: string
  readonly about: string
}
