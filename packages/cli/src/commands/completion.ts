import { globalFlags } from '../arguments/flags.ts'
import type { CommandHandler, CommandSpec } from '../command.ts'
import { candidatesFor } from '../completion/candidates.ts'
import { completionScripts, type Shell } from '../completion/scripts.ts'

/** Prints the script that teaches a shell to complete command lines. */
export const completion =
  (shell: Shell): CommandHandler =>
  ({ stdout }) => {
    stdout(completionScripts[shell])
    return Promise.resolve(0)
  }

/** What those scripts call. */
export const complete =
  (commands: readonly CommandSpec[]): CommandHandler =>
  ({ args: [typed = '', ...before], stdout }) => {
    const line = [...before, typed.replace(/^=/, '')]
    for (const candidate of candidatesFor(line, commands, globalFlags)) stdout(`${candidate}\n`)
    return Promise.resolve(0)
  }
