import type { CommandHandler } from '../command.ts'

/** Becomes the application. The runner's terms: standard streams untouched before, the process ended at once after. */
export const run: CommandHandler = async ({ args, env, exit }) => {
  const { runMarble } = await import('@taw/marble/runner')
  return exit(await runMarble({ command: args, environment: env }))
}
