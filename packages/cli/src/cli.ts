import { ClientError } from '@taw/client'
import { FlagValues } from './arguments/flag.ts'
import type { Surroundings } from './command.ts'
import { CliError, UsageError } from './errors.ts'

/**
 * Runs one command line and tells the user of its errors.
 * @param args without the program's own name
 * @returns the exit code: 0 done, 1 any failure, or that of the program that `run` became
 */
export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    if (becomesProgram(args)) {
      const { run } = await import('./commands/run.ts')
      return (await run({ ...surroundings, args: programOf(args), flags: new FlagValues() })) ?? 0
    }
    const { runProgram } = await import('./program.ts')
    return await runProgram(args, surroundings)
  } catch (error) {
    if (error instanceof UsageError) surroundings.stdout(error.usage)
    else if (!(error instanceof CliError || error instanceof ClientError)) {
      // A defect of ours: the stack is what its report needs.
      surroundings.stderr(
        `Error: internal: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      )
      return 1
    }
    surroundings.stderr(`Error: ${error.message}`)
    return error instanceof UsageError ? error.exitCode : 1
  }
}

/**
 * `taw run` goes past Commander: that imports node:process as a module, which opens the standard streams, and an
 * open pipe is set to non-blocking for the application too.
 */
const becomesProgram = (args: readonly string[]): boolean =>
  args[0] === 'run' && args[1] !== '--help' && args[1] !== '-h'

const programOf = (args: readonly string[]): readonly string[] => args.slice(args[1] === '--' ? 2 : 1)
